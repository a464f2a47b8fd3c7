"""ModernBERT (Warner et al. 2024): rotary, norms before, gated, no biases, local windows.

Its config.json has two forms: the hub's, with global_rope_theta, local_rope_theta and
global_attn_every_n_layers, and that of transformers 5, with rope_parameters and layer_types. Both
are read, and both are written, so that either opens what we write.
"""

from collections.abc import Mapping
from typing import Any

from filbert.checkpoint.families.family import COMMON_FIXED, CRF, Family, Fields, Kind, Whole, both
from filbert.encoder.shape import Shape
from filbert.errors import CheckpointError

GLOBAL, LOCAL = "full_attention", "sliding_attention"
THETAS: tuple[tuple[str, str, str, float], ...] = (
    ("theta", "global_rope_theta", GLOBAL, 160_000.0),
    ("local_theta", "local_rope_theta", LOCAL, 10_000.0),
)
"""Our field; theirs on the hub; their word for the layers; what an absent one means."""

BIASES = ("attention_bias", "mlp_bias", "norm_bias", "classifier_bias")
LOCAL_ATTENTION = 128
GLOBAL_EVERY = 3
MAX_WINDOW = 1_000_000
MAX_THETA = 1e12

_OURS = "blocks.{i}"
_THEIRS = "layers.{i}"


def read_layers(config: Mapping[str, Any], fields: Fields, where: str) -> Fields:
    """The window, which layers are global, the wave lengths and the biases."""
    biases = {name: config.get(name, False) for name in BIASES}
    for name, value in biases.items():
        if type(value) is not bool or value != biases[BIASES[0]]:
            raise CheckpointError(
                f"{where}: {name} {value!r:.80}: filbert's encoder has biases everywhere or "
                f"nowhere, and {BIASES[0]} is {biases[BIASES[0]]!r:.80}"
            )
    every, any_local = _global_every(config, fields["depth"], where)
    return {
        "bias": biases[BIASES[0]],
        "window": _window(config, where) if any_local else 0,
        "global_every": every,
        **{
            ours: _theta(config, theirs, kind, otherwise, where)
            for ours, theirs, kind, otherwise in THETAS
        },
    }


def write_layers(shape: Shape) -> Fields:
    """The same backwards, in both forms."""
    fields: Fields = {name: shape.bias for name in BIASES}
    kinds = [LOCAL if shape.window_of(layer) else GLOBAL for layer in range(shape.depth)]
    thetas = {kind: getattr(shape, ours) for ours, _, kind, _ in THETAS}
    return fields | {
        "embedding_dropout": shape.dropout_fraction,
        "global_attn_every_n_layers": shape.global_every if shape.window else 1,
        "layer_types": kinds,
        "local_attention": 2 * shape.window if shape.window else LOCAL_ATTENTION,
        "rope_parameters": {
            kind: {"rope_theta": theta, "rope_type": "default"} for kind, theta in thetas.items()
        },
        **{theirs: getattr(shape, ours) for ours, theirs, *_ in THETAS},
    }


def _global_every(config: Mapping[str, Any], depth: int, where: str) -> tuple[int, bool]:
    """Each how manieth layer is global, and whether any is not."""
    said = config.get("global_attn_every_n_layers", GLOBAL_EVERY)
    if type(said) is not int or not 1 <= said <= 1_000:
        raise CheckpointError(
            f"{where}: global_attn_every_n_layers: expected a whole number from 1 to 1,000, "
            f"got {said!r:.80}"
        )
    kinds = config.get("layer_types")
    if kinds is None:
        return said, said > 1
    if not isinstance(kinds, list) or len(kinds) != depth:
        raise CheckpointError(
            f"{where}: layer_types: expected a list of {depth} words, one a layer, "
            f"got {kinds!r:.80}"
        )
    for every in (said, *range(1, depth + 1)):
        if kinds == [LOCAL if layer % every else GLOBAL for layer in range(depth)]:
            return every, every > 1
    raise CheckpointError(
        f"{where}: layer_types {kinds!r:.200}: filbert's encoder knows {GLOBAL!r} in layer 0 and "
        f"in each so manieth after it, and {LOCAL!r} between them"
    )


def _window(config: Mapping[str, Any], where: str) -> int:
    value = config.get("local_attention", LOCAL_ATTENTION)
    if type(value) is not int or not 2 <= value <= MAX_WINDOW:
        raise CheckpointError(
            f"{where}: local_attention: expected a whole number from 2 to {MAX_WINDOW:,}, "
            f"got {value!r:.80}"
        )
    return value // 2


def _theta(
    config: Mapping[str, Any], theirs: str, kind: str, otherwise: float, where: str
) -> float:
    if config.get("rope_scaling") is not None:
        raise CheckpointError(
            f"{where}: rope_scaling {config['rope_scaling']!r:.80}: filbert's encoder turns by "
            "rope_type 'default' only"
        )
    by_kind = config.get("rope_parameters")
    name = f"rope_parameters.{kind}"
    rope: Any = {}
    if by_kind is not None:
        rope = (by_kind.get(kind) or {}) if isinstance(by_kind, dict) else by_kind
        if not isinstance(rope, dict) or not set(by_kind) <= {GLOBAL, LOCAL}:
            raise CheckpointError(
                f"{where}: rope_parameters: expected an object for {GLOBAL} and one for {LOCAL}, "
                f"got {by_kind!r:.80}"
            )
    if rope.get("rope_type", "default") != "default":
        raise CheckpointError(
            f"{where}: {name}.rope_type {rope['rope_type']!r:.80}: filbert's encoder knows only "
            "'default'"
        )
    value = rope.get("rope_theta", config.get(theirs, otherwise))
    if value is None and kind == LOCAL:  # the hub's form: as in global layers
        value = config.get("global_rope_theta", otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 < value <= MAX_THETA:
        raise CheckpointError(
            f"{where}: {theirs} (or {name}.rope_theta): expected a number above 1, "
            f"got {value!r:.80}"
        )
    return float(value)


_TRANSFORM = (*both("transform", "head.dense"), *both("norm", "head.norm"))
_POOLER = (*both("pooler", "head.dense"), *both("pooler_norm", "head.norm"))

MODERNBERT = Family(
    model_type="modernbert",
    stem="ModernBert",
    prefix="model.",
    whole=(
        Whole("depth", "num_hidden_layers", 1_000, 22),
        Whole("width", "hidden_size", 65_536, 768),
        Whole("attention_heads", "num_attention_heads", 1_024, 12),
        Whole("mlp_width", "intermediate_size", 262_144, 1152),
        Whole("vocab", "vocab_size", 4_000_000),
        Whole("max_positions", "max_position_embeddings", 1_000_000, 8192),
    ),
    fractions=(
        ("norm_epsilon", "norm_eps", 1e-5),
        ("dropout_fraction", "mlp_dropout", 0.0),
        ("attention_dropout_fraction", "attention_dropout", 0.0),
    ),
    constants={
        "segments": 0,
        "positions": "rotary",
        "norm_place": "before",
        "gated": True,
        "head_activation": "gelu",
    },
    fixed=(
        ("hidden_activation", ("gelu",)),
        ("classifier_activation", ("gelu",)),
        ("decoder_bias", (True,)),
        ("position_embedding_type", ("absolute",)),  # a leftover of the hub's form, read by nobody
        *COMMON_FIXED,
    ),
    written={
        "classifier_activation": "gelu",
        "decoder_bias": True,
        "hidden_activation": "gelu",
        "initializer_range": 0.02,
        "tie_word_embeddings": True,
    },
    read_more=read_layers,
    write_more=write_layers,
    encoder=(
        ("embeddings.tokens.weight", ("embeddings.tok_embeddings.weight",)),
        *both("embeddings.norm", "embeddings.norm"),
        *both(f"{_OURS}.qkv", f"{_THEIRS}.attn.Wqkv"),
        *both(f"{_OURS}.out", f"{_THEIRS}.attn.Wo"),
        *both(f"{_OURS}.attention_norm", f"{_THEIRS}.attn_norm"),
        *both(f"{_OURS}.up", f"{_THEIRS}.mlp.Wi"),
        *both(f"{_OURS}.down", f"{_THEIRS}.mlp.Wo"),
        *both(f"{_OURS}.mlp_norm", f"{_THEIRS}.mlp_norm"),
        *both("final_norm", "final_norm"),
    ),
    prefixed=(),
    # One layer with its norm, under one name, stands below the words and below the labels.
    parts={
        "transform": _TRANSFORM,
        "words": (("bias", ("decoder.bias",)),),
        "pooler": _POOLER,
        "labels": both("output", "classifier"),
        "crf": CRF,
        "span": both("span", "classifier"),
    },
    kinds={
        "encoder": Kind(),
        "masked": Kind(("transform", "words")),
        "classify": Kind(("pooler", "labels")),
        "tag": Kind(("pooler", "labels"), ("crf",)),
        "span": Kind(("pooler", "span")),
        "choose": Kind(("pooler", "labels")),
    },
    copies=(("decoder.weight", "embeddings.tok_embeddings.weight"),),
)
