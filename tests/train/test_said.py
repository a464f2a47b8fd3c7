"""What is said where settings, folders and runs are not what a person thought they were."""

import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import filbert
from filbert.errors import CheckpointError, SettingsError
from filbert.progress import plain
from filbert.train import Plan, RunFolder, Training, chosen_plan
from filbert.train.growth import Grow


def test_a_batch_that_would_never_grow_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"needs train.batch_warmup_fraction"):
        Training(batch_start_tokens=128)


@pytest.mark.parametrize("setting", ["task.pairs=none", "train.average=none"])
def test_none_turns_off_what_a_recipe_asks_for(setting: str) -> None:
    plan = chosen_plan("bert_base_paper", [setting])
    task: Any = plan.make_task("pretrain")
    assert plan.train.average == "none"
    assert (task.pairs == "none") == (setting == "task.pairs=none")


def test_a_place_that_is_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    message = re.escape(f"{tmp_path}: expected the folder of a run; there is no run.json")
    with pytest.raises(CheckpointError, match=message):
        RunFolder(tmp_path).read()


def test_a_run_that_is_done_is_shown_as_done(world: Any, plan: Plan, tmp_path: Path) -> None:
    filbert.pretrain(world.shards, tmp_path / "run", plan=plan)
    said = StringIO()
    filbert.pretrain(world.shards, tmp_path / "run", plan=plan, progress=plain(said))
    assert ": 12/12 steps" in said.getvalue()
    assert ": 0/12 steps" not in said.getvalue()


@pytest.mark.parametrize("size", [0, 2**40])
def test_sizes_that_are_a_slip_of_the_pen_are_refused(size: int) -> None:
    with pytest.raises(
        SettingsError, match=r"grow\.max_positions must be from 1 to 1,048,576; got"
    ):
        Grow(max_positions=size)
