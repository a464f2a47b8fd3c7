"""The folder of work on shards that can be stopped: claimed, remembered, put in its place."""

import errno
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filbert.disk import atomic_file
from filbert.errors import FilbertError, SettingsError

_PLAN, _LOCK = "plan.json", "lock"


@contextmanager
def claimed(out: Path) -> Iterator[Path]:
    """The work folder of `out`, ours alone until the context ends or this process dies.

    Raises SettingsError where `out` is taken, or another process works on it; FilbertError where
    the folder cannot be made or written.
    """
    folder = out.with_name(f".{out.name}.work")
    try:
        _check_free(out)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _LOCK).open("a+b") as lock:
            _hold(lock.fileno(), out)
            _check_free(out)  # the other one may just have finished
            yield folder
    except OSError as error:
        at = f" at {os.fsdecode(error.filename)}" if error.filename is not None else ""
        raise FilbertError(
            f"{out} could not be written: {error.strerror or error}{at}; {waits_in(folder)}"
        ) from error


def waits_in(folder: Path) -> str:
    """The end of a message: nothing is lost."""
    return f"what is finished waits in {folder}, and the same command goes on"


def _check_free(out: Path) -> None:
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise SettingsError(f"{out} is there already; name another place, or remove it first")


def _hold(descriptor: int, out: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES):
            raise SettingsError(
                f"{out}: another filbert is working on it; wait for it, or name another place"
            ) from error
        # A file system without locks: two at once do the same work twice, but nothing wrong.


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
    keep_only(folder, {_LOCK})
    with atomic_file(path) as draft:
        draft.write_text(json.dumps(made_of), encoding="utf-8")


def _begun(path: Path) -> dict[str, Any] | None:
    """What was begun here; None where that is nothing, or cannot be known."""
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def keep_only(folder: Path, names: Collection[str]) -> None:
    """Remove everything else from a folder: drafts of who was killed, what cannot be trusted."""
    for entry in folder.iterdir():
        if entry.name in names:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _short(value: object) -> object:
    return f"{value[:12]}…" if isinstance(value, str) and len(value) > 12 else value


def finish(folder: Path, made: Path, out: Path) -> None:
    """Put what was made in its place, on the disk, and remove the rest."""
    for path in [*made.rglob("*"), made]:
        _flush(path)
    _check_free(out)
    with suppress(OSError):
        out.rmdir()  # an empty folder may be there
    made.rename(out)
    _flush(out.parent)
    shutil.rmtree(folder, ignore_errors=True)


def _flush(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
