"""Writing so that nothing is lost: a file or a folder is there whole, or not at all.

Everything is written under a name beside its goal, flushed to the disk and renamed. A crash leaves
at most a `.tmp-…` neighbour, which the next writer of the same goal removes.
"""

import contextlib
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from filbert.errors import FilbertError, SettingsError

UNCHANGED = "; nothing was changed there"
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
    folder = path.is_dir()
    if folder and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network disks know no fsync of a folder; there nothing more can be done.
        if not folder or error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _cannot_write(goal: Path, error: OSError, renamed: bool) -> Exception:
    """What to say of a system's error; one about another file is that file's own."""
    if renamed:
        return FilbertError(
            f"{goal} was written, but the disk did not confirm it: {error.strerror or error}"
        )
    named = error.filename
    if (
        named is not None
        and goal.parent != Path(os.fsdecode(named)).parent
        and (not any(part.startswith(".tmp-") for part in Path(os.fsdecode(named)).parts))
    ):
        return error
    return FilbertError(f"{goal} could not be written: {error.strerror or error}{UNCHANGED}")


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
    renamed = False
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        flush(draft)
        draft.replace(goal)
        renamed = True
        flush(goal.parent)
    except OSError as error:
        said = _cannot_write(goal, error, renamed)
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
    made = renamed = False
    draft = goal.with_name(f".tmp-{os.getpid()}-{goal.name}")
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir()
        made, identity = True, draft.stat()
        _LIVE.add(draft)
        yield draft
        for file in sorted(draft.rglob("*")):
            flush(file)
        flush(draft)
        if not os.path.samestat(identity, draft.stat()):
            # The folder above was moved, and a writer has made another draft in the old place.
            raise FilbertError(f"{goal}: was moved or removed while it was written{UNCHANGED}")
        check_free(goal, replace)  # again: someone else may have put something there meanwhile
        old = _put(draft, goal)
        renamed = True
        try:
            flush(goal.parent)
        finally:
            if old:
                shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        said = _cannot_write(goal, error, renamed)
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


def _put(draft: Path, goal: Path) -> Path | None:
    """Rename a draft to its goal; returns where a folder that was there waits to be removed."""
    if not goal.exists():
        draft.rename(goal)
        return None
    old = goal.with_name(f".tmp-old-{os.getpid()}-{goal.name}")
    goal.rename(old)
    try:
        draft.rename(goal)
    except OSError:
        old.rename(goal)
        raise
    return old


def remove_folder(folder: Path) -> None:
    """Remove a folder at once: whoever looks, even after a kill, finds it whole or not at all.

    What a kill leaves of it is a draft like any other.
    """
    draft = folder.with_name(f".tmp-{os.getpid()}-{folder.name}")
    folder.rename(draft)
    shutil.rmtree(draft, ignore_errors=True)


def remove_drafts(goal: Path) -> None:
    """Remove what a killed writer of `goal` left behind; other processes' live drafts stay.

    A writer that was killed between its two renames has left the old folder aside and nothing in
    its place: that one comes back.
    """
    _remove_drafts(goal.parent, re.escape(goal.name), alone=False)


def remove_all_drafts(folder: Path, *, alone: bool) -> None:
    """The same for all goals in a folder. alone: nobody else can be writing there (a lock says so).

    Then drafts go whose writer's number another process has by now, too.
    """
    _remove_drafts(folder, ".+", alone)


def _remove_drafts(folder: Path, name: str, alone: bool) -> None:
    pattern = re.compile(rf"\.tmp-(old-)?(\d+)-({name})")
    for draft in sorted(folder.iterdir()):
        match = pattern.fullmatch(draft.name)
        if not match or draft in _LIVE:
            continue
        if not alone and int(match[2]) != os.getpid() and _alive(int(match[2])):
            continue
        if match[1] and not (folder / match[3]).exists():
            draft.rename(folder / match[3])
        elif draft.is_dir() and not draft.is_symlink():
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
            lock_file(lock.fileno())
            if not os.path.samestat(os.fstat(lock.fileno()), (folder / LOCK).stat()):
                raise BlockingIOError  # the other has just ended, and removed what we hold
        except (BlockingIOError, PermissionError, FileNotFoundError) as error:
            raise SettingsError(
                f"{goal}: another filbert is working on it (in {folder}); wait for it, or name "
                "another place"
            ) from error
        yield


def lock_file(descriptor: int) -> bool:
    """Lock an open file until it is closed; False where the system knows no such locks.

    Raises BlockingIOError or PermissionError where another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        raise
    except OSError:
        return False
    return True


def keep_only(folder: Path, names: Collection[str]) -> None:
    """Remove everything else from a folder."""
    for entry in folder.iterdir():
        if entry.name in names:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
