"""The table of names, read both ways."""

import numpy as np
import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as some

from filbert.checkpoint.names import ARCHITECTURES, AXES, ENCODER, PARTS, PREFIX, SAVED_AS
from filbert.checkpoint.rename import expected_tensors, match, to_theirs
from filbert.encoder import Shape
from filbert.errors import CheckpointError
from filbert.tasks import TASKS


def tables():
    return [ENCODER, *PARTS.values()]


def test_no_name_stands_twice():
    theirs = [name for table in tables() for _, names in table for name in names]
    ours = [name for table in tables() for name, _ in table]
    assert len(set(theirs)) == len(theirs)
    assert len(set(ours)) == len(ours)
    assert set(AXES) <= set(ours)


def test_each_task_has_a_form_on_disk():
    assert set(SAVED_AS) == set(TASKS)
    assert all(ARCHITECTURES[name].task == task for task, name in SAVED_AS.items())


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (transformers.BertModel, ("pooler",)),
        (transformers.BertForMaskedLM, ("words",)),
        (transformers.BertForPreTraining, ("pooler", "words", "next_sentence")),
        (transformers.BertForSequenceClassification, ("pooler", "labels")),
        (transformers.BertForTokenClassification, ("labels",)),
        (transformers.BertForQuestionAnswering, ("span",)),
    ],
)
def test_every_tensor_of_transformers_has_its_row(kind, parts):
    """By true names and sizes, on torch's meta device."""
    import torch

    labels = 2 if "span" in parts else 5
    config = transformers.BertConfig(num_hidden_layers=3, num_labels=labels)
    with torch.device("meta"):
        state = kind(config).state_dict()
    shape = Shape(3, 768, 12, 3072, 30522)
    prefix = "" if kind is transformers.BertModel else PREFIX
    expected = {
        name: tensor.their_sizes
        for part in ("encoder", *parts)
        for tensor in expected_tensors(part, shape, labels, prefix)
        for name in tensor.theirs
    }
    there = {name: tuple(value.shape) for name, value in state.items()}
    decoder = {name for name in there if name.startswith("cls.predictions.decoder.")}
    assert {name: sizes for name, sizes in there.items() if name not in decoder} == expected
    found = match(there, shape, required=parts, labels=labels, where="test")
    assert found.parts == set(parts)
    assert {left for left, _ in found.copies} == decoder


@settings(max_examples=30, deadline=None)
@given(
    depth=some.integers(1, 4),
    heads=some.integers(1, 3),
    head_width=some.integers(1, 4),
    mlp_width=some.integers(1, 9),
    vocab=some.integers(1, 12),
    labels=some.integers(2, 4),
    architecture=some.sampled_from(sorted(SAVED_AS.values())),
)
def test_there_and_back_is_bit_equal(
    depth, heads, head_width, mlp_width, vocab, labels, architecture
):
    shape = Shape(depth, heads * head_width, heads, mlp_width, vocab, max_positions=6)
    row = ARCHITECTURES[architecture]
    random = np.random.default_rng(depth)
    ours = {
        tensor.ours: random.normal(size=tensor.sizes).astype(np.float32)
        for part in ("encoder", *row.parts)
        for tensor in expected_tensors(part, shape, labels, row.prefix)
    }
    theirs = to_theirs(ours, shape, architecture, labels, "test")
    sizes = {name: value.shape for name, value in theirs.items()}
    found = match(sizes, shape, required=row.parts, labels=labels, where="test")
    back = {
        name: np.concatenate([theirs[source] for source in sources])
        for name, sources in found.sources.items()
    }
    assert set(back) == set(ours)
    assert all(np.array_equal(back[name], ours[name]) for name in ours)


def test_query_key_and_value_are_stacked_in_this_order(shape, arrays, tasks):
    ours = arrays(shape, tasks["embed"])
    theirs = to_theirs(ours, shape, "BertModel", 0, "test")
    stem = "encoder.layer.1.attention.self"
    qkv = ours["encoder.blocks.1.qkv.weight"]
    for i, name in enumerate(("query", "key", "value")):
        np.testing.assert_array_equal(theirs[f"{stem}.{name}.weight"], qkv[8 * i : 8 * i + 8])


def test_saving_refuses_wrong_tensors(shape, arrays, tasks):
    ours = arrays(shape, tasks["classify"])
    kind = "BertForSequenceClassification"
    value = ours.pop("head.pooler.bias")
    with pytest.raises(CheckpointError, match=r"missing: 'head\.pooler\.bias'"):
        to_theirs(ours, shape, kind, 3, "here")
    ours["head.pooler.biass"] = value
    with pytest.raises(CheckpointError, match=r"unexpected: 'head\.pooler\.biass'; did you mean"):
        to_theirs(ours, shape, kind, 3, "here")
    del ours["head.pooler.biass"]
    ours["head.pooler.bias"] = value[:-1]
    with pytest.raises(CheckpointError, match=r"'head\.pooler\.bias': expected the sizes 8 .* 7"):
        to_theirs(ours, shape, kind, 3, "here")
    ours["head.pooler.bias"] = value.astype(np.int32)
    with pytest.raises(CheckpointError, match="expected floats, got int32"):
        to_theirs(ours, shape, kind, 3, "here")
