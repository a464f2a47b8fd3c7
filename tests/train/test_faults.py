"""Kills, full and failing disks, moved folders: a whole Folder is found, and the end is the same.

`make test` runs a kill of each kind and an injected error at every write, fsync and rename of a
save; `make faults` runs the long series. injecting.py is the process that fails.
"""

import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from filbert.checkpoint import read_tensors
from filbert.train import RunFolder

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="forks, kills and /proc as in Linux"
)

SHAPE = {"depth": 2, "width": 32, "attention_heads": 2, "mlp_width": 64, "max_positions": 64}
TRAIN = {"batch_tokens": 512, "peak_lr": 3e-3, "precision": "fp32", "save_every_seconds": 0.0}
BUDGETS = ({"steps": 8}, {"tokens": 4000})
DISK = ("write", "fsync", "rename")
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def ask(world: Any) -> Iterator[Ask]:
    """Trains in a child of a process that has torch already."""
    server = [sys.executable, str(Path(__file__).with_name("injecting.py"))]
    with subprocess.Popen(
        server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def asked(out: Path, budget: dict[str, int] = BUDGETS[0], **request: Any) -> dict[str, Any]:
            recipe = {
                "name": "tiny",
                "preset": "bert-tiny",
                "shape": SHAPE,
                "task": {"max_tokens": 64},
                "train": {**TRAIN, **budget},
            }
            request |= {"shards": str(world.shards), "out": str(out), "recipe": recipe}
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer: dict[str, Any] = json.loads(process.stdout.readline())
            return answer

        yield asked
        process.stdin.close()


@pytest.fixture(scope="module")
def uninterrupted(
    ask: Ask, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[dict[str, int]], tuple[Path, float]]:
    """The run of a budget that nothing happens to, and how long it takes."""
    made: dict[str, tuple[Path, float]] = {}

    def run(budget: dict[str, int]) -> tuple[Path, float]:
        if str(budget) not in made:
            out = tmp_path_factory.mktemp("whole") / "run"
            done = ask(out, budget)
            assert done["code"] == 0, done["said"]
            made[str(budget)] = (out, done["seconds"])
        return made[str(budget)]

    return run


def losses(run: Path) -> list[tuple[int, float]]:
    return [(line["step"], line["loss"]) for line in RunFolder(run).read_log() if "loss" in line]


def check_whole(*places: Path) -> None:
    """Every checkpoint that can be seen is whole, and so is what the run says of itself."""
    for place in places:
        for folder in RunFolder(place).steps():
            assert folder.verify() > 0, folder
            assert folder.is_complete(), folder
            assert (folder.path / "model.safetensors").exists(), folder
            assert (folder.path / "optimizer" / "state.safetensors").exists(), folder
        for name in ("run.json", "environment.json"):
            if (place / name).exists():
                json.loads((place / name).read_text())


def check_same(run: Path, whole: Path) -> None:
    """The same losses and the same weights, bit for bit, and nothing half-done is left."""
    assert losses(run) == losses(whole)
    mine, other = (RunFolder(place).newest() for place in (run, whole))
    assert mine is not None
    assert other is not None
    assert mine.path.name == other.path.name
    assert mine.scores() == other.scores()
    for file in ("model.safetensors", "optimizer/state.safetensors"):
        left, right = read_tensors(mine.path / file), read_tensors(other.path / file)
        assert left.keys() == right.keys()
        for name, array in left.items():
            assert array.tobytes() == np.asarray(right[name]).tobytes(), name
    assert not list(run.rglob(".tmp-*"))


def kill_at_random(ask: Ask, out: Path, budget: dict[str, int], seconds: float, seed: int) -> int:
    """Start, and kill at a random moment, until it comes to its end; how many kills it survived."""
    chance, kills = random.Random(seed), 0
    while True:
        # A run makes headway only if it lives long enough: its chance grows.
        done = ask(out, budget, kill_after_seconds=chance.uniform(0, seconds * (1 + kills / 4)))
        if done["code"] == 0:
            return kills
        assert done["code"] == -9, done["said"]
        kills += 1
        check_whole(out)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_a_random_moment_it_ends_the_same(
    ask: Ask, uninterrupted: Any, tmp_path: Path, seed: int
) -> None:
    budget = BUDGETS[seed % 2]
    whole, seconds = uninterrupted(budget)
    done = ask(
        tmp_path / "run",
        budget,
        kill_after_seconds=random.Random(seed).uniform(0.2, 0.8) * seconds,
    )
    assert done["code"] in (-9, 0), done["said"]
    check_whole(tmp_path / "run")
    assert ask(tmp_path / "run", budget)["code"] == 0
    check_same(tmp_path / "run", whole)


@pytest.mark.faults
@pytest.mark.parametrize("budget", BUDGETS, ids=str)
def test_fifty_kills_at_random_moments(
    ask: Ask, uninterrupted: Any, tmp_path: Path, budget: dict[str, int]
) -> None:
    whole, seconds = uninterrupted(budget)
    kills = seed = 0
    while kills < 50:
        seed += 1
        kills += kill_at_random(ask, tmp_path / str(seed), budget, seconds, seed)
        check_same(tmp_path / str(seed), whole)


def points_of_a_save(ask: Ask, out: Path, copy: Path) -> list[tuple[str, int]]:
    """Bring a run to its first checkpoint; all points from a new start to the second one's end."""
    done = ask(out, failure="kill", at=("open log.jsonl", 2))
    assert done["code"] == -9, done["said"]
    assert len(RunFolder(out).steps()) == 1
    shutil.copytree(out, copy)
    # The failure that is never reached makes the child count as one that will be killed.
    points = ask(copy, failure="kill", at=("nothing", 1))["points"]
    second = [n for n, point in enumerate(points) if point == "open log.jsonl"][1]
    seen: Counter[str] = Counter()
    numbered = []
    for point in points[:second]:
        seen[point] += 1
        numbered.append((point, seen[point]))
    assert ("rename step-N", 1) in numbered
    assert ("write .tmp-N-step-N/model.safetensors", 1) in numbered
    return numbered


def test_an_error_at_every_write_fsync_and_rename(
    ask: Ask, uninterrupted: Any, tmp_path: Path
) -> None:
    """Each ends the run with the file's name and the cause; the next start goes on."""
    out = tmp_path / "run"
    points = points_of_a_save(ask, out, tmp_path / "copy")
    attacked = [point for point in points if point[0].partition(" ")[0] in DISK]
    assert len(attacked) > 40
    for point in attacked:
        done = ask(out, failure="error", at=point)
        assert (done["code"], done["points"].count(point[0])) == (1, point[1]), (point, done)
        assert str(out) in done["said"], point
        assert "No space left" in done["said"] or "Input/output error" in done["said"], point
        assert ".tmp-" not in done["said"], point
        check_whole(out)
    assert ask(out)["code"] == 0
    check_same(out, uninterrupted(BUDGETS[0])[0])


@pytest.mark.faults
def test_a_kill_at_every_point_of_a_save(ask: Ask, uninterrupted: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for point in points_of_a_save(ask, out, tmp_path / "copy"):
        done = ask(out, failure="kill", at=point)
        assert done["code"] == -9, (point, done)
        check_whole(out)
    assert ask(out)["code"] == 0
    check_same(out, uninterrupted(BUDGETS[0])[0])


def move(ask: Ask, place: Path, point: tuple[str, int]) -> dict[str, Any]:
    """Move the run to another place while it is at a point."""
    done = ask(place / "run", failure="move", at=point)
    assert done["code"] in (0, 1), (point, done)
    assert done["code"] == 0 or str(place / "run") in done["said"], (point, done)
    try:
        check_whole(place / "run", place / "run-moved")
    except AssertionError as error:
        raise AssertionError(f"{point}: {done}") from error
    return done


@pytest.mark.parametrize("at", ["write log.jsonl", "write .tmp-N-step-N/model.safetensors"])
def test_moved_while_it_runs_it_goes_on_at_its_new_place(
    ask: Ask, uninterrupted: Any, tmp_path: Path, at: str
) -> None:
    assert move(ask, tmp_path, (at, 2))["code"] == 1
    assert ask(tmp_path / "run-moved")["code"] == 0
    check_same(tmp_path / "run-moved", uninterrupted(BUDGETS[0])[0])


@pytest.mark.faults
def test_moved_at_every_point_of_a_save(ask: Ask, uninterrupted: Any, tmp_path: Path) -> None:
    """Before it holds the folder it makes another run in the old place; afterwards it ends."""
    points = points_of_a_save(ask, tmp_path / "run", tmp_path / "copy")
    held = points.index(("open log.jsonl", 1))
    for number, point in enumerate(points):
        assert move(ask, tmp_path, point)["code"] == 1 or number < held, point
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        (tmp_path / "run-moved").rename(tmp_path / "run")
    assert ask(tmp_path / "run")["code"] == 0
    check_same(tmp_path / "run", uninterrupted(BUDGETS[0])[0])


def test_a_clock_that_is_set_back_changes_nothing(
    ask: Ask, uninterrupted: Any, tmp_path: Path
) -> None:
    """The day's clock goes back by an hour with every look: budget and saving use another."""
    done = ask(tmp_path / "run", clock=3600.0, failure="kill", at=("open log.jsonl", 4))
    assert done["code"] == -9, done["said"]
    assert ask(tmp_path / "run", clock=7200.0)["code"] == 0
    check_same(tmp_path / "run", uninterrupted(BUDGETS[0])[0])
    minutes = ask(tmp_path / "clock", {"minutes": 0.01}, clock=3600.0)
    assert minutes["code"] == 0, minutes["said"]
    lines = [line for line in RunFolder(tmp_path / "clock").read_log() if "loss" in line]
    assert lines[-1]["spent"] == 1
    seconds = [line["seconds"] for line in lines]
    assert seconds == sorted({0.0, *seconds})[1:]
