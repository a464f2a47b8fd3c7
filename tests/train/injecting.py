"""A process that trains on request, each time in a child of its own that fails where it is told to.

`python injecting.py` reads requests from standard input, one JSON object a line, and answers each
with one. torch is imported once, so that a run of a few steps takes a fraction of a second.

    shards, out, recipe   what to train on, where, how
    failure               "error", "kill" or "move" at the point `at`; null: none
    at                    [name, number]: a point is each folder made, file opened for writing,
                          write, fsync, rename and (for "kill") removal within `out`; of several
                          with one name, the one with this number, counted from 1
    kill_after_seconds    SIGKILL from outside, at that time; null: never
    clock                 seconds that time.time() goes back with every call; 0: it is the system's

The answer: `code` (0 done, 1 a FilbertError, 3 any other, negative a signal), `said` (the error),
`points` ("write .tmp-N-step-N/model.safetensors", …: numbers of processes and steps are left out)
and `seconds`.

Nothing of filbert is replaced: the system's own functions fail, as a disk makes them fail.
An error in a write leaves the first half of what was to be written, as a full disk does.
"""

import builtins
import errno
import io
import json
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.numpy
import torch._dynamo  # noqa: F401 (torch imports it with its first optimizer: seconds, for every child)

from filbert.errors import FilbertError
from filbert.train import make_plan, pretrain

WRITING = frozenset("wax+")
NUMBERS = re.compile(r"(?<=[-.])\d+")


class Faults:
    """Counts the points, tells of them, and fails at one."""

    def __init__(self, out: Path, failure: str | None, at: tuple[str, int], tell: int):
        self.out, self.failure, self.tell = str(out), failure, tell
        self.at, self.left = at
        self.rename, self.fsync, self.mkdir = os.rename, os.fsync, os.mkdir

    def point(self, kind: str, path: Any, half: Callable[[], Any] = lambda: None) -> None:
        name = os.fsdecode(path)
        if not name.startswith(self.out):
            return
        inner = NUMBERS.sub("N", name.removeprefix(self.out).lstrip("/"))
        point = f"{kind} {inner}".strip()
        os.write(self.tell, f"{point}\n".encode())
        self.left -= point == self.at
        if self.left or point != self.at:
            return
        if self.failure == "move":
            self.rename(self.out, f"{self.out}-moved")
            return
        half()
        if self.failure == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        code = errno.EIO if kind == "fsync" else errno.ENOSPC
        raise OSError(code, os.strerror(code), *([] if kind in ("write", "fsync") else [name]))

    def install(self) -> None:
        for name in ("rename", "replace"):
            setattr(os, name, self._before("rename", getattr(os, name), place=1))
        os.mkdir = self._before("mkdir", os.mkdir)
        setattr(os, "fsync", self._fsync)  # noqa: B010
        if self.failure == "kill":
            os.rmdir = self._before("remove", os.rmdir)
        real_open = io.open
        real_save = safetensors.numpy.save_file

        def opened(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
            if not isinstance(file, str | Path) or not WRITING & set(mode):
                return real_open(file, mode, *rest, **named)
            self.point("open", file)
            return Written(real_open(file, mode, *rest, **named), str(file), self)

        def saved(tensors: Any, path: Any, **named: Any) -> None:
            def half() -> None:
                real_save(tensors, path, **named)
                os.truncate(path, Path(path).stat().st_size // 2)

            self.point("write", path, half)
            real_save(tensors, path, **named)

        for module in (io, builtins):
            setattr(module, "open", opened)  # noqa: B010 (pathlib takes the one, others the other)
        setattr(safetensors.numpy, "save_file", saved)  # noqa: B010

    def _before(self, kind: str, real: Callable[..., Any], place: int = 0) -> Callable[..., Any]:
        def wrapped(*paths: Any, **named: Any) -> Any:
            if not named.get("dir_fd"):
                self.point(kind, paths[place])
            return real(*paths, **named)

        return wrapped

    def _fsync(self, descriptor: int) -> None:
        self.point("fsync", Path(f"/proc/self/fd/{descriptor}").readlink())
        self.fsync(descriptor)


class Written:
    """A file opened for writing, each of whose writes is a point."""

    def __init__(self, file: Any, path: str, faults: Faults):
        self._file, self._path, self._faults = file, path, faults

    def write(self, data: Any) -> Any:
        self._faults.point("write", self._path, lambda: self._half(data))
        return self._file.write(data)

    def _half(self, data: Any) -> None:
        self._file.write(data[: len(data) // 2])
        self._file.flush()

    def __enter__(self) -> "Written":
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def set_back(seconds: float) -> None:
    """Make the clock of the day go backwards; what never goes back stays as it is."""
    now = [time.time()]

    def earlier() -> float:
        now[0] -= seconds
        return now[0]

    time.time = earlier
    time.time_ns = lambda: int(earlier() * 1e9)


def child(request: dict[str, Any], tell: int) -> int:
    out = Path(request["out"])
    faults = Faults(out, request.get("failure"), request.get("at") or ("", 0), tell)
    faults.install()
    if request.get("clock"):
        set_back(request["clock"])
    try:
        pretrain(request["shards"], out, plan=make_plan(request["recipe"]))
    except FilbertError as error:
        os.write(tell, f"said {error}\n".encode())
        return 1
    except BaseException:
        os.write(tell, f"said {traceback.format_exc()!r}\n".encode())
        return 3
    return 0


def answer(request: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    begun = time.monotonic()
    process = os.fork()
    if not process:
        os.close(reading)
        os._exit(child(request, writing))
    os.close(writing)
    after = request.get("kill_after_seconds")
    killer = threading.Timer(after or 0, os.kill, (process, signal.SIGKILL))
    if after is not None:
        killer.start()
    with os.fdopen(reading, encoding="utf-8", errors="replace") as pipe:
        lines = pipe.read().splitlines()
    _, status = os.waitpid(process, 0)
    killer.cancel()
    return {
        "code": os.waitstatus_to_exitcode(status),
        "said": "\n".join(line[5:] for line in lines if line.startswith("said ")),
        "points": [line for line in lines if not line.startswith("said ")],
        "seconds": time.monotonic() - begun,
    }


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()
