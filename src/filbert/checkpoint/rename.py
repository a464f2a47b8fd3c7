"""The tables of names.py at work, in numpy: ours → theirs when saving, theirs → ours when loading.

All checks of names and sizes stand here, before any memory is taken for values.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from filbert.checkpoint.families import BUFFERS, LEGACY, Family
from filbert.encoder.shape import Shape
from filbert.errors import CheckpointError, did_you_mean

NAMED_AT_MOST = 5
NEAR_AT_MOST = 5_000
LONGEST_NAME = 150

Sizes = tuple[int | None, ...]

AXES: dict[str, tuple[str, ...]] = {
    "embeddings.tokens.weight": ("vocab", "width"),
    "embeddings.positions.weight": ("places", "width"),
    "embeddings.segments.weight": ("segments", "width"),
    "blocks.{i}.qkv.weight": ("3*width", "width"),
    "blocks.{i}.qkv.bias": ("3*width",),
    "blocks.{i}.out.weight": ("width", "width"),
    "blocks.{i}.up.weight": ("up", "width"),
    "blocks.{i}.up.bias": ("up",),
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
    "first": ("labels",),
    "next": ("labels", "labels"),
    "last": ("labels",),
}
"""The axes of each of our tensors; what is not listed is one vector of the width."""

ALWAYS_BIASED = ("output", "span", "next_sentence")
"""The layers whose bias is there whatever the shape says."""


@dataclass(frozen=True)
class Expected:
    """One tensor of ours: its name in a model, their name(s), its sizes (None: any)."""

    ours: str
    theirs: tuple[str, ...]
    sizes: Sizes

    @property
    def their_sizes(self) -> Sizes:
        """The sizes of each of theirs: ours, the first axis divided among them."""
        first = self.sizes[0]
        return (None if first is None else first // len(self.theirs), *self.sizes[1:])


@dataclass(frozen=True)
class Match:
    """Which of the stored tensors make which of ours.

    sources: part → our name → the stored names, stacked in that order. Every part that is there,
    whole, has its row; "encoder" always.
    copies: (stored copy, stored original): values that must be equal.
    outputs: how many labels the classifier gives; 0 where there is none.
    """

    sources: dict[str, dict[str, tuple[str, ...]]]
    copies: list[tuple[str, str]] = field(default_factory=list)
    outputs: int = 0

    @property
    def parts(self) -> frozenset[str]:
        """What stands on the encoder."""
        return frozenset(self.sources) - {"encoder"}

    def of(self, parts: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Our name → the stored names, for the encoder and those of these parts that are there."""
        return {
            ours: names
            for part in ("encoder", *parts)
            for ours, names in self.sources.get(part, {}).items()
        }


def expected_tensors(
    part: str, family: Family, shape: Shape, labels: int | None, *, prefixed: bool
) -> list[Expected]:
    """The tensors of "encoder" or of one part of the family, for this shape.

    prefixed: whether the family's prefix stands before the names of the encoder.
    """
    table = family.encoder if part == "encoder" else family.parts[part]
    stem = "encoder." if part == "encoder" else "head."
    lead = family.prefix if prefixed and part in ("encoder", *family.prefixed) else ""
    found = []
    for ours, theirs in table:
        sizes = tuple(_size(axis, shape, labels) for axis in AXES.get(ours, ("width",)))
        for block in range(shape.depth) if "{i}" in ours else [0]:
            name = ours.replace("{i}", str(block))
            if _has(shape, name):
                found.append(
                    Expected(
                        stem + name,
                        tuple(lead + one.replace("{i}", str(block)) for one in theirs),
                        sizes,
                    )
                )
    return found


def parts_there(family: Family, kind: str, ours: Iterable[str], *, every: bool) -> list[str]:
    """The parts of a model with these tensors that is saved as this kind.

    every: whether parts that the kind has no use for are kept, too.
    """
    row, names = family.kinds[kind], set(ours)
    kept = list(row.parts)
    # Two parts may have names in common, ours or theirs: then the first is meant.
    taken = {name for part in kept for name in _both_columns(family, part)}
    for part in family.parts if every else row.optional:
        its = _both_columns(family, part)
        if not its & taken and any(f"head.{name}" in names for name, _ in family.parts[part]):
            kept.append(part)
            taken |= its
    return kept


def to_theirs(
    tensors: Mapping[str, np.ndarray],
    shape: Shape,
    family: Family,
    kind: str,
    labels: int,
    where: str,
    *,
    every: bool = False,
) -> dict[str, np.ndarray]:
    """A model's tensors by our names → by Hugging Face's, as float32, ready to be saved.

    every: keep the parts that the kind has no use for, instead of refusing them.
    Raises CheckpointError for missing and unexpected names (with the nearest) and wrong sizes.
    """
    parts = parts_there(family, kind, tensors, every=every)
    wanted = [
        tensor
        for part in ("encoder", *parts)
        for tensor in expected_tensors(
            part, family, shape, labels or None, prefixed=kind != "encoder"
        )
    ]
    names = [tensor.ours for tensor in wanted]
    _refuse_names(
        where,
        missing=[name for name in names if name not in tensors],
        unexpected=[name for name in tensors if name not in set(names)],
        known=names,
        there=list(tensors),
    )
    found: dict[str, np.ndarray] = {}
    for tensor in wanted:
        value = np.asarray(tensors[tensor.ours])
        check_sizes(where, tensor.ours, value.shape, tensor.sizes, "the shape")
        if value.dtype.kind != "f":
            raise CheckpointError(
                f"{where}: tensor {tensor.ours!r}: expected floats, got {value.dtype}"
            )
        pieces = np.split(value, len(tensor.theirs))
        found.update(
            (name, piece.astype(np.float32, copy=False))
            for name, piece in zip(tensor.theirs, pieces, strict=True)
        )
    return found


def match(
    stored: Mapping[str, Sequence[int]],
    shape: Shape,
    family: Family,
    *,
    required: Iterable[str],
    labels: int | None,
    where: str,
) -> Match:
    """Find which stored tensors (name → sizes) make which of ours.

    required: the parts of the family that must be there; labels: their number, None for any.
    Raises CheckpointError naming what is missing, unexpected, incomplete or of wrong sizes.
    """
    modern = _modern_names(stored, where)
    prefixed = any(name.startswith(family.prefix) for name in modern)
    copies = _copies(family, modern, prefixed)
    needed = ("encoder", *required)
    wanted = {
        part: expected_tensors(
            part, family, shape, labels if part in needed else None, prefixed=prefixed
        )
        for part in ("encoder", *family.parts)
    }
    sizes = {name: stored[old] for name, old in modern.items()}
    parts = _parts_in(wanted, needed, sizes)
    names = [name for part in parts for tensor in wanted[part] for name in tensor.theirs]
    lead = family.prefix if prefixed else ""
    known = {*names, *(left for left, _ in copies), *(lead + name for name in BUFFERS)}
    _refuse_names(
        where,
        missing=[name for name in names if name not in modern],
        unexpected=[name for name in modern if name not in known],
        known=[name for tensors in wanted.values() for row in tensors for name in row.theirs],
        there=list(modern),
    )
    for part in parts:
        for tensor in wanted[part]:
            for name in tensor.theirs:
                check_sizes(where, modern[name], sizes[name], tensor.their_sizes)
    for left, right in copies:
        check_sizes(where, left, sizes[left], tuple(sizes[right]))
    return Match(
        {
            part: {
                tensor.ours: tuple(modern[name] for name in tensor.theirs)
                for tensor in wanted[part]
            }
            for part in parts
        },
        [(modern[left], modern[right]) for left, right in copies],
        next(
            (
                sizes[tensor.theirs[0]][0]
                for part in parts
                for tensor in wanted[part]
                if tensor.ours == "head.output.bias"
            ),
            0,
        ),
    )


def kind_by_parts(family: Family, parts: frozenset[str]) -> str:
    """The kind of a folder that names no class: the one with most of the parts that are there."""
    whole = [kind for kind, row in family.kinds.items() if parts.issuperset(row.parts)]
    return max(whole, key=lambda kind: len(family.kinds[kind].parts))


def _parts_in(
    wanted: Mapping[str, Sequence[Expected]],
    needed: Sequence[str],
    sizes: Mapping[str, Sequence[int]],
) -> list[str]:
    """The parts that must be there, and of the others those that have a tensor in the file.

    Where the file's tensors are another part's already, a part is there only if it fits whole.
    """
    parts = list(needed)
    taken = {name for part in parts for tensor in wanted[part] for name in tensor.theirs}
    for part, tensors in wanted.items():
        rows = [(name, row.their_sizes) for row in tensors for name in row.theirs]
        there = {name for name, _ in rows if name in sizes}
        whole = all(name in sizes and _fit(sizes[name], expected) for name, expected in rows)
        if part not in parts and there and (whole or not there <= taken):
            parts.append(part)
            taken |= there
    return parts


def _copies(family: Family, modern: dict[str, str], prefixed: bool) -> list[tuple[str, str]]:
    """Those of the family's copies that the file has; one without its original takes its name."""
    stems = tuple(names[0] for _, names in family.encoder)
    lead = family.prefix if prefixed else ""
    found = []
    for left, right in family.copies:
        original = lead + right if right in stems else right
        if left in modern and original in modern:
            found.append((left, original))
        elif left in modern:
            modern[original] = modern.pop(left)
    return found


def _size(axis: str, shape: Shape, labels: int | None) -> int | None:
    if axis == "labels":
        return labels
    if axis.isdigit():
        return int(axis)
    sizes = {
        "3*width": 3 * shape.width,
        "up": shape.mlp_width * (2 if shape.gated else 1),
        "places": shape.max_positions + shape.positions_offset,
    }
    size: int = sizes[axis] if axis in sizes else getattr(shape, axis)
    return size


def _has(shape: Shape, name: str) -> bool:
    """Whether a network of this shape has this tensor."""
    if shape.norm_place == "before" and name.startswith("blocks.0.attention_norm."):
        return False
    stem, _, kind = name.rpartition(".")
    return shape.bias or kind != "bias" or stem in ALWAYS_BIASED or not stem


def _both_columns(family: Family, part: str) -> set[str]:
    return {name for ours, theirs in family.parts[part] for name in (ours, *theirs)}


def _modern_names(stored: Iterable[str], where: str) -> dict[str, str]:
    """Name of today → name in the file."""
    found: dict[str, str] = {}
    for name in stored:
        modern = name
        for old, new in LEGACY:
            if name.endswith(old):
                modern = name.removesuffix(old) + new
        if modern in found:
            raise CheckpointError(
                f"{where}: {found[modern]!r} and {name!r} are the same tensor, expected one of them"
            )
        found[modern] = name
    return found


def check_sizes(
    where: str, name: str, sizes: Sequence[int], expected: Sizes, by: str = "config.json"
) -> None:
    """Refuse a tensor of other sizes than expected (None: any), naming both."""
    if not _fit(sizes, expected):
        shown = "×".join("labels" if size is None else str(size) for size in expected)
        raise CheckpointError(
            f"{where}: tensor {name!r}: expected the sizes {shown} by {by}, "
            f"got {'×'.join(map(str, sizes)) or 'a single number'}"
        )


def _fit(sizes: Sequence[int], expected: Sizes) -> bool:
    return len(sizes) == len(expected) and all(
        wanted is None or size == wanted for size, wanted in zip(sizes, expected, strict=True)
    )


def _refuse_names(
    where: str,
    *,
    missing: Sequence[str],
    unexpected: Sequence[str],
    known: Sequence[str],
    there: Sequence[str],
) -> None:
    if not missing and not unexpected:
        return
    lines = [f"{where}: the names of the tensors do not fit config.json"]
    lines += _named("missing", missing, unexpected or there)
    lines += _named("unexpected", unexpected, [*missing, *known])
    raise CheckpointError("\n  ".join(lines))


def _named(kind: str, names: Sequence[str], near: Sequence[str]) -> list[str]:
    # Bounded, for a hostile file may hold a million names, or one of a million letters.
    known = [name for name in near[:NEAR_AT_MOST] if len(name) <= LONGEST_NAME]
    first = [name[:LONGEST_NAME] for name in names[:NAMED_AT_MOST]]
    shown = [f"{kind}: {name!r}{did_you_mean(name, known)}" for name in first]
    more = len(names) - len(shown)
    return [*shown, f"{kind}: {more:,} more"] if more > 0 else shown
