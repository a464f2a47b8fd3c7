"""Workers end with their parent, and a dead one is an error, not a wait without end."""

import multiprocessing
import operator
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from filbert.errors import FilbertError
from filbert.shards import pool
from filbert.shards.pool import Pool
from filbert.tokenizer import SpecialTokens, Tokenizer

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kills as POSIX does")


@pytest.fixture
def tokenizer() -> Tokenizer:
    return Tokenizer([*SpecialTokens().all, "cat"])


def killed(workers: Pool) -> None:
    """Kill one of the workers, and wait for its end."""
    assert workers._pool is not None
    process = next(iter(workers._pool._processes.values()))
    process.kill()
    process.join()


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_a_worker_that_is_dead_before_the_work_comes_is_an_error(
    tokenizer: Tokenizer, tmp_path: Path, seconds: float
) -> None:
    """At once, and when the pool has seen it: then it takes no more work."""
    with Pool(2, tokenizer, tmp_path) as workers:
        assert len(list(workers.run(operator.is_, [1, 2, 3, 4]))) == 4
        killed(workers)
        time.sleep(seconds)
        with pytest.raises(FilbertError, match="a worker process ended before its work did"):
            list(workers.run(operator.is_, [1] * 100))


def test_a_tokenizer_that_cannot_be_loaded_is_an_error(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker dies before it takes any work."""
    monkeypatch.setattr(Tokenizer, "save", lambda *_: None)
    with (
        Pool(2, tokenizer, tmp_path) as workers,
        pytest.raises(FilbertError, match="a worker process ended before its work did"),
    ):
        list(workers.run(operator.is_, [1]))


def test_a_watch_hears_of_the_end_by_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent's number is the same still (a machine where it is not given anew, say)."""

    class Gone:
        def is_alive(self) -> bool:
            return False

        def join(self, seconds: float) -> None:
            raise AssertionError("there is nothing to wait for")

    def ended(_: int) -> None:
        raise SystemExit

    monkeypatch.setattr(multiprocessing, "parent_process", Gone)
    monkeypatch.setattr(os, "_exit", ended)
    with pytest.raises(SystemExit):
        pool._watch(os.getppid())


def test_workers_are_started_deaf_to_ctrl_c(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From their first moment: they are born with the mask of who starts them."""
    masks = []
    submit = ProcessPoolExecutor.submit

    def watched(*given, **named):
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, []))
        return submit(*given, **named)

    monkeypatch.setattr(ProcessPoolExecutor, "submit", watched)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with Pool(2, tokenizer, tmp_path) as workers:
        list(workers.run(operator.is_, [1, 2]))
    assert [signal.SIGINT in mask for mask in masks] == [True, True]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


SCRIPT = """
    import os, sys, time
    from pathlib import Path
    from filbert.shards.pool import Pool
    from filbert.tokenizer import Tokenizer

    def endless(piece, tokenizer):
        os.write(1, b"begun\\n")
        time.sleep(piece)

    if __name__ == "__main__":
        with Pool(2, Tokenizer.load(sys.argv[1]), Path(sys.argv[2])) as workers:
            list(workers.run(endless, [600, 600]))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent(
    tokenizer: Tokenizer, tmp_path: Path, number: signal.Signals
) -> None:
    tokenizer.save(tmp_path / "tokenizer")
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, str(script), str(tmp_path / "tokenizer"), str(tmp_path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    try:
        assert [process.stdout.readline() for _ in range(2)] == ["begun\n"] * 2
        process.send_signal(number)
        # They hold the same pipes: these are at their end when all of them are.
        process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == -number
