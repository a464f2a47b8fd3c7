"""Hugging Face's config.json ↔ Shape, the labels and the kind, by the tables of families/.

Every number is bounded here, so that a hostile config.json cannot ask for absurd memory.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from filbert.checkpoint.families import FAMILIES, LABELLED, POOLINGS, Family
from filbert.encoder.shape import Shape
from filbert.errors import CheckpointError, SettingsError, did_you_mean

MAX_PARAMETERS = 20_000_000_000
MAX_LABELS = 1_000_000


def family_of(config: Mapping[str, Any], where: str) -> Family:
    """The family that a config.json says by its model_type; BERT where it says nothing.

    where: the file, for messages. Raises CheckpointError for one that filbert does not know.
    """
    word = config.get("model_type")
    if word is None:
        stem = str(_class_of(config) or "Bert")
        known = [family for family in FAMILIES.values() if stem.startswith(family.stem)]
        if known:
            return known[0]
        word = stem
    if not isinstance(word, str) or word not in FAMILIES:
        raise CheckpointError(
            f"{where}: model_type {word!r:.80}: expected one of {', '.join(FAMILIES)}"
            f"{did_you_mean(str(word)[:80], FAMILIES)}; other families are not read"
        )
    return FAMILIES[word]


def shape_of(config: Mapping[str, Any], where: str) -> Shape:
    """The Shape that a config.json describes.

    Raises CheckpointError naming file and field: another family, an unknown activation, a number
    that is missing, not whole or beyond belief.
    """
    family = family_of(config, where)
    for name, allowed in family.fixed:
        if name in config and config[name] not in allowed:
            raise CheckpointError(
                f"{where}: {name} {config[name]!r:.80}: filbert's {family.stem.upper()} knows only "
                f"{allowed[0]!r}"
            )
    fields: dict[str, Any] = dict(family.constants)
    theirs = {row.ours: row.theirs for row in family.whole}
    for row in family.whole:
        value = config.get(row.theirs, row.absent)
        fields[row.ours] = _whole(value, row.theirs, row.largest, where)
    for ours, name, otherwise in family.fractions:
        fields[ours] = _fraction(config.get(name, otherwise), name, where)
    if family.read_more is not None:
        fields |= family.read_more(config, fields, where)
    if fields["width"] % fields["attention_heads"]:
        raise CheckpointError(
            f"{where}: {theirs['width']} {fields['width']} is not a multiple of "
            f"{theirs['attention_heads']} {fields['attention_heads']}"
        )
    try:
        shape = Shape(**fields)
    except (SettingsError, ValueError) as error:
        raise CheckpointError(f"{where}: {error}") from error
    _check_size(shape, where)
    return shape


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


def kind_of(config: Mapping[str, Any], where: str) -> str:
    """What the folder holds ("encoder", "masked", …), by its class name; an encoder if it has none.

    Raises CheckpointError for a class that filbert does not know.
    """
    name, known = _class_of(config), family_of(config, where).classes
    if name is None:
        return "encoder"
    if not isinstance(name, str) or name not in known:
        raise CheckpointError(
            f"{where}: architectures {name!r:.80} is none that filbert has a task for: "
            f"{', '.join(known)}{did_you_mean(str(name)[:80], known)}; "
            "give a task to put its own head on the encoder"
        )
    return known[name]


def pooling_of(config: Mapping[str, Any], where: str) -> str:
    """What a classifier reads, "first" or "mean": ModernBERT's classifier_pooling."""
    said = config.get("classifier_pooling", "cls")
    for ours, theirs in POOLINGS:
        if said == theirs:
            return ours
    raise CheckpointError(
        f"{where}: classifier_pooling {said!r:.80}: expected one of "
        f"{', '.join(theirs for _, theirs in POOLINGS)}"
    )


def family_for(shape: Shape, where: str, named: str | None = None) -> Family:
    """The family under which a model of this shape is saved: the one named, or the first that fits.

    Raises CheckpointError where none can say this shape, or the one named cannot.
    """
    if named is not None and named not in FAMILIES:
        raise CheckpointError(
            f"{where}: family {named!r:.80}: expected one of {', '.join(FAMILIES)}"
            f"{did_you_mean(named[:80], FAMILIES)}"
        )
    for family in FAMILIES.values() if named is None else [FAMILIES[named]]:
        if _fits(family, shape):
            return family
    who = f"{named} cannot" if named else "no family of transformers can"
    raise CheckpointError(
        f"{where}: {who} have this shape, so it has no form on disk; unlike BERT's: "
        f"{_unlike_bert(shape)}"
    )


def _unlike_bert(shape: Shape) -> str:
    """What of a shape is not as in BERT, but for its sizes."""
    named = [
        f"{field.name}={getattr(shape, field.name)!r}"
        for field in dataclasses.fields(Shape)
        if field.default is not dataclasses.MISSING
        and field.name != "max_positions"
        and getattr(shape, field.name) != field.default
    ]
    return ", ".join(named) or "nothing"


def config_of(
    shape: Shape,
    family: Family,
    kind: str,
    *,
    labels: Sequence[str] = (),
    pooling: str = "first",
    special_ids: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The config.json, in Hugging Face's form, of a model that is saved.

    pooling: what a classifier reads. special_ids: the ids of "pad", "cls" and "sep".
    """
    ids = special_ids or {}
    config: dict[str, Any] = {
        **family.written,
        "architectures": [family.class_of(kind)],
        "dtype": "float32",
        "model_type": family.model_type,
        "pad_token_id": ids.get("pad", 0),
        **_shape_fields(shape, family),
    }
    if "bert" != family.model_type != "distilbert":
        # These families' own defaults are ids of their own vocabularies, which may not be ours.
        first, last = ids.get("cls"), ids.get("sep")
        config |= {"bos_token_id": first, "eos_token_id": last}
        if family.model_type == "modernbert":
            config |= {"cls_token_id": first, "sep_token_id": last}
    if family.model_type == "modernbert" and kind in ("classify", "choose"):
        config["classifier_pooling"] = dict(POOLINGS)[pooling]
    elif pooling != "first":
        raise CheckpointError(
            f"{family.model_type} has no form on disk for a classifier that reads the "
            f"{pooling!r}; expected 'first'"
        )
    if labels and kind in LABELLED:
        config["id2label"] = {str(i): label for i, label in enumerate(labels)}
        config["label2id"] = {label: i for i, label in enumerate(labels)}
    return config


def _shape_fields(shape: Shape, family: Family) -> dict[str, Any]:
    fields = {row.theirs: getattr(shape, row.ours) for row in family.whole}
    fields |= {theirs: getattr(shape, ours) for ours, theirs, _ in family.fractions}
    return fields | (family.write_more(shape) if family.write_more else {})


def _fits(family: Family, shape: Shape) -> bool:
    """Whether the family's config.json says all of the shape: it must come back the same."""
    try:
        fields = _shape_fields(shape, family)
        return shape_of({"model_type": family.model_type, **fields}, "") == shape
    except CheckpointError:
        return False


def _class_of(config: Mapping[str, Any]) -> object:
    names = config.get("architectures")
    if names is None or names == []:
        return None
    return names[0] if isinstance(names, list) else names


def _check_size(shape: Shape, where: str) -> None:
    places = shape.max_positions if shape.positions == "learned" else 0
    mlp = (3 if shape.gated else 2) * shape.mlp_width
    parameters = shape.width * (shape.vocab + places + shape.depth * (4 * shape.width + mlp))
    if parameters > MAX_PARAMETERS:
        raise CheckpointError(
            f"{where}: its sizes make {parameters:,} parameters, "
            f"more than the {MAX_PARAMETERS:,} that are believed"
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
