"""Start the processes of a training run, one a GPU, and watch over them.

torchrun does the same for many machines; this is for one, without its agent: a process that dies
ends the others within seconds, in words, and nothing is restarted behind the user's back.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from filbert.errors import DeviceError, FilbertError

POLL_SECONDS = 0.2
GRACE_SECONDS = 5.0
"""Between asking a process to end and ending it."""
_SET_PARENT_DEATH_SIGNAL = 1  # Linux' prctl(2)


def launch(command: Sequence[str], processes: int) -> int:
    """Run a command as so many ranks of one run on this machine; 0 when all of them have ended so.

    Each finds its place in the environment, as under torchrun. Ctrl-C and SIGTERM are handed on,
    also that the terminal was closed: the ranks save and stop, and the result is theirs (130). On
    Linux they do so, too, where this process is killed outright. The output is the first rank's;
    the others only have errors to say.

    Raises FilbertError naming the rank that died and how, after ending the others.
    """
    if processes < 1:
        raise DeviceError(f"--gpus: expected 1 or more, got {processes}")
    environment = os.environ | {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "WORLD_SIZE": str(processes),
        # Each would take all cores otherwise, and they would stand in each other's way.
        "OMP_NUM_THREADS": os.environ.get(
            "OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes))
        ),
    }
    ranks: list[subprocess.Popen[bytes]] = []
    handed: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: handed.append(number))
        for number in _handed_on()
    }
    end_with_us = _ending_with(os.getpid())
    try:
        for rank in range(processes):
            place = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            ranks.append(
                subprocess.Popen(
                    command,
                    env=environment | place,
                    stdout=None if rank == 0 else subprocess.DEVNULL,
                    start_new_session=True,  # a terminal's Ctrl-C comes through us alone, once
                    preexec_fn=end_with_us,
                )
            )
        return _watch(ranks, handed)
    finally:
        _end(ranks)
        for number, handler in before.items():
            signal.signal(number, handler)


def _handed_on() -> list[signal.Signals]:
    """What the ranks are told of; nothing is said to nohup's when the terminal goes."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return numbers


def _ending_with(parent: int) -> Callable[[], None] | None:
    """What a rank does before it begins, so that it is asked to stop when its parent is gone.

    Else it would train on unseen, and keep the run for itself. None where the system has no such.
    """
    if sys.platform != "linux":
        return None
    system = ctypes.CDLL(None)

    def ask() -> None:
        system.prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGTERM))
        if os.getppid() != parent:  # gone already
            os._exit(1)

    return ask


def _watch(ranks: Sequence["subprocess.Popen[bytes]"], handed: list[int]) -> int:
    asked: set[int] = set()
    while True:
        while handed:
            number = handed.pop()
            number = signal.SIGINT if number == signal.SIGINT else signal.SIGTERM
            asked.add(-number)
            for each in ranks:
                with suppress(ProcessLookupError):
                    each.send_signal(number)
        codes = [each.poll() for each in ranks]
        if all(code is not None for code in codes):
            bad = [code for code in codes if code]
            if not bad or set(bad) == {130}:
                return bad[0] if bad else 0
        if asked.intersection(codes):
            return 130  # asked before it could listen, or twice: it stopped where it was
        for rank, code in enumerate(codes):
            if code not in (None, 0, 130):
                raise FilbertError(
                    f"rank {rank} of {len(ranks)} {_how(code)}; the others were ended. What was "
                    "saved is whole: the same call goes on from there"
                )
        time.sleep(POLL_SECONDS)


def _how(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"failed with exit code {code} (its message is above)"
    with suppress(ValueError):
        name = signal.Signals(-code).name
        hint = ", as when the memory is used up" if name == "SIGKILL" else ""
        return f"was ended by {name}{hint}"
    return f"was ended by signal {-code}"


def _end(ranks: Sequence["subprocess.Popen[bytes]"]) -> None:
    """End what still runs: a rank that waits for a dead one waits for ever."""
    running = [each for each in ranks if each.poll() is None]
    for each in running:
        with suppress(ProcessLookupError):
            each.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    for each in running:
        try:
            each.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            each.kill()
            each.wait()


def _free_port() -> int:
    with socket.socket() as meeting:
        meeting.bind(("127.0.0.1", 0))
        return int(meeting.getsockname()[1])


def own_command(arguments: Sequence[str]) -> list[str]:
    """The command line of this program with other arguments."""
    return [sys.executable, "-m", "filbert", *arguments]
