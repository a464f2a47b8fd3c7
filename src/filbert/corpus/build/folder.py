"""The work folder: what has been done so far, of which sources, by which settings, by whom."""

import json
import os
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from filbert.corpus.build.crew import is_there
from filbert.corpus.build.settings import CorpusSettings
from filbert.disk import LOCK, atomic_file, check_free, keep_only, locked, work_folder
from filbert.errors import FilbertError, SettingsError
from filbert.files import Source, show_address
from filbert.settings import to_mapping

FORMAT = 2
_PLAN = "plan.json"
_SHOWN = 3
_WAIT_SECONDS, _LOOK_SECONDS = 2.0, 0.05


@contextmanager
def claimed(out: Path) -> Iterator[Path]:
    """The work folder, ours alone until the context ends or this process dies.

    Raises SettingsError where `out` is taken, or another process works on it; FilbertError where
    the folder cannot be made.
    """
    check_free(out)
    folder = work_folder(out)
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(folder, out))
        except OSError as error:
            raise FilbertError(f"{folder}: cannot be made: {error.strerror or error}") from error
        check_free(out)  # the other one may just have finished
        _end_workers(folder)
        for left in folder.rglob(".tmp-*"):
            left.unlink(missing_ok=True)  # of one that was killed
        try:
            yield folder
        finally:
            if not is_begun(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _end_workers(folder: Path) -> None:
    """Wait for workers of one that was killed, which see within a second that it is gone.

    Until then one of them may finish its part, and put it into a folder that is another's by now.
    """
    marks = list(folder.glob("running-*"))
    processes = [int(mark.name.rpartition("-")[2]) for mark in marks if mark.name.count("-") == 2]
    for mark in marks:
        mark.unlink(missing_ok=True)
    until = time.monotonic() + _WAIT_SECONDS
    while any(map(is_there, processes)) and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)


def is_begun(folder: Path) -> bool:
    """Whether a part is finished, so that there is something to go on with."""
    return any(folder.glob("part-*.json"))


def clear(folder: Path) -> None:
    """Remove all work, but not the lock that is held."""
    keep_only(folder, {LOCK})


def remember(folder: Path, settings: CorpusSettings, sources: list[Source]) -> None:
    """Write what is being done, or compare it with what was begun here.

    Raises SettingsError, naming what differs, where something else was begun.
    """
    new = {
        "format": FORMAT,
        "settings": to_mapping(settings),
        # A list: what is secret in an address, or no UTF-8, is not shown, so two may look alike.
        "sources": [[show_address(s.address), s.size, s.stamp] for s in sources],
    }
    old = _begun(folder)
    if old is None:
        clear(folder)
        with atomic_file(folder / _PLAN) as draft:
            draft.write_text(json.dumps(new, ensure_ascii=False), encoding="utf-8")
        return
    differences = [*_changed_settings(old, new), *_changed_sources(old, new)]
    if differences:
        more = len(differences) - _SHOWN
        shown = "; ".join(differences[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        raise SettingsError(
            f"{folder}: holds the beginning of another corpus: {shown}. Ask for the same to go on "
            "with it, or give --restart to begin anew with what is there now"
        )


def _begun(folder: Path) -> dict[str, Any] | None:
    if not is_begun(folder):
        return None  # nothing would be lost
    try:
        old = json.loads((folder / _PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    right = isinstance(old, dict) and old.get("format") == FORMAT
    return old if right else None


def _changed_settings(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    before, now = dict(_flat(old["settings"])), dict(_flat(new["settings"]))
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            yield f"{name} was {before.get(name)!r} and is {now.get(name)!r} now"


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _changed_sources(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    if old["sources"] == new["sources"]:
        return
    before, now = _by_address(old["sources"]), _by_address(new["sources"])
    for address in before:
        if address not in now:
            yield f"the source {address} is gone"
        elif before[address] != now[address]:
            yield f"the source {address} has changed"
    for address in now:
        if address not in before:
            yield f"the source {address} is new"
    if before == now:
        yield "the sources come in another order"


def _by_address(sources: list[list[Any]]) -> dict[str, list[list[Any]]]:
    found: dict[str, list[list[Any]]] = {}
    for address, *stamps in sources:
        found.setdefault(address, []).append(stamps)
    return found


def finish(folder: Path, made: Path, out: Path, names: Collection[str]) -> None:
    """Put the finished corpus, which has files of these names, in its place; remove the work."""
    check_free(out)
    for path in made.iterdir():
        if path.name not in names:
            path.unlink(missing_ok=True)
    with suppress(OSError):
        out.rmdir()  # an empty folder may be there
    made.rename(out)
    with suppress(OSError):
        descriptor = os.open(out.parent, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    shutil.rmtree(folder, ignore_errors=True)
