"""Many kills, at random moments: `make faults` runs the long series, `make test` a short one."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from filbert.train import RunFolder

RECIPE = {
    "name": "tiny",
    "preset": "bert-tiny",
    "shape": {
        "depth": 2,
        "width": 32,
        "attention_heads": 2,
        "mlp_width": 64,
        "max_positions": 64,
    },
    "task": {"max_tokens": 64},
    "train": {"steps": 40, "batch_tokens": 512, "peak_lr": 3e-3, "save_every_seconds": 0.05},
}
RUN = """
import json, sys
from filbert.train import make_plan, pretrain
print("begun", flush=True)
pretrain(sys.argv[2], sys.argv[3], plan=make_plan(json.loads(sys.argv[1])))
"""


def start(shards: Path, out: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", RUN, json.dumps(RECIPE), str(shards), str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def losses(run: Path) -> list[float]:
    return [line["loss"] for line in RunFolder(run).read_log() if "loss" in line]


def kill_and_go_on(world: Any, place: Path, seeds: range) -> None:
    with start(world.shards, place / "whole") as process:
        assert process.wait(120) == 0
    wanted = losses(place / "whole")
    assert len(wanted) == 40
    for seed in seeds:
        chance = random.Random(seed)
        out = place / f"killed-{seed}"
        for _ in range(3):
            with start(world.shards, out) as process:
                assert process.stdout is not None
                process.stdout.readline()
                try:
                    process.wait(chance.uniform(0.0, 1.5))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
            for folder in RunFolder(out).steps():
                assert folder.verify() > 0
        with start(world.shards, out) as process:
            assert process.wait(120) == 0
        assert losses(out) == wanted, f"seed {seed}"


def test_killed_anywhere_it_ends_the_same(world: Any, tmp_path: Path) -> None:
    kill_and_go_on(world, tmp_path, range(2))


@pytest.mark.faults
def test_killed_anywhere_many_times_it_ends_the_same(world: Any, tmp_path: Path) -> None:
    kill_and_go_on(world, tmp_path, range(2, 60))
