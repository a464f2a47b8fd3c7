"""What follows the budget: batches that grow, rows that get longer; and pieces that shrink."""

import importlib
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import filbert
from filbert.checkpoint import read_tensors
from filbert.errors import DeviceError, SettingsError
from filbert.shards import ShardReader
from filbert.train import Plan, RunFolder, Training
from filbert.train import loop as loop_room
from filbert.train.drawing import Drawing
from filbert.train.loop import train
from filbert.train.sources import Blocks, same_text, split_off
from filbert.train.step import Stepper


def lines(run: Path) -> list[dict[str, Any]]:
    return [line for line in RunFolder(run).read_log() if "loss" in line]


def weights(run: Path) -> dict[str, np.ndarray]:
    folder = RunFolder(run).newest()
    assert folder is not None
    return read_tensors(folder.path / "model.safetensors")


def with_train(plan: Plan, **changes: Any) -> Plan:
    return replace(plan, train=replace(plan.train, **changes))


def stopped_after(world: Any, out: Path, plan: Plan, steps: int) -> None:
    starting = importlib.import_module("filbert.train.starting")
    with pytest.MonkeyPatch.context() as patch:

        def counted(job: Any, should_stop: Any) -> Any:
            asked = itertools.count(1)
            return train(job, lambda: next(asked) >= steps)

        patch.setattr(starting, "train", counted)
        with pytest.raises(KeyboardInterrupt):
            filbert.pretrain(world.shards, out, plan=plan)


CHANGING = {
    "tokens": {"steps": None, "tokens": 8000},
    "growing batch": {"batch_start_tokens": 128, "batch_warmup_fraction": 0.5},
    "phases": {"length_phases": ((0.0, 16), (0.5, 32), (0.75, 64))},
    "ema": {"average": "ema", "average_decay": 0.9},
    "last": {"average": "last", "average_every_steps": 2, "average_count": 3},
    "stable_adamw, cosine": {"optimizer": "stable_adamw", "schedule": "cosine"},
    "muon, wsd": {"optimizer": "muon", "schedule": "wsd", "decay_fraction": 0.3},
    "lamb": {"optimizer": "lamb"},
}


@pytest.mark.parametrize("settings", CHANGING.values(), ids=CHANGING)
@pytest.mark.parametrize("stop", [7])
def test_a_stopped_run_goes_on_bit_for_bit(
    world: Any, plan: Plan, tmp_path: Path, settings: dict[str, Any], stop: int
) -> None:
    made = with_train(plan, **settings)
    filbert.pretrain(world.shards, tmp_path / "whole", plan=made)
    stopped_after(world, tmp_path / "stopped", made, stop)
    filbert.pretrain(world.shards, tmp_path / "stopped", plan=made)
    curve = [line["loss"] for line in lines(tmp_path / "whole")]
    assert [line["loss"] for line in lines(tmp_path / "stopped")] == curve
    assert len(curve) >= 12
    mine, other = weights(tmp_path / "stopped"), weights(tmp_path / "whole")
    assert all((mine[name] == other[name]).all() for name in other)


@pytest.mark.parametrize(
    "settings", [{}, {"steps": None, "epochs": 0.4}, CHANGING["tokens"], CHANGING["phases"]]
)
def test_batches_that_are_made_ahead_are_the_same(
    world: Any,
    plan: Plan,
    tmp_path: Path,
    settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As for a GPU, stopped and resumed: the very steps that are made one after the other."""
    made = with_train(plan, **settings)
    filbert.pretrain(world.shards, tmp_path / "plain", plan=made)
    monkeypatch.setattr(loop_room, "DRAWN_AHEAD_FOR", frozenset({"cpu"}))
    filbert.pretrain(world.shards, tmp_path / "ahead", plan=made)
    stopped_after(world, tmp_path / "stopped", made, 5)
    filbert.pretrain(world.shards, tmp_path / "stopped", plan=made)
    wanted = [line["loss"] for line in lines(tmp_path / "plain")]
    for name in ("ahead", "stopped"):
        assert [line["loss"] for line in lines(tmp_path / name)] == wanted


def test_tokens_end_a_run(world: Any, plan: Plan, tmp_path: Path) -> None:
    folder = filbert.pretrain(
        world.shards, tmp_path / "run", plan=with_train(plan, steps=None, tokens=5000)
    )
    assert 5000 <= folder.train()["state"]["tokens"] < 5512
    assert lines(tmp_path / "run")[-1]["spent"] == 1


def test_batches_grow(world: Any, plan: Plan, tmp_path: Path) -> None:
    growing = with_train(plan, steps=40, batch_start_tokens=100, batch_warmup_fraction=0.5)
    filbert.pretrain(world.shards, tmp_path / "run", plan=growing)
    sizes = [line["batch_tokens"] for line in lines(tmp_path / "run")]
    assert np.mean(sizes[:4]) < 160
    assert np.mean(sizes[8:12]) < np.mean(sizes[16:20])
    assert all(size <= 512 for size in sizes)
    full = [size for size in sizes[20:] if size > 400]
    assert len(full) > 15  # an epoch's last batch may be small


def test_rows_get_longer_and_what_is_scored_is_never_learnt(
    world: Any, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phases = ((0.0, 16), (0.5, 64))
    longest: list[int] = []
    learnt: dict[int, set[tuple[int, int]]] = {16: set(), 64: set()}
    draw = Drawing._draw

    def noted(drawing: Any, begun: float, micro_tokens: int) -> Any:
        drawn = draw(drawing, begun, micro_tokens)
        longest.append(max(map(len, drawn.rows)))
        learnt[16 if len(longest) <= 20 else 64] |= {row.origin for row in drawn.rows}
        return drawn

    monkeypatch.setattr(Drawing, "_draw", noted)
    filbert.pretrain(
        world.shards, tmp_path / "run", plan=with_train(plan, steps=40, length_phases=phases)
    )
    assert max(longest[:20]) == 16
    assert min(longest[20:]) > 40
    readers = {length: ShardReader(world.shards, max_tokens=length) for length in learnt}
    held = split_off(len(readers[64]), seed=plan.train.seed).aside()
    scored = {readers[64].tokens_of(int(row)) for row in held}
    for length, reader in readers.items():
        for shard, row in learnt[length]:
            there, start, stop = reader.tokens_of(reader.number_of(shard, row))
            assert not any(
                there == other and start < last and first < stop for other, first, last in scored
            )


def test_blocks_of_another_cut_hold_just_the_same_text(world: Any) -> None:
    long, short = (ShardReader(world.shards, max_tokens=length) for length in (64, 13))
    blocks = split_off(len(long), seed=5, dev_rows=9, block=3)
    other = same_text(blocks.aside(), long, short)

    def tokens(reader: ShardReader, rows: Any) -> set[tuple[int, int]]:
        spans = [reader.tokens_of(int(row)) for row in rows]
        return {(shard, at) for shard, start, stop in spans for at in range(start, stop)}

    asked, found = tokens(long, blocks.aside()), tokens(short, other.aside())
    assert asked <= found
    kept = tokens(short, other.kept(np.arange(len(other))))
    assert not asked & kept
    assert kept | found == tokens(short, range(len(short)))


@pytest.mark.parametrize(
    ("phases", "reason"),
    [
        (((0.1, 16), (0.5, 64)), "must begin at 0"),
        (((0.0, 16), (0.5, 16)), "both rising"),
        (((0.0, 16), (1.0, 64)), "below 1"),
    ],
)
def test_phases_that_make_no_sense_are_refused(phases: Any, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        Training(steps=10, length_phases=phases)


def test_phases_fit_the_task_and_the_budget(world: Any, plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ends with rows of 32 tokens, task\.max_tokens is 64"):
        filbert.pretrain(
            world.shards, tmp_path / "a", plan=with_train(plan, length_phases=((0.0, 32),))
        )
    with pytest.raises(SettingsError, match="got epochs"):
        filbert.pretrain(
            world.shards,
            tmp_path / "b",
            plan=with_train(plan, steps=None, epochs=1.0, length_phases=((0.0, 16), (0.5, 64))),
        )


@given(st.floats(0, 1), st.integers(1, 1000), st.floats(0.01, 0.99))
def test_the_batch_never_leaves_its_bounds(spent: float, first: int, warmup: float) -> None:
    settings = Training(batch_start_tokens=first, batch_tokens=1000, batch_warmup_fraction=warmup)
    assert first <= settings.batch_tokens_at(spent) <= 1000
    assert settings.batch_tokens_at(1.0) == 1000


def little_memory(patch: pytest.MonkeyPatch, tokens: int) -> None:
    """A device that has memory for so many tokens at once: torch's own error, where it comes."""
    through = Stepper._through

    def limited(stepper: Any, packed: Any, counts: Any) -> Any:
        if packed.token_ids.size > tokens:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return through(stepper, packed, counts)

    patch.setattr(Stepper, "_through", limited)


def test_pieces_are_halved_until_they_fit_and_no_step_is_lost(
    world: Any, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = replace(plan, shape=replace(plan.shape, dropout_fraction=0.0))
    filbert.pretrain(world.shards, tmp_path / "enough", plan=still)
    little_memory(monkeypatch, 150)
    folder = filbert.pretrain(world.shards, tmp_path / "little", plan=still)
    assert len(lines(tmp_path / "little")) == 12
    mine, other = (
        [line["loss"] for line in lines(tmp_path / name)] for name in ("little", "enough")
    )
    assert np.allclose(mine, other, atol=2e-4)
    assert 64 <= folder.train()["state"]["micro_tokens"] <= 150


def test_a_row_that_does_not_fit_is_said(
    world: Any, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    little_memory(monkeypatch, 20)
    with pytest.raises(DeviceError, match=r"too little memory for \d+ tokens at once"):
        filbert.pretrain(world.shards, tmp_path / "run", plan=plan)


@given(
    st.integers(2, 200).flatmap(
        lambda rows: st.tuples(
            st.just(rows),
            st.lists(st.integers(0, rows - 1), min_size=1, max_size=5, unique=True).map(sorted),
        )
    )
)
def test_blocks_number_what_stays_without_gaps(case: tuple[int, list[int]]) -> None:
    rows, single = case
    starts = np.array(single, np.int64)
    blocks = Blocks(rows, starts, starts + 1)
    kept = blocks.kept(np.arange(len(blocks))).tolist()
    assert sorted(kept + single) == list(range(rows))
