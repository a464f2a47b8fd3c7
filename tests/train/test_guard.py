"""Steps that would spoil the weights are dropped, and a run that is lost goes back."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import filbert
from filbert.checkpoint import read_tensors
from filbert.errors import FilbertError
from filbert.heads import masked_loss as loss_room
from filbert.heads import pretrain as head_room
from filbert.train import Plan, RunFolder, TrainState
from filbert.train.guard import LOSSES, what_is_wrong, with_loss


def lines(run: Path) -> list[dict[str, Any]]:
    return list(RunFolder(run).read_log())


def with_train(plan: Plan, **changes: Any) -> Plan:
    return replace(plan, train=replace(plan.train, **changes))


def spoil(patch: pytest.MonkeyPatch, when: Any, factor: float) -> None:
    """Multiply the loss of some of a run's steps, counted from 0 in this process."""
    loss = loss_room.masked_loss
    seen = [0]

    def spoilt(*arguments: Any) -> tuple[Tensor, Tensor]:
        total, right = loss(*arguments)
        if torch.is_grad_enabled():
            total = total * factor if when(seen[0]) else total
            seen[0] += 1
        return total, right

    patch.setattr(head_room, "masked_loss", spoilt)


def weights(run: Path) -> dict[str, np.ndarray]:
    folder = RunFolder(run).newest()
    assert folder is not None
    return read_tensors(folder.path / "model.safetensors")


def test_a_step_without_a_number_is_dropped_and_its_rows_are_named(
    world: Any, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, lambda step: step == 5, math.nan)
    folder = filbert.pretrain(world.shards, tmp_path / "run", plan=plan)
    dropped = [line for line in lines(tmp_path / "run") if "reason" in line]
    assert [line["step"] for line in dropped] == [6]
    assert dropped[0]["reason"] == "the loss is nan"
    assert len(dropped[0]["rows"]) > 1
    assert all(len(origin) == 2 for origin in dropped[0]["rows"])
    stepped = [line["step"] for line in lines(tmp_path / "run") if "loss" in line]
    assert stepped == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12]
    assert folder.train()["state"]["step"] == 12
    assert all(np.isfinite(array).all() for array in weights(tmp_path / "run").values())


def test_a_spike_is_dropped_where_that_is_asked_for(
    world: Any, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, lambda step: step == 30, 3.0)
    for name, deviations in (("kept", 0.0), ("guarded", 8.0)):
        filbert.pretrain(
            world.shards,
            tmp_path / name,
            plan=with_train(plan, steps=40, spike_deviations=deviations),
        )
        monkeypatch.undo()
        spoil(monkeypatch, lambda step: step == 30, 3.0)
    assert not [line for line in lines(tmp_path / "kept") if "reason" in line]
    (dropped,) = [line for line in lines(tmp_path / "guarded") if "reason" in line]
    assert dropped["step"] == 31
    assert "is usual" in dropped["reason"]


def test_a_run_that_is_lost_goes_back_and_on(
    world: Any, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three steps on end: back to the weights that were saved, on with the data after them."""
    spoil(monkeypatch, lambda step: step in (20, 21, 22), math.inf)
    run = tmp_path / "run"
    settled = with_train(plan, steps=30, save_every_seconds=0.0)
    filbert.pretrain(world.shards, run, plan=settled)
    (back,) = [line for line in lines(run) if "to_step" in line]
    assert (back["step"], back["to_step"]) == (23, 20)
    assert [line["step"] for line in lines(run) if "reason" in line] == [21, 22, 23]
    curve = [line["loss"] for line in lines(run) if "loss" in line]
    assert len(curve) == 27
    assert np.mean(curve[-5:]) < np.mean(curve[:5])


def test_a_run_that_cannot_be_saved_stops_and_says_so(
    world: Any, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, lambda step: step >= 6, math.nan)
    settled = with_train(plan, save_every_seconds=0.0)
    with pytest.raises(FilbertError, match=r"step 12: the loss is nan, as after the last return"):
        filbert.pretrain(world.shards, tmp_path / "run", plan=settled)
    newest = RunFolder(tmp_path / "run").newest()
    assert newest is not None
    assert newest.train()["state"]["step"] == 6


def test_a_stop_between_dropped_steps_changes_nothing(
    world: Any, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard's memory is part of the state: the same steps are dropped after a resume."""
    state = TrainState(step=3, recent=(1.0, 2.5), dropped=2, returned=1)
    plain = filbert.train.state.state_mapping(state)
    assert filbert.train.state.read_state(plain, "here") == state


@given(st.lists(st.floats(0.5, 12), min_size=20, max_size=80), st.floats(1, 20))
def test_a_loss_among_the_usual_ones_is_no_spike(losses: list[float], deviations: float) -> None:
    recent: tuple[float, ...] = ()
    for loss in losses:
        recent = with_loss(recent, loss)
    assert len(recent) == min(LOSSES, len(losses))
    assert what_is_wrong(float(np.median(recent)), 1.0, recent, deviations) is None
    assert what_is_wrong(max(recent) + 1e4, 1.0, recent, deviations) is not None
    assert what_is_wrong(max(recent) + 1e4, 1.0, recent, 0.0) is None
    assert what_is_wrong(1.0, math.inf, recent, 0.0) is not None
