"""Writing so that nothing is lost: a file or a folder is there whole, or not at all.

Everything is written under a name beside its goal, flushed to the disk and renamed. A crash leaves
at most a `.tmp-…` neighbour, which the next writer of the same goal removes.
"""

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from filbert.errors import FilbertError, SettingsError

LOCK = "lock"
"""The file of a work folder that `locked` holds."""
_LIVE: set[Path] = set()
"""Folders that threads of this process are filling: never to be tidied away."""


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush(path: Path) -> None:
    """Make the disk hold what was written (fsync), for a file or for a folder's list of names."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_write(goal: Path, error: OSError) -> Exception:
    """What to say of a system's error; one about another file is that file's own."""
    named = error.filename
    if (
        named is not None
        and goal.parent != Path(os.fsdecode(named)).parent
        and (not any(part.startswith(".tmp-") for part in Path(os.fsdecode(named)).parts))
    ):
        return error
    return FilbertError(
        f"{goal} could not be written: {error.strerror or error}; nothing was changed there"
    )


def _goal_of(path: Path) -> Path:
    """The place that is meant: where a link leads to, so that the link stays."""
    goal = Path(path)
    if goal.is_symlink():
        goal = Path(os.path.realpath(goal))
    if goal.exists() and not goal.is_file() and not goal.is_dir():
        # To rename something over a device (/dev/null, say) would take it from the whole machine.
        raise SettingsError(
            f"{path}: expected a file, a folder or nothing; there is a device or pipe"
        )
    return goal


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; on success it becomes `path`, on error it is removed.

    Raises FilbertError, naming `path`, where the system refuses to write (disk full, no rights),
    SettingsError where a device or a pipe is there.
    """
    goal = _goal_of(path)
    draft = goal.with_name(f".tmp-{os.getpid()}-{goal.name}")
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        flush(draft)
        draft.replace(goal)
        flush(goal.parent)
    except OSError as error:
        said = _cannot_write(goal, error)
        if said is error:
            raise
        raise said from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder to fill; on success it becomes `path`, on error it is removed.

    An existing folder that holds anything is an error unless `replace` is given; then it goes only
    when the new one is complete. A file, a device or a pipe is never replaced. Raises SettingsError
    for that, FilbertError where the system refuses to write.
    """
    goal = _goal_of(path)
    if goal.parent.is_dir():
        remove_drafts(goal)
    check_free(goal, replace)
    made = False
    draft = goal.with_name(f".tmp-{os.getpid()}-{goal.name}")
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir()
        made = True
        _LIVE.add(draft)
        yield draft
        for file in sorted(draft.rglob("*")):
            flush(file)
        flush(draft)
        check_free(goal, replace)  # again: someone else may have put something there meanwhile
        if goal.exists():
            _swap(draft, goal)
        else:
            draft.rename(goal)
        flush(goal.parent)
    except OSError as error:
        said = _cannot_write(goal, error)
        if said is error:
            raise
        raise said from error
    finally:
        if made:
            _LIVE.discard(draft)
            shutil.rmtree(draft, ignore_errors=True)


def check_free(goal: Path, replace: bool = False) -> None:
    """SettingsError for a file, and for a folder that holds anything if it must not be replaced."""
    if goal.is_file() or (not replace and goal.is_dir() and any(goal.iterdir())):
        raise SettingsError(f"{goal} is there already; name another place, or remove it first")


def _swap(draft: Path, goal: Path) -> None:
    """Put draft in goal's place; the old folder goes last."""
    old = goal.with_name(f".tmp-old-{os.getpid()}-{goal.name}")
    goal.rename(old)
    try:
        draft.rename(goal)
    except OSError:
        old.rename(goal)
        raise
    shutil.rmtree(old, ignore_errors=True)


def remove_drafts(goal: Path) -> None:
    """Remove what a killed writer of `goal` left behind; other processes' live drafts stay.

    A writer that was killed between its two renames has left the old folder aside and nothing in
    its place: that one comes back.
    """
    pattern = re.compile(rf"\.tmp-(old-)?(\d+)-{re.escape(goal.name)}")
    for draft in sorted(goal.parent.iterdir()):
        match = pattern.fullmatch(draft.name)
        if not match or draft in _LIVE:
            continue
        if int(match[2]) != os.getpid() and _alive(int(match[2])):
            continue
        if match[1] and not goal.exists():
            draft.rename(goal)
        elif draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def work_folder(goal: Path) -> Path:
    """Where long work on a folder lies: a hidden neighbour, so that one rename ends it."""
    return goal.with_name(f".{goal.name}.work")


@contextlib.contextmanager
def locked(folder: Path, goal: Path) -> Iterator[None]:
    """Hold a work folder, that no other process does, until the context ends or this one dies.

    Raises SettingsError, naming `goal`, where another has it. On a file system without locks, and
    on Windows, nobody is kept out: two at once do the same work twice, but nothing wrong.
    """
    with (folder / LOCK).open("a+b") as lock:
        try:
            _lock(lock.fileno())
            if not os.path.samestat(os.fstat(lock.fileno()), (folder / LOCK).stat()):
                raise BlockingIOError  # the other has just ended, and removed what we hold
        except (BlockingIOError, PermissionError, FileNotFoundError) as error:
            raise SettingsError(
                f"{goal}: another filbert is working on it (in {folder}); wait for it, or name "
                "another place"
            ) from error
        yield


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        raise
    except OSError:
        return


def keep_only(folder: Path, names: Collection[str]) -> None:
    """Remove everything else from a folder."""
    for entry in folder.iterdir():
        if entry.name in names:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
