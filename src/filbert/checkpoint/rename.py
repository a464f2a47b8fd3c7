"""The tables of names.py at work, in numpy: ours → theirs when saving, theirs → ours when loading.

All checks of names and sizes stand here, before any memory is taken for values.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from filbert.checkpoint.names import (
    ARCHITECTURES,
    AXES,
    BUFFERS,
    COPIES,
    ENCODER,
    LEGACY,
    PARTS,
    PREFIX,
    PREFIXED,
)
from filbert.encoder.shape import Shape
from filbert.errors import CheckpointError, did_you_mean

NAMED_AT_MOST = 5
NEAR_AT_MOST = 5_000
LONGEST_NAME = 150

Sizes = tuple[int | None, ...]


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

    sources: our name → the stored names, stacked in that order.
    parts: the parts of names.PARTS that are there, whole.
    copies: (stored copy, stored original): values that must be equal.
    """

    sources: dict[str, tuple[str, ...]]
    parts: frozenset[str]
    copies: list[tuple[str, str]] = field(default_factory=list)


def expected_tensors(part: str, shape: Shape, labels: int | None, prefix: str) -> list[Expected]:
    """The tensors of "encoder" or of one part of names.PARTS, for this shape.

    prefix: what stands before their names of the encoder and the pooler ("" or "bert.").
    """
    table = ENCODER if part == "encoder" else PARTS[part]
    stem = "encoder." if part == "encoder" else "head."
    lead = prefix if part in PREFIXED else ""
    found = []
    for ours, theirs in table:
        sizes = tuple(_size(axis, shape, labels) for axis in AXES.get(ours, ("width",)))
        for block in range(shape.depth) if "{i}" in ours else [0]:
            found.append(
                Expected(
                    stem + ours.replace("{i}", str(block)),
                    tuple(lead + name.replace("{i}", str(block)) for name in theirs),
                    sizes,
                )
            )
    return found


def to_theirs(
    tensors: Mapping[str, np.ndarray], shape: Shape, architecture: str, labels: int, where: str
) -> dict[str, np.ndarray]:
    """A model's tensors by our names → by Hugging Face's, as float32, ready to be saved.

    Raises CheckpointError for missing and unexpected names (with the nearest) and wrong sizes.
    """
    row = ARCHITECTURES[architecture]
    optional = [part for part in row.optional if _any_of(part, tensors, shape)]
    wanted = [
        tensor
        for part in ("encoder", *row.parts, *optional)
        for tensor in expected_tensors(part, shape, labels, row.prefix)
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
        _check_sizes(where, tensor.ours, value.shape, tensor.sizes, "the shape")
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
    *,
    required: Iterable[str],
    labels: int | None,
    where: str,
) -> Match:
    """Find which stored tensors (name → sizes) make which of ours.

    required: the parts of names.PARTS that must be there; labels: their number, None for any.
    Raises CheckpointError naming what is missing, unexpected, incomplete or of wrong sizes.
    """
    modern = _modern_names(stored, where)
    prefix = PREFIX if any(name.startswith(PREFIX) for name in modern) else ""
    wanted = {
        part: expected_tensors(part, shape, labels if part in required else None, prefix)
        for part in ("encoder", *PARTS)
    }
    parts = [
        part
        for part, tensors in wanted.items()
        if part in ("encoder", *required)
        or any(name in modern for tensor in tensors for name in tensor.theirs)
    ]
    copies = [
        (left, prefix + right if right.startswith("embeddings.") else right)
        for left, right in COPIES
    ]
    buffers = {prefix + name for name in BUFFERS} | {left for left, _ in copies}
    names = [name for part in parts for tensor in wanted[part] for name in tensor.theirs]
    known = set(names) | buffers
    _refuse_names(
        where,
        missing=[name for name in names if name not in modern],
        unexpected=[name for name in modern if name not in known],
        known=[name for tensors in wanted.values() for row in tensors for name in row.theirs],
        there=list(modern),
    )
    sources: dict[str, tuple[str, ...]] = {}
    for part in parts:
        for tensor in wanted[part]:
            for name in tensor.theirs:
                _check_sizes(where, modern[name], stored[modern[name]], tensor.their_sizes)
            sources[tensor.ours] = tuple(modern[name] for name in tensor.theirs)
    there = [
        (modern[left], modern[right])
        for left, right in copies
        if left in modern and right in modern
    ]
    for left, right in there:
        _check_sizes(where, left, stored[left], tuple(stored[right]))
    return Match(sources, frozenset(parts) - {"encoder"}, there)


def _size(axis: str, shape: Shape, labels: int | None) -> int | None:
    if axis == "labels":
        return labels
    if axis.isdigit():
        return int(axis)
    if axis == "3*width":
        return 3 * shape.width
    size: int = getattr(shape, axis)
    return size


def _any_of(part: str, tensors: Mapping[str, object], shape: Shape) -> bool:
    return any(row.ours in tensors for row in expected_tensors(part, shape, None, ""))


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


def _check_sizes(
    where: str, name: str, sizes: Sequence[int], expected: Sizes, by: str = "config.json"
) -> None:
    if len(sizes) != len(expected) or any(
        wanted is not None and size != wanted for size, wanted in zip(sizes, expected, strict=True)
    ):
        shown = "×".join("labels" if size is None else str(size) for size in expected)
        raise CheckpointError(
            f"{where}: tensor {name!r}: expected the sizes {shown} by {by}, "
            f"got {'×'.join(map(str, sizes)) or 'a single number'}"
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
