"""The folder of work on shards that can be stopped: claimed, remembered, put in its place."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filbert.disk import LOCK, atomic_file, check_free, flush, keep_only, locked, work_folder
from filbert.errors import FilbertError, SettingsError

_PLAN = "plan.json"


@contextmanager
def claimed(out: Path) -> Iterator[Path]:
    """The work folder of `out`, ours alone until the context ends or this process dies.

    Raises SettingsError where `out` is taken, or another process works on it; FilbertError where
    the folder cannot be made or written.
    """
    folder = work_folder(out)
    try:
        check_free(out)
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder, out):
            check_free(out)  # the other one may just have finished
            yield folder
    except OSError as error:
        at = f" at {os.fsdecode(error.filename)}" if error.filename is not None else ""
        raise FilbertError(
            f"{out} could not be written: {error.strerror or error}{at}; {waits_in(folder)}"
        ) from error


def waits_in(folder: Path) -> str:
    """The end of a message: nothing is lost."""
    return f"what is finished waits in {folder}, and the same command goes on"


def remember(folder: Path, made_of: Mapping[str, Any], restart: bool) -> None:
    """Write what is being made, or compare it with what was begun here.

    Raises SettingsError, naming both, where something else was begun.
    """
    path = folder / _PLAN
    begun = _begun(path)
    if begun is not None and not restart:
        for name, value in made_of.items():
            if (old := begun.get(name)) != value:
                raise SettingsError(
                    f"{folder}: holds the beginning of other shards: {name} was {_short(old)} and "
                    f"is {_short(value)} now. Ask for the same to go on, or give --restart"
                )
        return
    keep_only(folder, {LOCK})
    with atomic_file(path) as draft:
        draft.write_text(json.dumps(made_of), encoding="utf-8")


def _begun(path: Path) -> dict[str, Any] | None:
    """What was begun here; None where that is nothing, or cannot be known."""
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _short(value: object) -> object:
    return f"{value[:12]}…" if isinstance(value, str) and len(value) > 12 else value


def finish(folder: Path, made: Path, out: Path) -> None:
    """Put what was made in its place, on the disk, and remove the rest."""
    for path in [*made.rglob("*"), made]:
        flush(path)
    check_free(out)
    with suppress(OSError):
        out.rmdir()  # an empty folder may be there
    made.rename(out)
    flush(out.parent)
    shutil.rmtree(folder, ignore_errors=True)
