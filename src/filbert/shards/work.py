"""Work on shards that can be stopped: its folder, and the processes that do it."""

import json
import multiprocessing
import os
import pickle
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from filbert.disk import atomic_file
from filbert.errors import FilbertError, SettingsError
from filbert.tokenizer import Tokenizer

_PLAN, _LOCK, _TOKENIZER = "plan.json", "lock", "tokenizer"
_LOOK_SECONDS = 0.5
_FLOCK_TAKEN = (11, 13)
T = TypeVar("T")


@contextmanager
def claimed(out: Path) -> Iterator[Path]:
    """The work folder of `out`, ours alone until the context ends or this process dies.

    Raises SettingsError where `out` is taken, or another process works on it; FilbertError where
    the folder cannot be made or written.
    """
    _check_free(out)
    folder = out.with_name(f".{out.name}.work")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _LOCK).open("a+b") as lock:
            _hold(lock.fileno(), out)
            _check_free(out)  # the other one may just have finished
            yield folder
    except OSError as error:
        raise FilbertError(
            f"{out} could not be written: {error.strerror or error}; what is finished waits in "
            f"{folder}, and the same command goes on"
        ) from error


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
        if error.errno in _FLOCK_TAKEN:
            raise SettingsError(
                f"{out}: another filbert is working on it; wait for it, or name another place"
            ) from error
        # A file system without locks: two at once do the same work twice, but nothing wrong.


def remember(folder: Path, made_of: Mapping[str, Any], restart: bool) -> None:
    """Write what is being made, or compare it with what was begun here.

    Raises SettingsError, naming both, where something else was begun.
    """
    path = folder / _PLAN
    try:
        begun = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        begun = None
    if begun is not None and not restart:
        for name, value in made_of.items():
            if (old := begun.get(name)) != value:
                raise SettingsError(
                    f"{folder}: holds the beginning of other shards: {name} was {_short(old)} and "
                    f"is {_short(value)} now. Ask for the same to go on, or give --restart"
                )
        return
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != _LOCK:
            entry.unlink()
    with atomic_file(path) as draft:
        draft.write_text(json.dumps(made_of), encoding="utf-8")


def _short(value: object) -> object:
    return f"{value[:12]}…" if isinstance(value, str) and len(value) > 12 else value


def finish(folder: Path, made: Path, out: Path) -> None:
    """Put what was made in its place, on the disk, and remove the rest."""
    for path in [*made.rglob("*"), made]:
        if not path.name.startswith(".tmp-"):
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


class Pool:
    """Processes that work on pieces; with one worker it is this process."""

    def __init__(self, workers: int, tokenizer: Tokenizer, work: Path):
        self._workers, self._tokenizer, self._work = workers, tokenizer, work
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Pool":
        if self._workers > 1:
            self._tokenizer.save(self._work / _TOKENIZER)
            self._pool = ProcessPoolExecutor(
                self._workers,
                multiprocessing.get_context("spawn"),
                _begin,
                (self._work / _TOKENIZER, os.getpid()),
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is None:
            return
        if kind is not None:
            for process in list(self._pool._processes.values()):  # what is half done is lost anyway
                process.terminate()
        self._pool.shutdown(cancel_futures=True)
        shutil.rmtree(self._work / _TOKENIZER, ignore_errors=True)

    def run(
        self, function: Callable[[T, Tokenizer], int], pieces: Sequence[T]
    ) -> Iterator[tuple[T, int]]:
        """Each piece with the function's result, as they are finished.

        Raises what the function raises, and FilbertError for a process that died.
        """
        if self._pool is None:
            for piece in pieces:
                yield piece, function(piece, self._tokenizer)
            return
        waiting: dict[Future[int], T] = {
            self._pool.submit(_do, pickle.dumps((function, piece))): piece for piece in pieces
        }
        try:
            while waiting:
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield waiting.pop(future), future.result()
        except BrokenProcessPool as error:
            raise FilbertError(
                "a worker process ended before its work did; if it was killed for want of memory, "
                "give it fewer neighbours (--workers) or smaller shards"
            ) from error


_tokenizer: Tokenizer | None = None
"""A worker's own, with its cache of words."""


def _begin(tokenizer: Path, parent: int) -> None:
    global _tokenizer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    _tokenizer = Tokenizer.load(tokenizer)


def _watch(parent: int) -> None:
    """End with the parent: a killed one's workers must not write on beside the next one's."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


def _do(payload: bytes) -> int:
    function, piece = pickle.loads(payload)
    assert _tokenizer is not None
    result: int = function(piece, _tokenizer)
    return result
