"""config.json of every family: what it says, what filbert cannot, and numbers beyond belief."""

import json

import pytest

from filbert.checkpoint.config import config_of, family_of, kind_of, pooling_of, shape_of
from filbert.checkpoint.families import FAMILIES
from filbert.encoder import MODERN_BASE, Shape
from filbert.errors import CheckpointError

HUB = {  # of answerdotai/ModernBERT-base, in its own words
    "architectures": ["ModernBertForMaskedLM"], "attention_bias": False, "attention_dropout": 0.0,
    "bos_token_id": 50281, "classifier_activation": "gelu", "classifier_bias": False,
    "classifier_dropout": 0.0, "classifier_pooling": "mean", "cls_token_id": 50281,
    "decoder_bias": True, "deterministic_flash_attn": False, "embedding_dropout": 0.0,
    "eos_token_id": 50282, "global_attn_every_n_layers": 3, "global_rope_theta": 160000.0,
    "gradient_checkpointing": False, "hidden_activation": "gelu", "hidden_size": 768,
    "initializer_cutoff_factor": 2.0, "initializer_range": 0.02, "intermediate_size": 1152,
    "layer_norm_eps": 1e-05, "local_attention": 128, "local_rope_theta": 10000.0,
    "max_position_embeddings": 8192, "mlp_bias": False, "mlp_dropout": 0.0,
    "model_type": "modernbert", "norm_bias": False, "norm_eps": 1e-05, "num_attention_heads": 12,
    "num_hidden_layers": 22, "pad_token_id": 50283, "position_embedding_type": "absolute",
    "sep_token_id": 50282, "tie_word_embeddings": True, "vocab_size": 50368,
}  # fmt: skip
FULL, SLIDING = "full_attention", "sliding_attention"


@pytest.mark.parametrize("name", FAMILIES)
def test_there_and_back(family_shapes, name):
    shape, family = family_shapes[name], FAMILIES[name]
    for kind in family.kinds:
        config = json.loads(json.dumps(config_of(shape, family, kind, labels=("a", "b"))))
        assert shape_of(config, "test") == shape
        assert family_of(config, "test") is family
        assert kind_of(config, "test") == kind
        del config["model_type"]
        assert family_of(config, "test") is family
        assert ("id2label" in config) == (kind in ("classify", "tag"))


def test_modernbert_in_both_forms():
    assert shape_of(HUB, "hub") == MODERN_BASE
    new = {name: value for name, value in HUB.items() if "rope" not in name and "every" not in name}
    new["layer_types"] = [FULL, SLIDING, SLIDING] * 7 + [FULL]
    new["rope_parameters"] = {
        FULL: {"rope_theta": 160000.0, "rope_type": "default"},
        SLIDING: {"rope_theta": 10000.0, "rope_type": "default"},
    }
    assert shape_of(new, "new") == MODERN_BASE
    thetas = {FULL: {"rope_theta": 7.0}, SLIDING: {"rope_theta": 5.0}}
    found = shape_of({**HUB, "rope_parameters": thetas}, "both: the newer counts")
    assert (found.theta, found.local_theta) == (7.0, 5.0)
    # As transformers 4.4x understood them.
    assert shape_of({**HUB, "local_rope_theta": None}, "").local_theta == 160000.0
    assert pooling_of(HUB, "") == "mean"
    assert pooling_of({}, "") == "first"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"global_attn_every_n_layers": 1}, (1, 0)),
        ({"layer_types": [FULL] * 22}, (1, 0)),
        ({"layer_types": [FULL, SLIDING] * 11}, (2, 64)),
        ({"layer_types": [FULL] + [SLIDING] * 21}, (22, 64)),
        ({"local_attention": 8}, (3, 4)),
        ({"num_hidden_layers": 2, "layer_types": [FULL, SLIDING]}, (3, 64)),
    ],
)
def test_which_layers_of_a_modernbert_are_global(changes, expected):
    shape = shape_of({**HUB, **changes}, "")
    assert (shape.global_every, shape.window) == expected
    again = config_of(shape, FAMILIES["modernbert"], "encoder")
    assert shape_of(again, "") == shape
    kinds = [SLIDING if shape.window_of(layer) else FULL for layer in range(shape.depth)]
    assert again["layer_types"] == changes.get("layer_types", kinds)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rope_scaling": {"type": "yarn"}}, "rope_scaling {'type': 'yarn'}"),
        (
            {"rope_parameters": {FULL: {"rope_type": "yarn", "rope_theta": 1e4}}},
            r"rope_parameters\.full_attention\.rope_type 'yarn'",
        ),
        ({"rope_parameters": {"rope_theta": 1e4}}, "rope_parameters: expected an object for full"),
        ({"rope_parameters": [1]}, "rope_parameters: expected an object for full_attention"),
        ({"rope_parameters": {FULL: 3}}, "rope_parameters: expected an object for full"),
        ({"global_rope_theta": "x"}, "global_rope_theta .*: expected a number above 1, got 'x'"),
        ({"local_rope_theta": 0.5}, "local_rope_theta .*: expected a number above 1, got 0.5"),
        ({"local_rope_theta": 1e300}, "local_rope_theta"),
        ({"layer_types": [SLIDING] * 22}, "layer_types .*knows 'full_attention' in layer 0"),
        ({"layer_types": [FULL, FULL, SLIDING] + [FULL] * 19}, "layer_types"),
        ({"layer_types": [FULL] * 21}, "layer_types: expected a list of 22 words"),
        ({"layer_types": ["chunked_attention"] * 22}, "layer_types .'chunked_attention'"),
        ({"global_attn_every_n_layers": 0}, "global_attn_every_n_layers: expected a whole number"),
        ({"local_attention": -1}, "local_attention: expected a whole number from 2"),
        ({"local_attention": 10**9}, "local_attention: expected a whole number from 2"),
        ({"max_position_embeddings": 10**9}, "max_position_embeddings: expected a whole number"),
        ({"classifier_bias": True}, "classifier_bias True: .*biases everywhere or nowhere"),
        ({"norm_bias": True}, "norm_bias True: .*attention_bias is False"),
        ({"attention_bias": 1}, "attention_bias 1"),
        ({"decoder_bias": False}, "decoder_bias False: .* knows only True"),
        ({"hidden_activation": "silu"}, "hidden_activation 'silu': .* knows only 'gelu'"),
        ({"classifier_activation": "relu"}, "classifier_activation 'relu'"),
        ({"hidden_size": 36}, "even width of an attention head"),
        ({"hidden_size": 65_472, "intermediate_size": 262_144, "num_hidden_layers": 900},
         "parameters, more than"),
    ],
)  # fmt: skip
def test_modernberts_that_filbert_cannot(changes, message):
    config = {**HUB, **changes}
    if "num_hidden_layers" in changes:
        config["global_attn_every_n_layers"] = 1
    with pytest.raises(CheckpointError, match=message) as caught:
        shape_of(config, "a/config.json")
    assert str(caught.value).startswith("a/config.json: ")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("roberta", {"pad_token_id": 99}, "pad_token_id: expected a whole number below max_pos"),
        ("roberta", {"pad_token_id": None}, "pad_token_id: .* got None"),
        ("roberta", {"pad_token_id": -1}, "pad_token_id: .* got -1"),
        ("xlm-roberta", {"max_position_embeddings": 2, "pad_token_id": 1}, "pad_token_id"),
        ("distilbert", {"activation": "relu"}, "activation 'relu': .* knows only 'gelu'"),
        ("distilbert", {"dim": 9}, "dim 9 is not a multiple of n_heads 2"),
        ("distilbert", {"n_layers": 10**9}, "n_layers: expected a whole number from 1"),
        ("distilbert", {"hidden_dim": 0}, "hidden_dim: expected a whole number from 1"),
        ("distilbert", {"vocab_size": 10**10}, "vocab_size: expected a whole number from 1"),
        ("distilbert", {"dropout": 1}, "dropout: expected 0 to less than 1"),
        ("modernbert", {"classifier_pooling": "max"}, "classifier_pooling 'max': expected one of"),
    ],
)
def test_other_families_that_filbert_cannot(family_shapes, name, changes, message):
    config = {**config_of(family_shapes[name], FAMILIES[name], "encoder"), **changes}
    read = pooling_of if "classifier_pooling" in changes else shape_of
    with pytest.raises(CheckpointError, match=message):
        read(config, "here")


def test_the_first_place_of_roberta_follows_from_pad():
    config = {"model_type": "roberta", "vocab_size": 10, "hidden_size": 8, "num_hidden_layers": 1,
              "num_attention_heads": 2, "intermediate_size": 4}  # fmt: skip
    for pad, first in ((1, 2), (0, 1), (..., 2)):
        changes = {"max_position_embeddings": 514} | ({} if pad is ... else {"pad_token_id": pad})
        shape = shape_of({**config, **changes}, "")
        assert (shape.positions_offset, shape.max_positions) == (first, 514 - first)


def test_a_pooling_that_the_family_cannot_say(family_shapes):
    modern = config_of(
        family_shapes["modernbert"], FAMILIES["modernbert"], "classify", pooling="mean"
    )
    assert modern["classifier_pooling"] == "mean"
    with pytest.raises(CheckpointError, match="bert has no form on disk for a classifier that rea"):
        config_of(family_shapes["bert"], FAMILIES["bert"], "classify", pooling="mean")


def test_a_modernbert_with_biases_everywhere():
    biased = {name: True for name in HUB if name.endswith("_bias")}
    shape = shape_of({**HUB, **biased}, "")
    assert shape == Shape(**{**vars(MODERN_BASE), "bias": True})
    assert shape_of(config_of(shape, FAMILIES["modernbert"], "tag"), "") == shape
