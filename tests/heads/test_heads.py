"""Heads: what each shape puts in them, and their losses beside the formula by hand."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from filbert.batch import Row, pack
from filbert.encoder import MODERN_BASE, Encoder, PackedTensors, Shape, to_tensors
from filbert.errors import SettingsError
from filbert.heads import (
    ClassifyHead,
    EmbedHead,
    Head,
    Model,
    PretrainHead,
    SpanHead,
    TagHead,
    build_model,
)
from filbert.tasks import Classify, Embed, Pretrain

TINY = Shape(2, 8, 2, 12, 30, 16)
MODERN = dataclasses.replace(
    MODERN_BASE, depth=2, width=8, attention_heads=2, mlp_width=12, vocab=30, max_positions=16
)
LENGTHS = [5, 1, 9]


def packed_of(shape: Shape, **targets: object) -> PackedTensors:
    rows = [Row(np.arange(n, dtype=np.int32), np.zeros(n, np.uint8)) for n in LENGTHS]
    return to_tensors(
        pack(rows, {name: np.array(v, np.int32) for name, v in targets.items()}), shape
    )


def test_norms_and_biases_follow_the_shape() -> None:
    heads: list[tuple[Head, set[str], set[str]]] = [
        (
            ClassifyHead(TINY, 3),
            {"pooler.weight", "pooler.bias", "output.weight", "output.bias"},
            {"pooler.weight", "pooler_norm.weight", "output.weight", "output.bias"},
        ),
        (
            TagHead(TINY, 3),
            {"output.weight", "output.bias"},
            {"pooler.weight", "pooler_norm.weight", "output.weight", "output.bias"},
        ),
        (
            SpanHead(TINY),
            {"span.weight", "span.bias"},
            {"pooler.weight", "pooler_norm.weight", "span.weight", "span.bias"},
        ),
        (
            PretrainHead(TINY, torch.nn.Embedding(30, 8)),
            {"transform.weight", "transform.bias", "norm.weight", "norm.bias", "bias"},
            {"transform.weight", "norm.weight", "bias"},
        ),
    ]
    modern = [
        ClassifyHead(MODERN, 3),
        TagHead(MODERN, 3),
        SpanHead(MODERN),
        PretrainHead(MODERN, torch.nn.Embedding(30, 8)),
    ]
    for (classic, its_names, modern_names), other in zip(heads, modern, strict=True):
        assert set(classic.state_dict()) == its_names
        assert set(other.state_dict()) == modern_names
        assert all(not p.any() for n, p in classic.named_parameters() if n.endswith("bias"))


def test_build_takes_what_the_task_says() -> None:
    encoder = Encoder(MODERN)
    head = build_model(encoder, Classify(labels=("a", "b", "c"), pooling="mean")).head
    assert isinstance(head, ClassifyHead)
    assert (head.output.out_features, head.pooling) == (3, "mean")
    assert TagHead.build(encoder, Classify(labels=("a", "b"))).output.out_features == 2
    assert SpanHead.build(encoder, Embed()).span.out_features == 2
    with pytest.raises(SettingsError, match="tagging needs a task with labels; pretrain has none"):
        TagHead.build(encoder, Pretrain())


@pytest.mark.parametrize("shape", [TINY, MODERN])
def test_the_loss_of_tags_leaves_out_tokens_without_a_label(shape: Shape) -> None:
    torch.manual_seed(0)
    model = Model(Encoder(shape), TagHead(shape, 4)).eval()
    labels = [-100, 1, 2, 3, -100, -100, 0, -100, 1, 1, -100, 2, 2, 3, -100]
    packed = packed_of(shape, labels=labels)
    loss = model.loss(packed)
    asked = [place for place, label in enumerate(labels) if label >= 0]
    chances = model(packed)["logits"].log_softmax(-1)
    wanted = -sum(chances[place, labels[place]] for place in asked)
    term = loss.terms["labels"]
    assert term.count == len(asked) == 9
    assert abs(float((term.total - wanted).detach())) <= 1e-5


@pytest.mark.parametrize("shape", [TINY, MODERN])
def test_the_loss_of_spans_is_within_each_sequence(shape: Shape) -> None:
    torch.manual_seed(0)
    model = Model(Encoder(shape), SpanHead(shape)).eval()
    packed = packed_of(shape, span=[[1, 4], [0, 0], [8, 8]])
    loss = model.loss(packed)
    parts = model(packed)["logits"].split(LENGTHS)
    wanted = sum(
        functional.cross_entropy(part[:, side][None], torch.tensor([place]), reduction="sum") / 2
        for part, places in zip(parts, [(1, 4), (0, 0), (8, 8)], strict=True)
        for side, place in enumerate(places)
    )
    term = loss.terms["spans"]
    assert term.count == 3
    assert abs(float((term.total - wanted).detach())) <= 1e-5
    term.total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.head.parameters())


@pytest.mark.parametrize("first_pooled", [None, [0, 0, 0], [2, 0, 8]])
def test_pooling_of_each_sequence(first_pooled: list[int] | None) -> None:
    torch.manual_seed(0)
    hidden = torch.randn(sum(LENGTHS), 8)
    packed = packed_of(TINY, **({"first_pooled": first_pooled} if first_pooled else {}))
    parts = [
        part[first:]
        for part, first in zip(hidden.split(LENGTHS), first_pooled or [0, 0, 0], strict=True)
    ]
    for pooling, wanted in (
        ("first", [part[0] for part in parts]),
        ("mean", [part.mean(0) for part in parts]),
        ("max", [part.amax(0) for part in parts]),
    ):
        vectors = EmbedHead(pooling)(hidden, packed)["vectors"]
        assert (vectors - torch.stack(wanted)).abs().max() <= 1e-6
