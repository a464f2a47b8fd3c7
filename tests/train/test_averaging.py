"""Averages of weights: the right mean, put in and taken out again, resumed to the bit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from filbert.checkpoint import read_tensors
from filbert.checkpoint.tensors import write_tensors
from filbert.encoder import Encoder, Shape
from filbert.errors import CheckpointError
from filbert.heads import Model, PretrainHead
from filbert.train import Training
from filbert.train.averaging import Averages

EMA = Training(steps=10, average="ema", average_decay=0.8)
LAST = Training(steps=10, average="last", average_count=3, average_every_steps=2)
KINDS = {"ema": EMA, "last": LAST}


def make_model() -> Model:
    torch.manual_seed(2)
    shape = Shape(vocab=30, depth=1, width=8, attention_heads=2, mlp_width=12, max_positions=8)
    encoder = Encoder(shape)
    model = Model(encoder, PretrainHead(shape, encoder.embeddings.tokens))
    model.register_buffer("counted", torch.zeros(3))
    return model


def move(model: nn.Module, step: int) -> None:
    """Weights as a step leaves them: other ones."""
    random = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=random))
        for buffer in model.buffers():
            buffer.add_(1)


def walk(model: Model, averages: Averages, first: int, last: int) -> list[dict[str, np.ndarray]]:
    """The weights after steps first to last, this one not included."""
    seen = []
    for step in range(first, last):
        move(model, step)
        averages.update(model, step)
        seen.append(state(model))
    return seen


def state(model: nn.Module) -> dict[str, np.ndarray]:
    return {n: p.detach().numpy().copy() for n, p in model.named_parameters()}


def used(model: Model, averages: Averages) -> dict[str, np.ndarray]:
    with averages.used(model):
        return state(model)


def assert_equal(mine: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert mine.keys() == other.keys()
    for name in mine:
        assert np.array_equal(mine[name], other[name]), name


@given(decay=st.floats(0, 0.999), steps=st.integers(0, 30))
@settings(deadline=None, max_examples=20)
def test_ema_is_the_running_mean_with_its_own_warm_up(decay: float, steps: int) -> None:
    model = make_model()
    mean = {name: array.astype(np.float64) for name, array in state(model).items()}
    averages = Averages(model, replace(EMA, average_decay=decay))
    for step, weights in enumerate(walk(model, averages, 1, steps + 1), 1):
        d = min(decay, (1 + step) / (10 + step))
        mean = {name: d * mean[name] + (1 - d) * weights[name] for name in mean}
    found = used(model, averages)
    for name in mean:
        assert np.allclose(found[name], mean[name], rtol=1e-5, atol=1e-5), name


@given(count=st.integers(1, 4), every=st.integers(1, 4), steps=st.integers(0, 13))
@settings(deadline=None, max_examples=30)
def test_last_is_the_mean_of_the_last_snapshots(count: int, every: int, steps: int) -> None:
    model = make_model()
    averages = Averages(model, replace(LAST, average_count=count, average_every_steps=every))
    seen = walk(model, averages, 1, steps + 1)
    taken = [weights for step, weights in enumerate(seen, 1) if step % every == 0][-count:]
    found = used(model, averages)
    if not taken:
        assert_equal(found, state(model))
    for name in found if taken else ():
        mean = np.mean([weights[name].astype(np.float64) for weights in taken], axis=0)
        assert np.allclose(found[name], mean, rtol=1e-5, atol=1e-5), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fails", [False, True])
def test_the_models_own_weights_come_back_to_the_bit(kind: str, fails: bool) -> None:
    model = make_model()
    averages = Averages(model, KINDS[kind])
    walk(model, averages, 1, 8)
    before, buffer = state(model), dict(model.named_buffers())["counted"].clone()
    places = [p.data_ptr() for p in model.parameters()]
    kept = {name: array.copy() for name, array in averages.tensors().items()}
    try:
        with averages.used(model):
            inside = state(model)
            assert torch.equal(dict(model.named_buffers())["counted"], buffer)
            if fails:
                raise KeyError("an evaluation that fails")
    except KeyError:
        assert fails
    assert any(not np.array_equal(inside[name], before[name]) for name in before)
    assert_equal(state(model), before)
    assert [p.data_ptr() for p in model.parameters()] == places
    assert_equal(averages.tensors(), kept)


@pytest.mark.parametrize("stop", [1, 2, 5, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_average_goes_on_bit_for_bit(kind: str, stop: int, tmp_path: Path) -> None:
    whole = make_model()
    all_the_way = Averages(whole, KINDS[kind])
    walk(whole, all_the_way, 1, 12)

    stopped = make_model()
    first = Averages(stopped, KINDS[kind])
    walk(stopped, first, 1, stop + 1)
    write_tensors(tmp_path / "a.safetensors", first.tensors())

    resumed = make_model()
    resumed.load_state_dict(stopped.state_dict())
    averages = Averages(resumed, KINDS[kind])
    averages.load(read_tensors(tmp_path / "a.safetensors"), "here")
    assert_equal(used(resumed, averages), used(stopped, first))
    walk(resumed, averages, stop + 1, 12)
    assert_equal(averages.tensors(), all_the_way.tensors())
    assert_equal(used(resumed, averages), used(whole, all_the_way))


@pytest.mark.parametrize("kind", KINDS)
def test_each_weight_is_kept_once_and_in_float32(kind: str) -> None:
    """The tied decoder is the embedding; frozen weights are their own average."""
    model = make_model().bfloat16()
    model.encoder.embeddings.positions.requires_grad_(False)
    averages = Averages(model, KINDS[kind])
    averages.update(model, 2)
    arrays = averages.tensors()
    learning = [n for n, p in model.named_parameters() if p.requires_grad]
    label = "ema" if kind == "ema" else "00000002"
    assert sorted(arrays) == sorted(f"{label}/{name}" for name in learning)
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}


def test_small_changes_are_not_lost_to_a_short_float() -> None:
    """In bfloat16 a thousandth of a step would vanish in each sum."""
    model = nn.Linear(1, 1, bias=False).bfloat16()
    nn.init.ones_(model.weight)
    averages = Averages(model, replace(EMA, average_decay=0.999))
    with torch.no_grad():
        model.weight.fill_(2.0)
    for step in range(20_000, 20_700):
        averages.update(model, step)
    assert averages.tensors()["ema/weight"].item() == pytest.approx(2 - 0.999**700, rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_from_nothing_it_begins_with_the_model_as_it_is(kind: str) -> None:
    model = make_model()
    averages = Averages(model, KINDS[kind])
    walk(model, averages, 1, 6)
    averages.load({}, "here")
    assert_equal(used(model, averages), state(model))


def test_fewer_snapshots_are_asked_for_than_were_kept() -> None:
    model = make_model()
    averages = Averages(model, LAST)
    seen = walk(model, averages, 1, 8)
    fewer = Averages(model, replace(LAST, average_count=1))
    fewer.load(averages.tensors(), "here")
    assert_equal(used(model, fewer), seen[5])


@pytest.mark.parametrize(
    ("kind", "changed", "words"),
    [
        ("ema", {"00000004/head.bias": np.zeros(30, np.float32)}, r"00000004/head\.bias"),
        ("last", {"ema/head.bias": np.zeros(30, np.float32)}, r"ema/head\.bias"),
        ("ema", {"ema/head.nobody": np.zeros(30, np.float32)}, r"ema/head\.nobody"),
        ("ema", {"ema/head.bias": np.zeros(31, np.float32)}, r"ema/head\.bias.*\(31,\)"),
        ("last", {"00000006/head.bias": None}, r"00000006/head\.bias is missing"),
    ],
)
def test_what_belongs_to_another_model_or_kind_is_refused_by_name(
    kind: str, changed: dict[str, Any], words: str
) -> None:
    model = make_model()
    averages = Averages(model, KINDS[kind])
    walk(model, averages, 1, 8)
    good = {name: array.copy() for name, array in averages.tensors().items()}
    bad = {name: array for name, array in (good | changed).items() if array is not None}
    with pytest.raises(CheckpointError, match=words) as caught:
        averages.load(bad, "some/file")
    assert str(caught.value).startswith("some/file: ")
    assert_equal(averages.tensors(), good)
