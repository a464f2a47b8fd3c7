"""Who does the work: this process, worker processes of Daft's, or a Ray cluster.

A frame with one row for each task is what Daft sees: it spreads the rows over the workers and
streams back what they give. All three do the same function with the same argument.
"""

import os
import pickle
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from filbert.corpus.build.memory import cores
from filbert.corpus.libraries import daft_library
from filbert.errors import FilbertError, SettingsError, did_you_mean, missing_extra

Runner = Literal["native", "ray"]
A = TypeVar("A")
R = TypeVar("R")

_UNWIND_SECONDS = 0.5
_MOST_UNWIND_SECONDS = 5.0
_LOOK_SECONDS = 0.05
_RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
}


workers_were_stopped = False
"""Whether work in other processes was broken off; threads of Daft's may hear of it late."""


def is_there(process: int) -> bool:
    """Whether it runs still; one that has ended and waits to be asked for its end does not."""
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return not Path("/proc").is_dir()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[:1] != ["Z"]


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Raise KeyboardInterrupt at the end, where Ctrl-C came meanwhile.

    Daft looks whether Ray is installed by importing it, and takes whatever is raised there for no.
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield  # it is ignored, as behind nohup, or another's business
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        before(signal.SIGINT, None)


class Crew:
    """The workers; `run` gives them tasks. Leaving the context stops those that still work."""

    def __init__(self, runner: Runner, workers: int | None, folder: Path) -> None:
        """workers: how many; None, on Ray: as many as the cluster has cores."""
        self.workers = workers or cores()
        self.runner = runner
        self._wanted = workers
        # Workers look at it twice a second and stop when it is gone.
        self._token = folder / f"running-{uuid.uuid4().hex}"
        self._stop_ray = False

    def __enter__(self) -> "Crew":
        self._token.touch()
        if self.runner == "ray":
            self._start_ray()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._stop_workers()
        for token in self._token.parent.glob(f"{self._token.name}*"):
            token.unlink(missing_ok=True)
        if self._stop_ray:
            import ray

            ray.shutdown()

    def _stop_workers(self) -> None:
        """End those that still work, now and not when their part is done.

        Daft's threads wait for them; Python must not end under such a thread (it would abort).
        """
        if self.runner != "native":
            return
        stopped = []
        for mark in self._token.parent.glob(f"{self._token.name}-*"):
            with suppress(OSError, ValueError):
                process = int(mark.name.rpartition("-")[2])
                os.kill(process, signal.SIGTERM)
                stopped.append(process)
        global workers_were_stopped
        workers_were_stopped = self.workers > 1
        if stopped:
            until = time.monotonic() + _MOST_UNWIND_SECONDS
            while any(map(is_there, stopped)) and time.monotonic() < until:
                time.sleep(_LOOK_SECONDS)
            time.sleep(_UNWIND_SECONDS)

    def run(self, function: Callable[[A], R], tasks: Sequence[A]) -> Iterator[R]:
        """The function's result for each task, in order, as they come.

        What it raises is raised here. Raises FilbertError for a worker that died.
        """
        if self.runner == "native" and (self.workers == 1 or len(tasks) <= 1):
            yield from map(function, tasks)
            return
        left = len(tasks)
        for result in self._results(function, tasks):
            left -= 1
            yield result
        if left:
            raise KeyboardInterrupt  # Daft takes Ctrl-C for itself and ends the stream

    def _results(self, function: Callable[[A], R], tasks: Sequence[A]) -> Iterator[R]:
        daft = daft_library()
        with _interrupts_wait():
            self._start(daft)
        payloads = [pickle.dumps((function, task)) for task in tasks]
        frame = daft.from_pydict({"task": payloads})
        if self.runner == "ray":
            frame = frame.into_partitions(len(payloads))
        else:
            frame = frame.into_batches(1)
        worker = _worker(daft, min(self.workers, len(tasks)), str(self._token))
        frame = frame.select(worker.do(daft.col("task")).alias("result"))
        try:
            for row in frame.iter_rows(results_buffer_size=None):
                succeeded, value = pickle.loads(row["result"])
                if not succeeded:
                    raise value
                yield value
        except RuntimeError as error:
            raise FilbertError(
                "a worker process ended before its work did; if it was killed for want of memory, "
                f"give it fewer neighbours (--workers): {str(error)[:300]}"
            ) from error

    def _start(self, daft: Any) -> None:
        """Tell Daft where to run; it can be told once in a process."""
        if self.runner == "ray":
            set_runner = daft.set_runner_ray
        else:
            set_runner = daft.set_runner_native
            # Read by the C library when a worker process starts.
            os.environ.setdefault("MALLOC_ARENA_MAX", "2")
        try:
            if daft.get_or_infer_runner_type() != self.runner:
                set_runner()
        except Exception as error:
            raise SettingsError(
                f"runner: Daft has another one already in this process, {self.runner} needs a new "
                f"process: {error}"
            ) from error

    def _start_ray(self) -> None:
        ray = ray_library()
        if not ray.is_initialized():
            self._connect(ray)
        if self._wanted is None:
            self.workers = max(1, int(ray.cluster_resources().get("CPU", 1)))

    def _connect(self, ray: Any) -> None:
        address = os.environ.get("RAY_ADDRESS")
        options: dict[str, Any] = (
            {"address": address}
            if address
            else {"num_cpus": self.workers, "include_dashboard": False}
        )
        ray.init(log_to_driver=False, logging_level="ERROR", **options)
        self._stop_ray = True


def runner_of(name: str) -> Runner:
    """The runner of that name; SettingsError for another, ExtraError where ray is missing."""
    for runner in get_args(Runner):
        if name == runner:
            if name == "ray":
                ray_library()
            return runner  # type: ignore[no-any-return]
    raise SettingsError(
        f"runner: expected native or ray, got {name!r}{did_you_mean(name, get_args(Runner))}"
    )


def ray_library() -> Any:
    """Ray, without telemetry; ExtraError where it is not installed."""
    for name, value in _RAY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if "RAY_ADDRESS" not in os.environ:
        # A Ray for this machine alone: on loopback, so that nothing of it is open to others.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
    except ImportError as error:
        raise missing_extra("ray", "ray") from error
    return ray


def _worker(daft: Any, workers: int, token: str) -> Any:
    """Daft's form of a worker: made once in each process."""

    @daft.cls(max_concurrency=workers, use_process=True)
    class Worker:
        def __init__(self) -> None:
            from filbert.corpus.build.worker import begin

            begin(token)

        @daft.method(return_dtype=daft.DataType.binary())  # type: ignore[untyped-decorator, unused-ignore]
        def do(self, task: bytes) -> bytes:
            from filbert.corpus.build.worker import do

            return do(task)

    return Worker()
