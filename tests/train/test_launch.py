"""filbert pretrain --gpus: the ranks' command, and that none outlives its launcher."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from filbert.cli.main import main
from filbert.cli.verbs.pretrain import _without_gpus

LAUNCH = """
import sys
from filbert.train.launch import launch
sys.exit(launch([sys.executable, "-c", *sys.argv[1:]], 2))
"""
RANK = """
import os, signal, sys, time
place = sys.argv[1] + os.environ["RANK"]
def stop(number, frame):
    open(place, "w").write(f"stopped by {number}")
    os._exit(130)
signal.signal(signal.SIGTERM, stop)
open(place, "w").write("there")
time.sleep(60)
"""


@pytest.mark.parametrize("given", ["--gpus 2", "--gpus=2", "--gpu 2", "--gp=2", "--g 2"])
def test_no_rank_starts_ranks_of_its_own(given: str) -> None:
    command = ["pretrain", "r.toml", *given.split(), "--data", "gpus", "--quiet", "--out", "2"]
    kept = ["pretrain", "r.toml", "--data", "gpus", "--quiet", "--out", "2"]
    assert _without_gpus(command) == kept


def test_gpus_is_refused_where_others_started_the_processes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "1")
    command = ["pretrain", "quickstart", "--data", "x", "--out", "y", "--gpus", "2"]
    assert main(command) == 1
    assert "is one of 4 already" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-3"])
def test_a_number_of_gpus_that_is_none_is_refused(
    number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pretrain", "quickstart", "--data", "x", "--out", "y", f"--gpus={number}"]) == 1
    assert f"--gpus: expected 1 or more, got {number}" in capsys.readouterr().err


def said(place: Path, rank: int) -> str:
    file = place.with_name(f"{place.name}{rank}")
    return file.read_text() if file.exists() else ""


def wait_for(place: Path, word: str) -> None:
    deadline = time.monotonic() + 60
    while not all(said(place, rank).startswith(word) for rank in (0, 1)):
        assert time.monotonic() < deadline, [said(place, rank) for rank in (0, 1)]
        time.sleep(0.05)


def test_ranks_that_a_signal_ends_at_once_are_no_failure(tmp_path: Path) -> None:
    place, deaf = tmp_path / "rank", RANK.replace("signal.signal(signal.SIGTERM, stop)", "")
    command = [sys.executable, "-c", LAUNCH, deaf, str(place)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for(place, "there")
        process.send_signal(signal.SIGTERM)
        assert "Error" not in process.communicate(timeout=60)[1]
        assert process.returncode == 130


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process that its parent is gone")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 130), (signal.SIGKILL, -9)])
def test_ranks_stop_when_the_terminal_or_the_launcher_is_gone(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    place = tmp_path / "rank"
    command = [sys.executable, "-c", LAUNCH, RANK, str(place)]
    # Whoever runs the tests under nohup has a terminal's end ignored, and all that they start, too.
    with subprocess.Popen(
        command,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    ) as process:
        wait_for(place, "there")
        os.kill(process.pid, number)
        wait_for(place, f"stopped by {int(signal.SIGTERM)}")
        assert process.wait(60) == code
