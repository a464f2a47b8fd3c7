"""What a run says it was made with."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import filbert
from filbert.device import pick_device
from filbert.errors import CheckpointError
from filbert.train import Plan, RunFolder
from filbert.train.environment import (
    environment_differences,
    environment_now,
    read_environments,
    record_environment,
)


def git(folder: Path, *words: str) -> str:
    names = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.hooksPath=/dev/null"]
    done = subprocess.run(
        ["git", *names, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_run_folder_says_all_that_made_it(world: Any, plan: Plan, tmp_path: Path) -> None:
    """Settings, seed, data hash, places, versions, machine and command; once for each start."""
    for _ in range(2):
        filbert.pretrain(world.shards, tmp_path / "run", plan=plan)
    run = RunFolder(tmp_path / "run")
    recipe = run.read()
    assert recipe["plan"]["train"]["seed"] == 1
    assert recipe["plan"]["train"]["beta2"] == 0.999  # the defaults, too
    assert len(recipe["data"]) == len(recipe["dev"]) == 64
    assert recipe["places"]["data"] == [[str(world.shards), 1.0]]
    starts = read_environments(run)
    assert len(starts) == 2
    for start in starts:
        for name in ("filbert", "torch", "numpy", "tokenizers"):
            assert start["versions"][name] == version(name)
        assert start["command"] == sys.argv
        assert start["machine"]["cores"] == os.cpu_count()
        assert start["machine"]["cpu"]
        assert start["computing"]["ranks"] == 1
        assert start["computing"]["precision"] == plan.train.precision
        assert start["computing"]["device"]
        assert start["date"].endswith("+00:00")
    assert starts[0]["date"] <= starts[1]["date"]


def test_the_commit_and_whether_files_were_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    device = pick_device("cpu")
    assert environment_now(device)["commit"] is None
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("one")
    assert environment_now(device)["commit"] is None
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert environment_now(device)["commit"] == {"id": commit, "changed": False}
    (tmp_path / "file").write_text("two")
    assert environment_now(device)["commit"] == {"id": commit, "changed": True}


def test_a_repository_cannot_have_its_programs_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    monitor = tmp_path / "monitor"
    monitor.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    monitor.chmod(0o755)
    git(tmp_path, "config", "core.fsmonitor", str(monitor))
    monkeypatch.chdir(tmp_path)
    found = environment_now(pick_device("cpu"))
    assert found["commit"] is not None
    assert not (tmp_path / "ran").exists()


def test_without_git_nothing_is_missed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment_now(pick_device("cpu"))["commit"] is None


def test_differences_are_named(tmp_path: Path) -> None:
    there = environment_now(pick_device("cpu"), ranks=2)
    here = json.loads(json.dumps(there))
    assert environment_differences(there, here) == []
    here["versions"]["torch"], here["computing"]["ranks"], here["date"] = "9.9", 1, "later"
    said = environment_differences(there, here)
    assert said == [f"torch is {version('torch')} there, 9.9 here", "ranks is 2 there, 1 here"]


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2}', '{"format": 1, "starts": [1]}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "environment.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"environment\.json.*; remove it"):
        record_environment(RunFolder(tmp_path), {})
