"""The names of tensors: ours and Hugging Face's, as tables of two columns that are read both ways.

Left stands our name, right theirs; `{i}` is a block. Where the right side holds several names, ours
is their stack along the first axis, in that order. Only data here: rename.py reads it.
"""

from dataclasses import dataclass

Pair = tuple[str, tuple[str, ...]]
Table = tuple[Pair, ...]

_OURS = "blocks.{i}"
_THEIRS = "encoder.layer.{i}"
_SELF = f"{_THEIRS}.attention.self"


def _both(ours: str, *theirs: str) -> Table:
    """The two rows, weight and bias, of one linear layer or norm."""
    return tuple(
        (f"{ours}.{kind}", tuple(f"{name}.{kind}" for name in theirs))
        for kind in ("weight", "bias")
    )


ENCODER: Table = (
    ("embeddings.tokens.weight", ("embeddings.word_embeddings.weight",)),
    ("embeddings.positions.weight", ("embeddings.position_embeddings.weight",)),
    ("embeddings.segments.weight", ("embeddings.token_type_embeddings.weight",)),
    *_both("embeddings.norm", "embeddings.LayerNorm"),
    *_both(f"{_OURS}.qkv", f"{_SELF}.query", f"{_SELF}.key", f"{_SELF}.value"),
    *_both(f"{_OURS}.out", f"{_THEIRS}.attention.output.dense"),
    *_both(f"{_OURS}.attention_norm", f"{_THEIRS}.attention.output.LayerNorm"),
    *_both(f"{_OURS}.up", f"{_THEIRS}.intermediate.dense"),
    *_both(f"{_OURS}.down", f"{_THEIRS}.output.dense"),
    *_both(f"{_OURS}.mlp_norm", f"{_THEIRS}.output.LayerNorm"),
)

PARTS: dict[str, Table] = {
    "pooler": _both("pooler", "pooler.dense"),
    "words": (
        *_both("transform", "cls.predictions.transform.dense"),
        *_both("norm", "cls.predictions.transform.LayerNorm"),
        ("bias", ("cls.predictions.bias",)),
    ),
    "next_sentence": _both("next_sentence", "cls.seq_relationship"),
    "labels": _both("output", "classifier"),
    "span": _both("span", "qa_outputs"),
}
"""What may stand on top of the encoder. A part is in a file whole or not at all."""

PREFIXED = ("encoder", "pooler")
"""The parts whose names begin with the family's prefix once a task's head stands beside them."""

PREFIX = "bert."

AXES: dict[str, tuple[str, ...]] = {
    "embeddings.tokens.weight": ("vocab", "width"),
    "embeddings.positions.weight": ("max_positions", "width"),
    "embeddings.segments.weight": ("segments", "width"),
    "blocks.{i}.qkv.weight": ("3*width", "width"),
    "blocks.{i}.qkv.bias": ("3*width",),
    "blocks.{i}.out.weight": ("width", "width"),
    "blocks.{i}.up.weight": ("mlp_width", "width"),
    "blocks.{i}.up.bias": ("mlp_width",),
    "blocks.{i}.down.weight": ("width", "mlp_width"),
    "pooler.weight": ("width", "width"),
    "transform.weight": ("width", "width"),
    "bias": ("vocab",),
    "next_sentence.weight": ("2", "width"),
    "next_sentence.bias": ("2",),
    "span.weight": ("2", "width"),
    "span.bias": ("2",),
    "output.weight": ("labels", "width"),
    "output.bias": ("labels",),
}
"""The axes of each of our tensors; what is not listed is one vector of the width."""

COPIES: tuple[tuple[str, str], ...] = (
    ("cls.predictions.decoder.weight", "embeddings.word_embeddings.weight"),
    ("cls.predictions.decoder.bias", "cls.predictions.bias"),
)
"""Second copies that some writers add (left) of a tensor (right). They must equal it, or we would
drop what was trained."""

BUFFERS: tuple[str, ...] = ("embeddings.position_ids", "embeddings.token_type_ids")
"""Constants that older writers stored: 0, 1, 2, … and zeros. No weights, so not read."""

LEGACY: tuple[tuple[str, str], ...] = (
    ("LayerNorm.gamma", "LayerNorm.weight"),
    ("LayerNorm.beta", "LayerNorm.bias"),
)
"""Endings of names as Google's code had them, and what they became."""


@dataclass(frozen=True)
class Architecture:
    """A class name of Hugging Face: what task it stands for and what its file holds."""

    task: str
    prefix: str
    parts: tuple[str, ...]
    optional: tuple[str, ...] = ()


ARCHITECTURES: dict[str, Architecture] = {
    "BertModel": Architecture("embed", "", (), ("pooler",)),
    "BertForMaskedLM": Architecture("pretrain", PREFIX, ("words",)),
    "BertForPreTraining": Architecture("pretrain", PREFIX, ("words",)),
    "BertForSequenceClassification": Architecture("classify", PREFIX, ("pooler", "labels")),
}
"""parts: must be there for the task. optional: used where there, fresh or left out where not."""

SAVED_AS: dict[str, str] = {
    "pretrain": "BertForMaskedLM",
    "classify": "BertForSequenceClassification",
    "embed": "BertModel",
}
"""The architecture under which each task's model is saved."""
