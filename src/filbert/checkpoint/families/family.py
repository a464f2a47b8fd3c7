"""What a family is: the columns of the tables, and what a folder of any family can hold.

A family of models is data: how its config.json says a Shape, and how it names the tensors. Left
stands our name, right theirs; `{i}` is a block. Where the right side holds several names, ours is
their stack along the first axis, in that order. Only data here: rename.py and config.py read it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from filbert.encoder.shape import Shape
from filbert.tasks import Task

Pair = tuple[str, tuple[str, ...]]
Table = tuple[Pair, ...]

SUFFIXES: dict[str, str] = {
    "encoder": "Model",
    "masked": "ForMaskedLM",
    "pretraining": "ForPreTraining",
    "classify": "ForSequenceClassification",
    "tag": "ForTokenClassification",
    "span": "ForQuestionAnswering",
    "choose": "ForMultipleChoice",
}
"""What a folder can hold, and how the name of its class at Hugging Face ends."""

TASK_OF: dict[str, str] = {
    "encoder": "embed",
    "masked": "pretrain",
    "pretraining": "pretrain",
    "classify": "classify",
    "tag": "tag",
    "span": "span",
    "choose": "choose",
}
"""The task that a kind of folder stands for; a classifier of one output measures or ranks."""

KIND_OF: dict[str, str] = {
    "pretrain": "masked",
    "classify": "classify",
    "regress": "classify",
    "rerank": "classify",
    "tag": "tag",
    "span": "span",
    "choose": "choose",
    "embed": "encoder",
}
"""The kind under which each task's model is saved."""


def kind_of_task(task: Task) -> str | None:
    """The kind under which a task's model is saved; None for one that has no form on disk."""
    if getattr(task, "pairs", "none") != "none":
        return "pretraining"
    return KIND_OF.get(task.name)


LABELLED = ("classify", "tag")
"""The kinds whose config.json names labels."""

ONE_OUTPUT = ("regress", "rerank", "choose")
"""The tasks whose heads give one number."""


def labels_of_task(task: Task) -> tuple[str, ...]:
    """What each output of a task's last layer is called; nothing where that is not by labels."""
    if task.name in ONE_OUTPUT:
        return ("LABEL_0",)
    return tuple(getattr(task, "labels", ()))


def problem_of_task(task: Task) -> str | None:
    """What Hugging Face calls the problem of a classifier; None where it has no word for it."""
    if task.name == "classify":
        several = getattr(task, "several", False)
        return "multi_label_classification" if several else "single_label_classification"
    return "regression" if task.name == "regress" else None


POOLINGS: tuple[tuple[str, str], ...] = (("first", "cls"), ("mean", "mean"))
"""What a classifier reads: our word and Hugging Face's (a setting of ModernBERT only)."""

BUFFERS: tuple[str, ...] = ("embeddings.position_ids", "embeddings.token_type_ids")
"""Constants that older writers stored: 0, 1, 2, … and zeros. No weights, so not read."""

LEGACY: tuple[tuple[str, str], ...] = (
    ("LayerNorm.gamma", "LayerNorm.weight"),
    ("LayerNorm.beta", "LayerNorm.bias"),
)
"""Endings of names as Google's code had them, and what they became."""

Fields = dict[str, Any]


@dataclass(frozen=True)
class Whole:
    """A whole number: our field, theirs, the largest that is believed, what an absent one means."""

    ours: str
    theirs: str
    largest: int
    absent: int | None = None


@dataclass(frozen=True)
class Kind:
    """The parts that a file of this kind must have, and those that it may have."""

    parts: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    """One family.

    model_type  its word in config.json
    stem        how its class names begin
    prefix      what stands before the names of the encoder once a head stands beside it
    whole       whole numbers of config.json
    fractions   (our field, theirs, what an absent one means); all from 0 to less than 1
    constants   fields of Shape that config.json does not say, because the family has one value
    fixed       (their field, the values that filbert's network knows), where it is there
    written     what config.json says beside the shape
    encoder     the table of names of the encoder
    parts       the tables of what may stand on it. A part is in a file whole or not at all
    prefixed    the parts whose names begin with the prefix, too
    kinds       which parts make which kind of folder
    copies      second copies that some writers add (left) of a tensor (right)
    read_more   config.json, the fields read so far and the file → more fields, where no row says it
    write_more  the same backwards: a Shape → their fields
    """

    model_type: str
    stem: str
    prefix: str
    whole: tuple[Whole, ...]
    fractions: tuple[tuple[str, str, float], ...]
    fixed: tuple[tuple[str, tuple[object, ...]], ...]
    encoder: Table
    parts: Mapping[str, Table]
    kinds: Mapping[str, Kind]
    copies: tuple[tuple[str, str], ...]
    constants: Mapping[str, Any] = field(default_factory=dict)
    written: Mapping[str, Any] = field(default_factory=dict)
    prefixed: tuple[str, ...] = ("pooler",)
    read_more: Callable[[Mapping[str, Any], Fields, str], Fields] | None = None
    write_more: Callable[[Shape], Fields] | None = None

    def class_of(self, kind: str) -> str:
        """The class name at Hugging Face of a kind that the family has."""
        return self.stem + SUFFIXES[kind]

    @property
    def classes(self) -> dict[str, str]:
        """Class name → kind, for every kind of the family."""
        return {self.class_of(kind): kind for kind in self.kinds}


def both(ours: str, *theirs: str) -> Table:
    """The two rows, weight and bias, of one linear layer or norm."""
    return tuple(
        (f"{ours}.{kind}", tuple(f"{name}.{kind}" for name in theirs))
        for kind in ("weight", "bias")
    )


CRF: Table = tuple((name, (f"crf.{name}",)) for name in ("first", "next", "last"))
"""A tagger's steps from label to label, which transformers has no name for and leaves unread."""

COMMON_FIXED: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("is_decoder", (False,)),
    ("add_cross_attention", (False,)),
    ("quantization_config", (None,)),
    ("pruned_heads", ({}, None)),
)
"""What no family's network of ours knows."""
