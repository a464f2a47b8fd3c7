"""The formulas of docs/many-gpus.md, as benchmarks/scaling_model.py has them."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from filbert.encoder import Encoder, Shape
from filbert.heads import PretrainHead
from filbert.train import PRESETS

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "scaling_model.py"


def load() -> Any:
    spec = importlib.util.spec_from_file_location("scaling_model", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for their annotations
    spec.loader.exec_module(module)
    return module


model = load()


def shape(name: str) -> Shape:
    return Shape(vocab=model.VOCAB, **PRESETS[name]["shape"])


@pytest.mark.parametrize("name", ["bert-mini", "bert-base", "bert-large"])
def test_the_weights_are_those_of_the_network(name: str) -> None:
    """Counted in the real network, which on torch's meta device takes no memory."""
    with torch.device("meta"):
        encoder = Encoder(shape(name))
        head = PretrainHead(shape(name), encoder.embeddings.tokens)
    weights = sum(p.numel() for p in [*encoder.parameters(), *head.parameters()])
    assert model.total_bytes(model.gradient_pieces(shape(name))) == 4 * weights


def test_bert_base_has_438_megabytes_of_gradients() -> None:
    assert model.total_bytes(model.gradient_pieces(shape("bert-base"))) == 4 * 109_514_298


@given(ranks=st.integers(2, 12), values=st.integers(1, 5))
def test_a_ring_sends_what_the_formula_says(ranks: int, values: int) -> None:
    """Both rounds of a ring, walked through; each chunk holds `values` numbers."""
    chunks = [[rank + 10 * chunk for chunk in range(ranks)] for rank in range(ranks)]
    want = [sum(column) for column in zip(*chunks, strict=True)]
    sent = 0
    for turn in range(2 * (ranks - 1)):
        adding = turn < ranks - 1
        moved = [(rank, (rank - turn) % ranks) for rank in range(ranks)]
        moving = [chunks[rank][chunk] for rank, chunk in moved]
        for (rank, chunk), value in zip(moved, moving, strict=True):
            there = chunks[(rank + 1) % ranks]
            there[chunk] = there[chunk] + value if adding else value
        sent += values
    assert all(held == want for held in chunks)
    assert model.ring_bytes(ranks, ranks * values) == pytest.approx(sent)


@pytest.mark.parametrize("wires", model.NETWORKS, ids=lambda wires: wires.name)
def test_a_node_needs_no_network_and_nodes_need_it_once(wires: Any) -> None:
    slower = replace(wires, between_bytes=wires.between_bytes / 2)
    reduce = model.all_reduce_seconds
    assert reduce(wires, 1, 1e9) == 0
    assert reduce(wires, 8, 1e9) == reduce(slower, 8, 1e9)
    # 64 GPUs are 8 nodes: half of the bandwidth costs the nodes' ring once more.
    ring = 2 * 7 / 8 * 1e9 / (0.8 * wires.between_bytes)
    assert reduce(slower, 64, 1e9) - reduce(wires, 64, 1e9) == pytest.approx(ring)


@given(backward=st.floats(0, 10), wire=st.floats(1e-3, 10))
def test_what_is_waited_for_lies_between_the_last_piece_and_all(
    backward: float, wire: float
) -> None:
    pieces = model.gradient_pieces(shape("bert-base"))
    size = model.total_bytes(pieces)
    waits = model.waited(pieces, backward, lambda part: wire * part / size)
    last = wire * pieces[-1].bytes / size
    assert max(last, wire - backward) - 1e-9 <= waits <= wire + 1e-9


def test_without_a_backward_to_hide_in_all_is_waited_for() -> None:
    pieces = [model.Piece(0.0, 1), model.Piece(0.5, 2), model.Piece(1.0, 1)]
    assert model.waited(pieces, 0.0, float) == 4.0
    # Ready at 0, 5 and 10; gone at 1, 7 and 11.
    assert model.waited(pieces, 10.0, float) == 1.0
    # Ready at 0, 1 and 2; gone at 1, 3 and 4.
    assert model.waited(pieces, 2.0, float) == 2.0


@given(
    ranks=st.sampled_from([2, 8, 64, 512]),
    tokens=st.integers(1024, 2**17),
    rate=st.floats(1e4, 2e6),
    wires=st.sampled_from(model.NETWORKS),
)
def test_what_helps_helps(ranks: int, tokens: int, rate: float, wires: Any) -> None:
    pieces = model.gradient_pieces(shape("bert-base"))
    case = model.Case(ranks, tokens, rate, hop_seconds=30e-6)
    found = case.efficiency(wires, pieces)
    assert 0 < replace(case, overlap=False).efficiency(wires, pieces) <= found < 1
    assert found < replace(case, accumulation=4).efficiency(wires, pieces)
    assert found < replace(case, tokens=2 * tokens).efficiency(wires, pieces)
    assert found < replace(case, hop_seconds=0.0).efficiency(wires, pieces)
    assert found >= replace(case, rate=2 * rate).efficiency(wires, pieces)


def test_agreements_grow_with_the_ranks() -> None:
    assert model.agreement_seconds(1, 30e-6) == 0
    assert model.agreement_seconds(2, 30e-6) == pytest.approx(4 * (2 * 30e-6 + 5e-6))
    assert model.agreement_seconds(512, 30e-6) == pytest.approx(4 * (10 * 30e-6 + 511 * 5e-6))
