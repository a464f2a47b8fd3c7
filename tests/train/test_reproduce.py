"""A run made once more is the same to the bit; what differs is said."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import filbert
from filbert.cli import main
from filbert.errors import CheckpointError, DataError, SettingsError
from filbert.shards import ShardReader, write_shards
from filbert.train import Plan, RunFolder, finetune, reproduce


def with_train(plan: Plan, **changes: Any) -> Plan:
    return replace(plan, train=replace(plan.train, **changes))


def losses(run: Path) -> list[float]:
    return [line["loss"] for line in RunFolder(run).read_log() if "loss" in line]


@pytest.mark.parametrize(
    "budget", [{"steps": 6}, {"tokens": 3000}, {"epochs": 0.5}, {"minutes": 0.01}], ids=str
)
def test_a_run_is_repeated_to_the_bit(
    world: Any, plan: Plan, tmp_path: Path, budget: dict[str, Any]
) -> None:
    """Also one that a clock led: its rates were those of its own seconds."""
    filbert.pretrain(
        world.shards, tmp_path / "run", plan=with_train(plan, **{"steps": None} | budget)
    )
    done = reproduce(tmp_path / "run", tmp_path / "again")
    assert done.equal, str(done)
    assert done.steps == len(losses(tmp_path / "run")) > 1
    assert "equal bit for bit" in str(done)
    assert losses(tmp_path / "again") == losses(tmp_path / "run")
    original, repeated = (RunFolder(tmp_path / name).newest() for name in ("run", "again"))
    assert original is not None
    assert repeated is not None
    file = "model.safetensors"
    assert (original.path / file).read_bytes() == (repeated.path / file).read_bytes()


def test_a_run_that_was_not_ended_is_repeated_up_to_its_newest_checkpoint(
    world: Any, plan: Plan, tmp_path: Path
) -> None:
    many = with_train(plan, steps=6, save_every_seconds=0.0, keep_folders=9)
    filbert.pretrain(world.shards, tmp_path / "run", plan=many)
    for step in RunFolder(tmp_path / "run").steps()[3:]:
        shutil.rmtree(step.path)
    done = reproduce(tmp_path / "run", tmp_path / "again")
    assert (done.equal, done.steps) == (True, 3)


def test_the_command_says_what_came_of_it(
    world: Any, plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0: equal; 1: not, with where the first difference is, how large, and what may explain it."""
    run = tmp_path / "run"
    filbert.pretrain(world.shards, run, plan=with_train(plan, steps=4))
    assert main(["reproduce", str(run), "--out", str(tmp_path / "again"), "--quiet"]) == 0
    assert "equal bit for bit" in capsys.readouterr().out
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    log[2]["loss"] += 0.25
    (run / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    environment = json.loads((run / "environment.json").read_text())
    environment["starts"][0]["computing"]["threads"] = 99
    (run / "environment.json").write_text(json.dumps(environment))
    assert main(["reproduce", str(run), "--out", str(tmp_path / "again"), "--quiet"]) == 1
    said = capsys.readouterr().out
    assert "first in step 3" in said
    assert "at most 0.25 apart" in said
    assert "weights: equal bit for bit" in said
    assert "threads is 99 there" in said


def test_other_weights_are_found(world: Any, plan: Plan, tmp_path: Path) -> None:
    """Another seed, put into run.json by hand: every step differs, and every weight."""
    run = tmp_path / "run"
    filbert.pretrain(world.shards, run, plan=with_train(plan, steps=2))
    recipe = json.loads((run / "run.json").read_text())
    recipe["plan"]["train"]["peak_lr"] *= 1.5
    (run / "run.json").write_text(json.dumps(recipe))
    done = reproduce(run, tmp_path / "again")
    assert not done.equal
    assert done.weights is not None
    assert done.weights.largest > 0
    assert "first in the tensor" in str(done)


def test_other_data_are_refused_before_any_work(world: Any, plan: Plan, tmp_path: Path) -> None:
    run = tmp_path / "run"
    filbert.pretrain(world.shards, run, plan=with_train(plan, steps=2))
    write_shards(world.documents[:100], world.tokenizer, tmp_path / "other")
    with pytest.raises(DataError, match=r"the data: SHA-256 \w{12}… there, \w{12}… here; the dev"):
        reproduce(run, tmp_path / "again", data=[tmp_path / "other"])
    with pytest.raises(DataError, match=r"made of: the dev set: SHA-256"):
        reproduce(run, tmp_path / "again", dev=tmp_path / "other")
    assert not (tmp_path / "again").exists()


def test_data_that_moved_are_asked_for(world: Any, plan: Plan, tmp_path: Path) -> None:
    shards, run = tmp_path / "shards", tmp_path / "run"
    shutil.copytree(world.shards, shards)
    mixed = [(shards, 1.0), (world.shards, 2.0)]
    filbert.pretrain(mixed, run, plan=with_train(plan, steps=2))
    shards.rename(tmp_path / "moved")
    with pytest.raises(SettingsError, match=f"its data lay at {shards}: not there; give data"):
        reproduce(run, tmp_path / "again")
    with pytest.raises(SettingsError, match="made of 2 folders of shards, got 1"):
        reproduce(run, tmp_path / "again", data=[tmp_path / "moved"])
    done = reproduce(run, tmp_path / "again", data=[tmp_path / "moved", world.shards])
    assert done.equal, str(done)


def test_a_start_and_a_dev_set_are_found_again(world: Any, plan: Plan, tmp_path: Path) -> None:
    """The dev set was handed over in memory, so it is given by hand."""
    short = with_train(plan, steps=2)
    start = filbert.pretrain(world.shards, tmp_path / "start", plan=short)
    write_shards(world.documents[:20], world.tokenizer, tmp_path / "dev")
    reader = ShardReader(tmp_path / "dev", max_tokens=64)
    rows = [reader.row(number) for number in range(len(reader))]
    filbert.pretrain(world.shards, tmp_path / "run", plan=short, start=start, dev=rows)
    with pytest.raises(DataError, match="the dev set"):
        reproduce(tmp_path / "run", tmp_path / "again")
    done = reproduce(tmp_path / "run", tmp_path / "again", dev=tmp_path / "dev")
    assert done.equal, str(done)


def test_a_fine_tuning_is_repeated(world: Any, plan: Plan, tmp_path: Path) -> None:
    start = filbert.pretrain(world.shards, tmp_path / "start", plan=with_train(plan, steps=2))
    examples = tmp_path / "examples.jsonl"
    lines = [{"text": f"a text of {word}", "label": word} for word in ("good", "bad") * 12]
    examples.write_text("".join(json.dumps(line) + "\n" for line in lines))
    settings = ["train.steps=3", "train.batch_tokens=128"]
    for fresh in (False, True):
        run = tmp_path / f"run-{fresh}"
        finetune("classify", examples, run, start=start, settings=settings, fresh=fresh)
        done = reproduce(run, tmp_path / f"again-{fresh}")
        assert done.equal, str(done)
        assert done.steps == 3


def test_what_is_no_run_is_refused(world: Any, plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"expected the folder of a run; there is no run\.j"):
        reproduce(tmp_path, tmp_path / "again")
    RunFolder(tmp_path / "run").claim({"kind": "pretrain"})
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        reproduce(tmp_path / "run", tmp_path / "again")
    filbert.pretrain(
        world.shards, tmp_path / "clock", plan=with_train(plan, steps=None, minutes=0.005)
    )
    with pytest.raises(SettingsError, match="is the run itself"):
        reproduce(tmp_path / "clock", tmp_path / "clock")
    log = tmp_path / "clock" / "log.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(CheckpointError, match=r"lacks 1 of \d+ steps, the first is step 1:"):
        reproduce(tmp_path / "clock", tmp_path / "again")
