"""Several processes train one model as one would: over gloo, on the CPU."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from filbert.checkpoint import read_tensors
from filbert.errors import DeviceError, FilbertError
from filbert.train import RunFolder
from filbert.train.launch import launch
from filbert.train.ranks import place

RECIPE: dict[str, Any] = {
    "name": "tiny",
    "preset": "bert-tiny",
    "shape": {
        "depth": 2,
        "width": 32,
        "attention_heads": 2,
        "mlp_width": 64,
        "max_positions": 64,
        "dropout_fraction": 0.0,
    },
    "task": {"max_tokens": 64},
    "train": {
        "steps": 50,
        "batch_tokens": 1024,
        "peak_lr": 1e-3,
        "save_every_seconds": 1e9,
        "precision": "fp32",
    },
}
RUN = """
import json, os, sys
recipe, shards, out, log = sys.argv[1:5]
stop = int(sys.argv[5]) if len(sys.argv) > 5 else None
from filbert.train import make_plan, pretrain
from filbert.train.drawing import Drawing
draw = Drawing._draw
def noted(drawing, begun, micro_tokens):
    drawn = draw(drawing, begun, micro_tokens)
    rows = drawn.rows
    packed = drawing._task.batch(rows, drawing._settings.seed, drawn.epoch) if rows else None
    with open(f"{log}-{os.environ['RANK']}", "a") as file:
        for number, row in enumerate(rows):
            start, end = packed.starts[number], packed.ends[number]
            positions = packed.targets["positions"].tolist()
            here = [int(p - start) for p in positions if start <= p < end]
            labels = packed.token_ids[start:end].tolist()
            file.write(json.dumps([drawn.epoch, *row.origin, *here, -1, *labels]) + "\\n")
    return drawn
Drawing._draw = noted
if stop is not None:
    import filbert.train.starting as starting
    from filbert.train.loop import train
    def stopping(job, should_stop):
        done = []
        def asked():
            done.append(1)
            return len(done) >= stop and job.ranks.rank == job.ranks.world - 1
        return train(job, asked)
    starting.train = stopping
try:
    pretrain(shards, out, plan=make_plan(json.loads(recipe)))
except KeyboardInterrupt:
    sys.exit(130)
"""


def run(
    world: Any, place: Path, ranks: int, recipe: dict[str, Any] = RECIPE, *, stop: int | None = None
) -> int:
    command = [sys.executable, "-c", RUN, json.dumps(recipe), str(world.shards), str(place)]
    command += [str(place.with_name(f"{place.name}-rows")), *([] if stop is None else [str(stop)])]
    return launch(command, ranks)


def changed(**train: Any) -> dict[str, Any]:
    return {**RECIPE, "train": RECIPE["train"] | train}


def losses(place: Path) -> list[float]:
    return [line["loss"] for line in RunFolder(place).read_log() if "loss" in line]


def weights(place: Path) -> dict[str, np.ndarray]:
    folder = RunFolder(place).newest()
    assert folder is not None
    return read_tensors(folder.path / "model.safetensors")


def rows_of(place: Path, ranks: int) -> list[list[tuple[int, ...]]]:
    """The rows that each rank learnt from, each with its hidden places and what was shown."""
    files = [place.with_name(f"{place.name}-rows-{rank}") for rank in range(ranks)]
    return [[tuple(json.loads(line)) for line in file.read_text().splitlines()] for file in files]


def same(place: Path, other: Path, tolerance: float = 1e-5) -> None:
    assert np.allclose(losses(place), losses(other), rtol=tolerance, atol=0)
    mine, theirs = weights(place), weights(other)
    assert mine.keys() == theirs.keys()
    for name in mine:
        assert np.abs(mine[name] - theirs[name]).max() <= tolerance, name


@pytest.fixture(scope="module")
def alone(world: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("ranks") / "alone"
    assert run(world, place, 1) == 0
    return place


@pytest.mark.parametrize(("ranks", "sharding"), [(2, "none"), (4, "none"), (2, "full")])
def test_several_ranks_learn_what_one_learns(
    world: Any, alone: Path, tmp_path: Path, ranks: int, sharding: str
) -> None:
    """Losses over 50 steps and the final weights to 1e-5; the rows are one rank's, shared out."""
    assert run(world, tmp_path / "many", ranks, changed(sharding=sharding)) == 0
    assert len(losses(tmp_path / "many")) == 50
    same(tmp_path / "many", alone)
    seen = rows_of(tmp_path / "many", ranks)
    (whole,) = rows_of(alone, 1)
    joined = [row for rows in seen for row in rows]
    assert len(set(joined)) == len(set(whole))
    assert set(joined) == set(whole)
    assert all(set(a).isdisjoint(b) for n, a in enumerate(seen) for b in seen[n + 1 :])


def test_with_dropout_rows_and_masks_are_the_same(world: Any, tmp_path: Path) -> None:
    recipe = changed(steps=10)
    recipe["shape"] = recipe["shape"] | {"dropout_fraction": 0.1}
    for ranks in (1, 2):
        assert run(world, tmp_path / str(ranks), ranks, recipe) == 0
    (whole,) = rows_of(tmp_path / "1", 1)
    shared = rows_of(tmp_path / "2", 2)
    assert sorted(whole) == sorted(shared[0] + shared[1])
    assert all(shared)
    assert losses(tmp_path / "1") != losses(tmp_path / "2")


def test_a_run_goes_on_with_another_number_of_ranks(
    world: Any, alone: Path, tmp_path: Path
) -> None:
    """Stopped by one rank's signal, on with fewer or more: the same rows, losses and weights."""
    out = tmp_path / "changing"
    assert run(world, out, 2, stop=13) == 130
    assert len(losses(out)) == 13
    assert run(world, out, 1, stop=20) == 130
    assert run(world, out, 3) == 0
    same(out, alone)


def test_a_killed_rank_ends_the_others_and_nothing_is_lost(
    world: Any, alone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    recipe = changed(save_every_seconds=0.0)
    command = [sys.executable, "-c", LAUNCH, RUN, json.dumps(recipe), str(world.shards), str(out)]
    with subprocess.Popen(
        [*command, str(tmp_path / "rows")], stderr=subprocess.PIPE, text=True
    ) as process:
        while len(RunFolder(out).steps()) == 0:
            assert process.poll() is None
            time.sleep(0.05)
        second = next(pid for pid in children(process.pid) if b"RANK=1" in environment(pid))
        os.kill(second, signal.SIGKILL)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 1
    assert "rank 1 of 2 was ended by SIGKILL" in said
    assert "the same call goes on from there" in said
    for folder in RunFolder(out).steps():
        assert folder.verify() > 0
    assert run(world, out, 2, recipe) == 0
    same(out, alone)


LAUNCH = """
import sys
from filbert.errors import FilbertError
from filbert.train.launch import launch
try:
    sys.exit(launch([sys.executable, "-c", *sys.argv[1:]], 2))
except FilbertError as error:
    sys.exit(str(error))
"""


def children(parent: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True)
    return [int(pid) for pid in found.stdout.split()]


def environment(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


def test_a_rank_that_fails_is_named() -> None:
    failing = "import os, sys, time; sys.exit(7) if os.environ['RANK'] == '1' else time.sleep(60)"
    with pytest.raises(FilbertError, match="rank 1 of 3 failed with exit code 7"):
        launch([sys.executable, "-c", failing], 3)


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, (0, 1, 0)),
        ({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}, (3, 8, 1)),
        ({"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "16", "SLURM_LOCALID": "5"}, (5, 16, 5)),
        # A batch script itself, whose steps have many tasks, is alone.
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "16"}, (0, 1, 0)),
    ],
)
def test_the_place_is_read_from_the_environment(
    environment: dict[str, str], found: tuple[int, int, int]
) -> None:
    ranks = place(environment)
    assert (ranks.rank, ranks.world, ranks.local) == found


@pytest.mark.parametrize(
    "environment", [{"RANK": "2", "WORLD_SIZE": "2"}, {"RANK": "x", "WORLD_SIZE": "2"}]
)
def test_a_place_that_cannot_be_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(DeviceError, match="RANK"):
        place(environment)
