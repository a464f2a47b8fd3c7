"""The inside of a worker process."""

import atexit
import os
import pickle
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

from filbert.corpus.build.memory import keep_small
from filbert.errors import DataError

_LOOK_SECONDS = 0.5


def begin(token: str) -> None:
    """Make this process a worker that ends with those who need it.

    A driver that was killed leaves workers that go on with their part, and write it into a folder
    that the next driver has taken over. So a thread looks whether the driver lives: its token in
    the shared folder, and that this process still has the parent that it had.

    Raises DataError where the folder cannot be seen from here.
    """
    if not Path(token).exists():
        raise DataError(
            f"{Path(token).parent}: a worker cannot see this folder; on a cluster --out must lie "
            "in one that all machines share"
        )
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides
    keep_small()
    mark = Path(f"{token}-{os.getpid()}")
    mark.touch()
    atexit.register(mark.unlink, missing_ok=True)
    threading.Thread(target=_watch, args=(token, os.getppid()), daemon=True).start()


def _watch(token: str, parent: int) -> None:
    while os.getppid() == parent and Path(token).exists():
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


def do(payload: bytes) -> bytes:
    """Do a task: its result, or what it raised, in a form that can be sent."""
    function, task = pickle.loads(payload)
    try:
        return pickle.dumps((True, function(task)))
    except Exception as error:
        return pickle.dumps((False, _sendable(error)))


def _sendable(error: Exception) -> Exception:
    with suppress(Exception):
        pickle.loads(pickle.dumps(error))
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")
