"""Hugging Face's config.json ↔ Shape, the labels and the architecture, as data where possible.

Every number is bounded here, so that a hostile config.json cannot ask for absurd memory.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from filbert.checkpoint.names import ARCHITECTURES
from filbert.encoder.shape import Shape
from filbert.errors import CheckpointError, SettingsError, did_you_mean

MODEL_TYPE = "bert"

WHOLE: tuple[tuple[str, str, int, int | None], ...] = (
    ("depth", "num_hidden_layers", 1_000, None),
    ("width", "hidden_size", 65_536, None),
    ("attention_heads", "num_attention_heads", 1_024, None),
    ("mlp_width", "intermediate_size", 262_144, None),
    ("vocab", "vocab_size", 4_000_000, None),
    ("max_positions", "max_position_embeddings", 1_000_000, None),
    ("segments", "type_vocab_size", 1_000, 2),
)
"""Our field, theirs, the largest number believed, what an absent one means (None: error)."""

FRACTIONS: tuple[tuple[str, str, float], ...] = (
    ("norm_epsilon", "layer_norm_eps", 1e-12),
    ("dropout_fraction", "hidden_dropout_prob", 0.1),
    ("attention_dropout_fraction", "attention_probs_dropout_prob", 0.1),
)
"""Our field, theirs, what an absent one means. All from 0 to less than 1."""

FIXED: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("hidden_act", ("gelu",)),
    ("position_embedding_type", ("absolute",)),
    ("is_decoder", (False,)),
    ("add_cross_attention", (False,)),
    ("quantization_config", (None,)),
    ("pruned_heads", ({}, None)),
)
"""Fields that must have one of these values where they are there: the network knows no other."""

MAX_PARAMETERS = 20_000_000_000
MAX_LABELS = 1_000_000


def shape_of(config: Mapping[str, Any], where: str) -> Shape:
    """The Shape that a config.json describes.

    where: the file, for messages. Raises CheckpointError naming file and field: another family, an
    unknown activation, a number that is missing, not whole or beyond belief.
    """
    _check_family(config, where)
    for name, allowed in FIXED:
        if name in config and config[name] not in allowed:
            raise CheckpointError(
                f"{where}: {name} {config[name]!r:.80}: filbert's BERT knows only {allowed[0]!r}"
            )
    numbers: dict[str, Any] = {
        ours: _whole(config.get(theirs, absent), theirs, largest, where)
        for ours, theirs, largest, absent in WHOLE
    }
    for ours, theirs, otherwise in FRACTIONS:
        numbers[ours] = _fraction(config.get(theirs, otherwise), theirs, where)
    if numbers["width"] % numbers["attention_heads"]:
        raise CheckpointError(
            f"{where}: hidden_size {numbers['width']} is not a multiple of "
            f"num_attention_heads {numbers['attention_heads']}"
        )
    parameters = numbers["width"] * (
        numbers["vocab"]
        + numbers["max_positions"]
        + numbers["depth"] * (4 * numbers["width"] + 2 * numbers["mlp_width"])
    )
    if parameters > MAX_PARAMETERS:
        raise CheckpointError(
            f"{where}: its sizes make {parameters:,} parameters, "
            f"more than the {MAX_PARAMETERS:,} that are believed"
        )
    try:
        return Shape(**numbers)
    except (SettingsError, ValueError) as error:
        raise CheckpointError(f"{where}: {error}") from error


def labels_of(config: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """The labels by id; Hugging Face's LABEL_0, LABEL_1, … where only their number is given."""
    table = config.get("id2label")
    if table is None:
        count = config.get("num_labels", 2)
        return tuple(f"LABEL_{i}" for i in range(_whole(count, "num_labels", MAX_LABELS, where)))
    if not isinstance(table, dict) or not table or len(table) > MAX_LABELS:
        raise CheckpointError(f"{where}: id2label: expected an object of ids and labels")
    labels = [table.get(str(i)) for i in range(len(table))]
    if any(not isinstance(label, str) for label in labels):
        raise CheckpointError(
            f"{where}: id2label: expected a text for each id from 0 to {len(labels) - 1}"
        )
    if len(set(labels)) != len(labels):
        raise CheckpointError(f"{where}: id2label: a label stands there twice")
    return tuple(str(label) for label in labels)


def architecture_of(config: Mapping[str, Any], where: str) -> str:
    """The class name that the folder was saved under; BertModel where it does not say.

    Raises CheckpointError where filbert has no task for it.
    """
    names = config.get("architectures")
    if names is None or names == []:
        return "BertModel"
    name = names[0] if isinstance(names, list) else names
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise CheckpointError(
            f"{where}: architectures {name!r:.80} is none that filbert has a task for: "
            f"{', '.join(ARCHITECTURES)}{did_you_mean(str(name), ARCHITECTURES)}; "
            "give a task to put its own head on the encoder"
        )
    return name


def config_of(
    shape: Shape, architecture: str, *, labels: Sequence[str] = (), pad_id: int = 0
) -> dict[str, Any]:
    """The config.json, in Hugging Face's form, of a model that is saved."""
    config: dict[str, Any] = {
        "architectures": [architecture],
        "dtype": "float32",
        "hidden_act": "gelu",
        "initializer_range": 0.02,
        "model_type": MODEL_TYPE,
        "pad_token_id": pad_id,
        "position_embedding_type": "absolute",
        "tie_word_embeddings": True,
    }
    names = [(ours, theirs) for ours, theirs, *_ in WHOLE]
    names += [(ours, theirs) for ours, theirs, _ in FRACTIONS]
    config.update((theirs, getattr(shape, ours)) for ours, theirs in names)
    if labels:
        config["id2label"] = {str(i): label for i, label in enumerate(labels)}
        config["label2id"] = {label: i for i, label in enumerate(labels)}
        config["problem_type"] = "single_label_classification"
    return config


def _check_family(config: Mapping[str, Any], where: str) -> None:
    kind = config.get("model_type", MODEL_TYPE)
    names = config.get("architectures") or []
    first = names[0] if isinstance(names, list) and names else "Bert"
    if kind != MODEL_TYPE or not str(first).startswith("Bert"):
        raise CheckpointError(
            f"{where}: model_type {kind!r:.80} ({first!r:.80}): expected a BERT "
            f"(model_type {MODEL_TYPE!r}); other families are not read"
        )


def _whole(value: object, name: str, largest: int, where: str) -> int:
    if type(value) is not int or not 1 <= value <= largest:
        raise CheckpointError(
            f"{where}: {name}: expected a whole number from 1 to {largest:,}, got {value!r:.80}"
        )
    return value


def _fraction(value: object, name: str, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise CheckpointError(f"{where}: {name}: expected 0 to less than 1, got {value!r:.80}")
    return float(value)
