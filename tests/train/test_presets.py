"""Every preset builds, has a form on disk, and is as large as what was published."""

import dataclasses

import pytest
import torch

from filbert.checkpoint.config import config_of, family_for, shape_of
from filbert.encoder import BERT_BASE, MODERN_BASE, Encoder, Shape, undrawn
from filbert.errors import SettingsError
from filbert.heads import build_model
from filbert.tasks import Pretrain
from filbert.train import PRESETS, Size, chosen_plan, load_plan, make_plan

ENGLISH = 30522  # tokens of bert-base-uncased and of Google's miniatures
MODERN = 50368  # of ModernBERT and Ettin
PUBLISHED = {
    # With pooler and without heads, as transformers' BertModel counts them.
    "bert-tiny": (ENGLISH, 4_385_920),
    "bert-mini": (ENGLISH, 11_170_560),
    "bert-small": (ENGLISH, 28_763_648),
    "bert-medium": (ENGLISH, 41_373_184),
    "bert-base": (ENGLISH, 109_482_240),
    "bert-large": (ENGLISH, 335_141_888),
    # There is no pooler.
    "modern-base": (MODERN, 149_014_272),
}
MILLIONS = {
    # With the heads of pre-training: google-research/bert's README and the models' cards.
    "bert-tiny": 4.4,
    "bert-mini": 11.3,
    "bert-small": 29.1,
    "bert-medium": 41.7,
    "bert-base": 110.1,
    "modern-base": 149.7,
}


def shape_named(name: str, vocab: int) -> Shape:
    return make_plan({"preset": name}).shape.shape(vocab)


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_builds_and_has_a_form_on_disk(name: str) -> None:
    shape = shape_named(name, 1000)
    with undrawn():
        encoder = Encoder(shape)
    assert {parameter.device.type for parameter in encoder.parameters()} == {"meta"}
    family = family_for(shape, name)
    config = config_of(shape, family, "masked")
    assert shape_of(config, name) == shape
    assert family.model_type == ("bert" if name.startswith("bert-") else "modernbert")


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_preset_is_as_large_as_the_model_that_it_is_named_after(name: str) -> None:
    vocab, published = PUBLISHED[name]
    shape = shape_named(name, vocab)
    with undrawn():
        encoder = Encoder(shape)
    pooler = (shape.width + 1) * shape.width if name.startswith("bert-") else 0
    assert parameters(encoder) + pooler == published


@pytest.mark.parametrize("name", MILLIONS)
def test_with_its_head_too(name: str) -> None:
    modern = not name.startswith("bert-")
    shape = shape_named(name, MODERN if modern else ENGLISH)
    with undrawn():
        model = build_model(Encoder(shape), Pretrain())
    pairs = 0 if modern else (shape.width + 1) * (shape.width + 2)  # pooler and next sentence
    assert round((parameters(model) + pairs) / 1e6, 1) == MILLIONS[name]


def test_modern_small_has_the_32_million_of_ettins() -> None:
    with undrawn():
        encoder = Encoder(shape_named("modern-small", MODERN))
    assert round(parameters(encoder) / 1e6, 1) == 31.9


def test_the_named_ones_are_the_shapes_of_the_encoder() -> None:
    assert shape_named("bert-base", ENGLISH) == BERT_BASE
    assert shape_named("modern-base", MODERN) == MODERN_BASE
    for name, other in (
        ("bert-tiny", "bert-2x128"),
        ("bert-mini", "bert-4x256"),
        ("bert-small", "bert-4x512"),
        ("bert-medium", "bert-8x512"),
        ("bert-base", "bert-12x768"),
    ):
        assert PRESETS[name] == PRESETS[other]


def test_cramming_has_the_papers_120_million() -> None:
    shape = shape_named("cramming", 32768)
    with undrawn():
        encoder = Encoder(shape)
    assert round(parameters(encoder) / 1e6) in (119, 120)
    assert (shape.depth, shape.width, 2 * shape.mlp_width) == (16, 768, 3072)


def test_a_size_says_all_that_a_shape_says_but_the_vocabulary() -> None:
    size = {field.name: field for field in dataclasses.fields(Size)}
    shape = {field.name: field for field in dataclasses.fields(Shape)}
    assert size.keys() == shape.keys() - {"vocab"}
    for name, field in size.items():
        if shape[name].default is not dataclasses.MISSING:
            assert field.default == shape[name].default, name
    assert Size().shape(ENGLISH) == BERT_BASE


def test_a_recipe_may_say_a_modern_shape_field_by_field() -> None:
    plan = make_plan({"preset": "modern-small", "shape": {"window": 32, "theta": 50000.0}})
    assert plan.shape.shape(10).window == 32
    assert plan.shape.shape(10).theta == 50_000
    assert plan.shape.shape(10).positions == "rotary"


def test_a_preset_that_is_set_takes_the_place_of_the_recipes() -> None:
    own = load_plan("quickstart")
    tiny = chosen_plan("quickstart", ["preset=bert-tiny", "shape.depth=3", "train.steps=5"])
    assert (own.shape.depth, own.shape.width) == (4, 256)
    assert (tiny.preset, tiny.shape.depth, tiny.shape.width) == ("bert-tiny", 3, 128)
    assert tiny.shape.max_positions == own.shape.max_positions == 128, "the recipe's own stays"
    assert tiny.train.peak_lr == own.train.peak_lr
    with pytest.raises(SettingsError, match=r"preset 'bert-tin' is unknown; did you mean"):
        chosen_plan("quickstart", ["preset=bert-tin"])
    with pytest.raises(SettingsError, match=r"preset=bert-tiny: this plan has its sizes already"):
        chosen_plan(own, ["preset=bert-tiny"])
