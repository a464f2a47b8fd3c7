"""Pre-training: it learns, it resumes exactly, it refuses what does not fit."""

import importlib
import json
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import filbert
from filbert.checkpoint import read_tensors
from filbert.engine import evaluate
from filbert.errors import CheckpointError, DataError, FilbertError, SettingsError
from filbert.shards import ShardReader, write_shards
from filbert.tokenizer import learn_wordpiece
from filbert.train import Plan, RunFolder, Saved, Stepped
from filbert.train.loop import train
from filbert.train.sources import split_off


def losses(run: Path) -> list[float]:
    return [line["loss"] for line in RunFolder(run).read_log() if "loss" in line]


def weights(run: Path) -> dict[str, np.ndarray]:
    folder = RunFolder(run).newest()
    assert folder is not None
    return read_tensors(folder.path / "model.safetensors")


def with_train(plan: Plan, **changes: Any) -> Plan:
    return replace(plan, train=replace(plan.train, **changes))


def test_it_learns_and_leaves_a_folder_that_knows_itself(
    world: Any, plan: Plan, tmp_path: Path
) -> None:
    folder = filbert.pretrain(world.shards, tmp_path / "run", plan=with_train(plan, steps=60))
    curve = losses(tmp_path / "run")
    assert len(curve) == 60
    assert np.mean(curve[-5:]) < np.mean(curve[:5]) - 1
    assert folder.path.name == "step-00000060"
    assert set(folder.scores()) >= {"accuracy", "loss"}
    assert folder.train()["state"]["step"] == 60
    assert (folder.path / "README.md").exists()


@pytest.mark.parametrize("stop", [1, 5, 11])
def test_a_stopped_run_goes_on_bit_for_bit(
    world: Any, plan: Plan, tmp_path: Path, stop: int
) -> None:
    """Stopped after any step and called again: the same losses and the same weights."""
    filbert.pretrain(world.shards, tmp_path / "whole", plan=plan)
    asked = tmp_path / "stopped"
    with pytest.MonkeyPatch.context() as patch:
        _stop_after(patch, stop)
        with pytest.raises(KeyboardInterrupt):
            filbert.pretrain(world.shards, asked, plan=plan)
    assert len(losses(asked)) == stop
    filbert.pretrain(world.shards, asked, plan=plan)
    assert losses(asked) == losses(tmp_path / "whole")
    mine, other = weights(asked), weights(tmp_path / "whole")
    assert mine.keys() == other.keys()
    for name in mine:
        assert (mine[name] == other[name]).all(), name


def _stop_after(patch: pytest.MonkeyPatch, steps: int) -> None:
    """Ask the loop to stop as Ctrl-C would, after some steps."""
    starting = importlib.import_module("filbert.train.starting")

    def counted(job: Any, should_stop: Any) -> Any:
        done: list[int] = []

        def asked() -> bool:
            done.append(1)
            return len(done) >= steps

        return train(job, asked)

    patch.setattr(starting, "train", counted)


KILLED = """
import os, signal, sys
import filbert.disk
from pathlib import Path
from filbert.train import make_plan
import filbert, json
plan = make_plan(json.loads(sys.argv[1]))
if sys.argv[4] != "none":
    import filbert.checkpoint.save as saving
    writes = [0]
    flush = filbert.disk.flush
    def dying(path):
        writes[0] += 1
        if writes[0] >= int(sys.argv[4]):
            os.kill(os.getpid(), signal.SIGKILL)
        flush(path)
    filbert.disk.flush = dying
filbert.pretrain(Path(sys.argv[2]), Path(sys.argv[3]), plan=plan)
"""


@pytest.mark.parametrize("write", [12, 20, 25, 33])
def test_kill_while_a_checkpoint_is_written_loses_nothing(
    world: Any, plan: Plan, tmp_path: Path, write: int
) -> None:
    """Killed (-9) at some write: the next call goes on from whole folders, to the same end."""
    recipe = {
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
        "train": {"steps": 6, "batch_tokens": 512, "peak_lr": 3e-3, "save_every_seconds": 0.0},
    }

    def run(out: Path, die_at: str) -> int:
        command = [sys.executable, "-c", textwrap.dedent(KILLED), json.dumps(recipe)]
        return subprocess.run(
            [*command, str(world.shards), str(out), die_at], check=False
        ).returncode

    assert run(tmp_path / "killed", str(write)) == -signal.SIGKILL
    for folder in RunFolder(tmp_path / "killed").steps():
        assert folder.verify() > 0
    assert run(tmp_path / "killed", "none") == 0
    assert run(tmp_path / "whole", "none") == 0
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    mine, other = weights(tmp_path / "killed"), weights(tmp_path / "whole")
    assert all((mine[name] == other[name]).all() for name in other)
    assert not list((tmp_path / "killed").glob(".tmp-*"))


def test_evaluate_gives_the_very_scores_of_training(world: Any, plan: Plan, tmp_path: Path) -> None:
    reader = ShardReader(world.shards, max_tokens=64)
    dev = [reader.row(index) for index in range(0, len(reader.lengths), 9)]
    folder = filbert.pretrain(reader, tmp_path / "run", plan=plan, dev=dev)
    assert evaluate(folder, dev).scores == folder.scores()


def test_another_recipe_is_not_mixed_in(world: Any, plan: Plan, tmp_path: Path) -> None:
    filbert.pretrain(world.shards, tmp_path / "run", plan=plan)
    with pytest.raises(
        SettingsError, match=r"another recipe: plan\.train\.peak_lr is 0\.1, there it is 0\.003"
    ):
        filbert.pretrain(world.shards, tmp_path / "run", plan=with_train(plan, peak_lr=0.1))
    filbert.pretrain(world.shards, tmp_path / "run", plan=with_train(plan, keep_folders=5))


def test_a_folder_of_something_else_is_left_alone(world: Any, plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SettingsError, match="holds something that is no run"):
        filbert.pretrain(world.shards, tmp_path, plan=plan)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_finished_run_is_finished(world: Any, plan: Plan, tmp_path: Path) -> None:
    first = filbert.pretrain(world.shards, tmp_path / "run", plan=plan)
    again = filbert.pretrain(world.shards, tmp_path / "run", plan=plan)
    assert again.path == first.path
    assert len(losses(tmp_path / "run")) == 12


def test_going_on_from_a_checkpoint_starts_where_it_ended(
    world: Any, plan: Plan, tmp_path: Path
) -> None:
    first = filbert.pretrain(world.shards, tmp_path / "a", plan=with_train(plan, steps=60))
    filbert.pretrain(world.shards, tmp_path / "b", plan=with_train(plan, steps=3), start=first)
    assert losses(tmp_path / "b")[0] < np.mean(losses(tmp_path / "a")[:5]) - 1
    longer = ["task.max_tokens=512"]
    with pytest.raises(SettingsError, match=r"at most 64: set .*grow\.max_positions=512"):
        filbert.pretrain(world.shards, tmp_path / "c", plan=plan, start=first, settings=longer)


def test_micro_batches_do_not_change_the_step(world: Any, plan: Plan, tmp_path: Path) -> None:
    """The same tokens a step in pieces: the same loss up to rounding."""
    still = replace(plan, shape=replace(plan.shape, dropout_fraction=0.0))
    filbert.pretrain(world.shards, tmp_path / "a", plan=still)
    filbert.pretrain(world.shards, tmp_path / "b", plan=with_train(still, micro_tokens=128))
    assert np.allclose(losses(tmp_path / "a"), losses(tmp_path / "b"), atol=2e-4)


def test_minutes_and_epochs_end_a_run(world: Any, plan: Plan, tmp_path: Path) -> None:
    by_time = with_train(plan, steps=None, minutes=0.02)
    folder = filbert.pretrain(world.shards, tmp_path / "time", plan=by_time)
    assert folder.train()["state"]["seconds"] >= 1.2  # no upper end: no test asserts a speed
    last = [line for line in RunFolder(tmp_path / "time").read_log() if "loss" in line][-1]
    assert last["learning_rate"] < 0.3 * plan.train.peak_lr
    by_epoch = with_train(plan, steps=None, epochs=1.0)
    folder = filbert.pretrain(world.shards, tmp_path / "epoch", plan=by_epoch)
    read = folder.train()["state"]["read"]
    assert (read["epoch"], read["position"]) == (1, 0)


def test_a_loss_that_is_no_number_stops_the_run(world: Any, plan: Plan, tmp_path: Path) -> None:
    wild = with_train(plan, peak_lr=1e14, clip_norm=0.0, warmup_fraction=0.0)
    with pytest.raises(
        FilbertError, match=r"step \d+: the loss is (nan|inf).*smaller train\.peak_lr"
    ):
        filbert.pretrain(world.shards, tmp_path / "run", plan=wild)


def test_what_does_not_fit_is_said(world: Any, plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"is 512.*at most 64: set .*shape\.max_positions=512"):
        filbert.pretrain(world.shards, tmp_path / "a", plan=plan, settings=["task.max_tokens=512"])
    with pytest.raises(SettingsError, match=r"'train\.peek_lr'; did you mean 'train\.peak_lr'"):
        filbert.pretrain(world.shards, tmp_path / "b", plan=plan, settings=["train.peek_lr=1"])
    with pytest.raises(SettingsError, match="'adamv' is unknown; did you mean 'adamw'"):
        filbert.pretrain(
            world.shards, tmp_path / "c", plan=plan, settings=["train.optimizer=adamv"]
        )
    with pytest.raises(SettingsError, match="no recipe 'quikstart'; did you mean 'quickstart'"):
        filbert.pretrain(world.shards, tmp_path / "d", plan="quikstart")
    with pytest.raises(SettingsError, match="has no budget"):
        filbert.pretrain(world.shards, tmp_path / "e", plan=with_train(plan, steps=None))


def test_the_dev_part_is_whole_blocks_and_nothing_is_lost() -> None:
    blocks = split_off(10_000, seed=3)
    kept, dev = blocks.kept(np.arange(len(blocks))), blocks.aside()
    assert sorted([*kept.tolist(), *dev.tolist()]) == list(range(10_000))
    assert (np.diff(kept) > 0).all()
    assert 64 <= len(dev) <= 100
    assert split_off(10_000, seed=3).aside().tolist() == dev.tolist()
    assert (np.diff(dev) == 1).mean() > 0.9


@pytest.mark.parametrize(("rows", "dev_rows"), [(2, 1000), (31, 1000), (33, 5), (3_201, 1000)])
def test_any_number_of_rows_is_split_without_loss(rows: int, dev_rows: int) -> None:
    blocks = split_off(rows, seed=1, dev_fraction=0.3, dev_rows=dev_rows)
    kept = blocks.kept(np.arange(len(blocks)))
    assert sorted([*kept.tolist(), *blocks.aside().tolist()]) == list(range(rows))


def test_two_shard_folders_are_mixed_by_weight(world: Any, plan: Plan, tmp_path: Path) -> None:
    write_shards(world.documents[:60], world.tokenizer, tmp_path / "small")
    mixed = [(world.shards, 1.0), (tmp_path / "small", 3.0)]
    room = importlib.import_module("filbert.train.pretrain")
    original, seen = room.follow, []
    with pytest.MonkeyPatch.context() as patch:

        def watched(job: Any, what: str, progress: Any) -> Any:
            seen.append(job.source.shares)
            return original(job, what, progress)

        patch.setattr(room, "follow", watched)
        filbert.pretrain(mixed, tmp_path / "whole", plan=plan)
    assert seen == [(0.25, 0.75)]
    # Stopped half-way and gone on with: the very same run.
    with pytest.raises(FilbertError):
        filbert.pretrain(mixed[::-1], tmp_path / "whole", plan=plan)


def test_shards_of_two_tokenizers_are_not_mixed(world: Any, plan: Plan, tmp_path: Path) -> None:
    other = learn_wordpiece((d.text for d in world.documents), 900)
    write_shards(world.documents[:60], other, tmp_path / "small")
    with pytest.raises(DataError, match=r"small: made with the tokenizer \w{12}…, the first"):
        filbert.pretrain(
            [(world.shards, 1.0), (tmp_path / "small", 1.0)], tmp_path / "run", plan=plan
        )


def test_events_come_in_order(world: Any, plan: Plan, tmp_path: Path) -> None:
    seen: list[Any] = []
    room = importlib.import_module("filbert.train.pretrain")
    original = room.follow

    with pytest.MonkeyPatch.context() as patch:

        def watched(job: Any, what: str, progress: Any) -> Any:
            return original(job, what, progress, watch=seen.append)

        patch.setattr(room, "follow", watched)
        filbert.pretrain(world.shards, tmp_path / "run", plan=plan)
    assert [event.step for event in seen if isinstance(event, Stepped)] == list(range(1, 13))
    assert isinstance(seen[-1], Saved)


def test_a_refused_start_binds_nobody(world: Any, plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="'sgd' is unknown"):
        filbert.pretrain(
            world.shards, tmp_path / "run", plan=plan, settings=["train.optimizer=sgd"]
        )
    folder = filbert.pretrain(world.shards, tmp_path / "run", plan=plan)
    assert folder.train()["state"]["step"] == 12


def test_two_processes_do_not_train_in_one_folder(world: Any, plan: Plan, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    with run.alone(), pytest.raises(SettingsError, match="another process is training there"):
        filbert.pretrain(world.shards, run.path, plan=plan)
    filbert.pretrain(world.shards, run.path, plan=plan)


def test_a_stop_in_the_last_evaluation_loses_nothing(
    world: Any, plan: Plan, tmp_path: Path
) -> None:
    """Everything learnt is saved before it; called again, only the scores are made up for."""
    loop = importlib.import_module("filbert.train.loop")

    def interrupted(job: Any, precision: str) -> Any:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Job, "evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            filbert.pretrain(world.shards, tmp_path / "run", plan=plan)
    stopped = RunFolder(tmp_path / "run").newest()
    assert stopped is not None
    assert stopped.train()["unscored"]
    folder = filbert.pretrain(world.shards, tmp_path / "run", plan=plan)
    whole = filbert.pretrain(world.shards, tmp_path / "whole", plan=plan)
    assert folder.scores() == whole.scores()
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


def test_a_damaged_log_is_named(world: Any, plan: Plan, tmp_path: Path) -> None:
    filbert.pretrain(world.shards, tmp_path / "run", plan=plan)
    log = tmp_path / "run" / "log.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([lines[0], b"\xff{\n", *lines[1:]]))
    with pytest.raises(CheckpointError, match=r"log\.jsonl:2: expected a line of the log"):
        list(RunFolder(tmp_path / "run").read_log())
    log.write_bytes(b"".join(lines) + b'{"step": 1')
    assert len(list(RunFolder(tmp_path / "run").read_log())) == len(lines)


@pytest.mark.parametrize(
    "setting",
    [
        "train.dropout_fraction=1.0",
        "train.dropout_fraction=-0.5",
        "train.seed=-1",
        "train.seed=99999999999999999",
        "train.epsilon=nan",
        "train.peak_lr=inf",
        "train.minutes=nan",
        "task.keep_fraction=nan",
        "train.batch_tokens=0",
    ],
)
def test_nonsense_is_refused_by_name(plan: Plan, setting: str, tmp_path: Path) -> None:
    name = setting.partition("=")[0].rpartition(".")[2]
    with pytest.raises(SettingsError, match=name):
        filbert.pretrain(tmp_path / "gone", tmp_path / "run", plan=plan, settings=[setting])


def test_what_was_measured_at_the_start_is_measured_once(
    world: Any, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed before its first checkpoint computes as it would have, called again."""
    loop = importlib.import_module("filbert.train.loop")
    monkeypatch.setattr(loop, "choose_precision", lambda *given: ("bf16", "bf16"))
    _stop_after(monkeypatch, 3)
    monkeypatch.setattr(loop._Loop, "_save", lambda *given, **named: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        filbert.pretrain(world.shards, tmp_path / "run", plan=plan)
    monkeypatch.undo()
    folder = filbert.pretrain(world.shards, tmp_path / "run", plan=plan)
    assert folder.train()["state"]["precision"] == "bf16"
    other = filbert.pretrain(world.shards, tmp_path / "other", plan=plan)
    assert other.train()["state"]["precision"] == "fp32"
