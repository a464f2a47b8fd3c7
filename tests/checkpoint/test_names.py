"""The tables of names, read both ways."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from filbert.checkpoint.config import family_for
from filbert.checkpoint.families import BERT, FAMILIES, KIND_OF, LABELLED, SUFFIXES, TASK_OF
from filbert.checkpoint.rename import AXES, expected_tensors, match, parts_there, to_theirs
from filbert.encoder import Shape
from filbert.errors import CheckpointError
from filbert.tasks import TASKS


@pytest.mark.parametrize("name", FAMILIES)
def test_no_name_stands_twice(name):
    family = FAMILIES[name]
    for kind in family.kinds.values():
        tables = [family.encoder, *(family.parts[part] for part in (*kind.parts, *kind.optional))]
        theirs = [name for table in tables for _, names in table for name in names]
        ours = [name for table in tables for name, _ in table]
        assert len(set(theirs)) == len(theirs)
        assert len(set(ours)) == len(ours)
    for table in (family.encoder, *family.parts.values()):
        assert {name for name, _ in table if name in AXES or "norm" in name or "bias" in name} == {
            name for name, _ in table
        }


def test_each_task_has_a_form_on_disk_and_each_kind_a_class():
    assert set(KIND_OF) == set(TASKS)
    ours = {task: kind for task, kind in KIND_OF.items() if kind != "classify"}
    assert all(TASK_OF[kind] == task for task, kind in ours.items())
    assert {task for task, kind in KIND_OF.items() if kind == "classify"} == {
        "classify",
        "regress",
        "rerank",
    }
    for family in FAMILIES.values():
        assert {"encoder", "masked", "classify", "tag", "span"} <= set(family.kinds)
        assert set(family.kinds) <= set(SUFFIXES)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_shape_says_the_family(family_shapes, name):
    expected = "roberta" if name == "xlm-roberta" else name
    assert family_for(family_shapes[name], "here").model_type == expected
    assert family_for(family_shapes[name], "here", name).model_type == name


def test_a_shape_that_no_family_has(family_shapes):
    odd = Shape(2, 8, 2, 12, vocab=10, segments=0)
    with pytest.raises(
        CheckpointError, match="here: no family of transformers can have this shape"
    ):
        family_for(odd, "here")
    with pytest.raises(CheckpointError, match="here: roberta cannot have this shape"):
        family_for(family_shapes["bert"], "here", "roberta")
    with pytest.raises(CheckpointError, match=r"family 'robert': expected one of .*did you mean"):
        family_for(odd, "here", "robert")


@settings(max_examples=60, deadline=None)
@given(
    name=some.sampled_from(sorted(FAMILIES)),
    kind=some.sampled_from(sorted(SUFFIXES)),
    depth=some.integers(1, 4),
    heads=some.integers(1, 3),
    head_width=some.sampled_from([2, 4]),
    mlp_width=some.integers(1, 9),
    vocab=some.integers(1, 12),
    labels=some.integers(2, 4),
    more=some.booleans(),
)
def test_there_and_back_is_bit_equal(
    family_shapes, name, kind, depth, heads, head_width, mlp_width, vocab, labels, more
):
    family = FAMILIES[name]
    if kind not in family.kinds:
        return
    sizes = {"depth": depth, "width": heads * head_width, "attention_heads": heads}
    old = vars(family_shapes[name])
    shape = Shape(**{**old, **sizes, "mlp_width": mlp_width, "vocab": vocab, "max_positions": 6})
    row, random = family.kinds[kind], np.random.default_rng(depth)
    count = labels if kind in LABELLED else 0
    parts = ("encoder", *row.parts, *(row.optional if more else ()))
    ours = {
        tensor.ours: random.normal(size=tensor.sizes).astype(np.float32)
        for part in parts
        for tensor in expected_tensors(part, family, shape, count, prefixed=False)
    }
    theirs = to_theirs(ours, shape, family, kind, count, "test")
    found = match(
        {name: value.shape for name, value in theirs.items()},
        shape,
        family,
        required=row.parts,
        labels=count,
        where="test",
    )
    back = {
        name: np.concatenate([theirs[source] for source in sources])
        for name, sources in found.of((*row.parts, *row.optional)).items()
    }
    assert set(back) == set(ours)
    assert all(np.array_equal(back[name], ours[name]) for name in ours)


def test_query_key_and_value_are_stacked_in_this_order(shape, arrays, tasks):
    ours = arrays(shape, tasks["embed"])
    theirs = to_theirs(ours, shape, BERT, "encoder", 0, "test")
    stem = "encoder.layer.1.attention.self"
    qkv = ours["encoder.blocks.1.qkv.weight"]
    for i, name in enumerate(("query", "key", "value")):
        np.testing.assert_array_equal(theirs[f"{stem}.{name}.weight"], qkv[8 * i : 8 * i + 8])


def test_saving_refuses_wrong_tensors(shape, arrays, tasks):
    ours = arrays(shape, tasks["classify"])

    def save():
        return to_theirs(ours, shape, BERT, "classify", 3, "here")

    value = ours.pop("head.pooler.bias")
    with pytest.raises(CheckpointError, match=r"missing: 'head\.pooler\.bias'"):
        save()
    ours["head.pooler.biass"] = value
    with pytest.raises(CheckpointError, match=r"unexpected: 'head\.pooler\.biass'; did you mean"):
        save()
    del ours["head.pooler.biass"]
    ours["head.pooler.bias"] = value[:-1]
    with pytest.raises(CheckpointError, match=r"'head\.pooler\.bias': expected the sizes 8 .* 7"):
        save()
    ours["head.pooler.bias"] = value.astype(np.int32)
    with pytest.raises(CheckpointError, match="expected floats, got int32"):
        save()


def test_parts_that_a_kind_has_no_use_for_are_kept_where_asked():
    names = ["head.pooler.weight", "head.bias", "head.next_sentence.weight", "head.span.weight"]
    assert parts_there(BERT, "masked", names, every=False) == ["words", "pooler", "next_sentence"]
    assert parts_there(BERT, "span", names, every=True) == [
        "span", "pooler", "words", "next_sentence"]  # fmt: skip
    # In ModernBERT one stored layer is both: it is not written twice.
    modern = FAMILIES["modernbert"]
    names = ["head.transform.weight", "head.bias", "head.pooler.weight"]
    assert parts_there(modern, "masked", names, every=True) == ["transform", "words"]
