"""Processes that work on pieces, and end when they should."""

import multiprocessing
import os
import pickle
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from filbert.errors import FilbertError
from filbert.tokenizer import Tokenizer

_TOKENIZER = "tokenizer"
_LOOK_SECONDS = 0.5
T = TypeVar("T")
R = TypeVar("R")


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

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._pool is None:
            return
        if kind is not None:
            for process in list((self._pool._processes or {}).values()):
                process.terminate()  # what is half done is lost anyway
        self._pool.shutdown(cancel_futures=True)
        shutil.rmtree(self._work / _TOKENIZER, ignore_errors=True)

    def run(
        self, function: Callable[[T, Tokenizer], R], pieces: Sequence[T]
    ) -> Iterator[tuple[T, R]]:
        """Each piece with the function's result, as they are finished.

        Raises what the function raises, and FilbertError for a process that died.
        """
        if self._pool is None:
            for piece in pieces:
                yield piece, function(piece, self._tokenizer)
            return
        try:
            with _interrupts_held():
                waiting: dict[Future[bytes], T] = {
                    self._pool.submit(_do, pickle.dumps((function, piece))): piece
                    for piece in pieces
                }
            while waiting:
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield waiting.pop(future), pickle.loads(future.result())
        except BrokenProcessPool as error:
            raise FilbertError(
                "a worker process ended before its work did. If it was killed for want of memory, "
                "give it fewer neighbours (--workers) or smaller shards; a script that starts "
                "workers must do so under: if __name__ == '__main__'"
            ) from error


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Processes that are started here never see Ctrl-C: the mask is theirs too."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_tokenizer: Tokenizer | None = None
"""A worker's own, with its cache of words."""


def _begin(tokenizer: Path, parent: int) -> None:
    global _tokenizer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    _tokenizer = Tokenizer.load(tokenizer)


def _watch(parent: int) -> None:
    """End with the parent: a killed one's workers must not write on beside the next one's.

    join waits at a pipe that closes when the parent ends, however it does. The look at the number
    is for a pipe that a grandchild of the parent's holds open.
    """
    process = multiprocessing.parent_process()
    while process is not None and process.is_alive() and os.getppid() == parent:
        process.join(_LOOK_SECONDS)
    os._exit(1)


def _do(payload: bytes) -> bytes:
    function, piece = pickle.loads(payload)
    return pickle.dumps(function(piece, _tokenizer))
