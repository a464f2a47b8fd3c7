"""The currency of all rooms, in numpy: one Row, and many Rows packed end to end.

Nothing here is padded. A batch of sequences is one long array of tokens plus the places where its
sequences end, the `cu_seqlens` of the attention kernels without the leading zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filbert.errors import DataError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One sequence as the network reads it, special tokens included; or several, in parts.

    token_ids      int32 [tokens]
    segments       uint8 [tokens], 0 for the first text, 1 for the second
    origin         (shard, row): all random choices about this row come from it
    labels         what the task wants to know about it, as the task sees fit
    offsets        int32 [tokens, 2], characters of the text behind each token; (0, 0) for specials
    tokens_cut     how many tokens of the text did not fit
    shared_tokens  how many of its tokens count to a neighbouring window that has them, too
    prompt_tokens  how many tokens at its start are the prompt's, [CLS] included; 0: no prompt
    sentence_ends  int32 [sentences], the exclusive end of each sentence among its tokens, rising;
                   the last is where the final [SEP] stands
    epoch          of its own source, where that is not the stream's: a small one of a mixture is
                   read several times in one epoch of the whole
    partner        int32 [tokens], a span of another document, without special tokens, from the
                   start of a sentence on: what a next-sentence task may put in this row's place
    partner_ends   int32 [sentences], the exclusive end of each sentence of the partner, rising
    parts          int32 [sequences], the exclusive end of each sequence among its tokens, rising,
                   where the row is several that are learnt from and answered together: a pair to
                   compare, the endings of a choice; None: it is one
    aligned        the task's own arrays, an entry a token: a word's number, a label
    """

    token_ids: NDArray[np.int32]
    segments: NDArray[np.uint8]
    origin: tuple[int, int] = (0, 0)
    labels: Array | None = None
    offsets: NDArray[np.int32] | None = None
    tokens_cut: int = 0
    shared_tokens: int = 0
    prompt_tokens: int = 0
    sentence_ends: NDArray[np.int32] | None = None
    partner: NDArray[np.int32] | None = None
    epoch: int | None = None
    partner_ends: NDArray[np.int32] | None = None
    parts: NDArray[np.int32] | None = None
    aligned: Mapping[str, Array] | None = None

    def __post_init__(self) -> None:
        """Refuse a row that no network could read."""
        if self.token_ids.ndim != 1 or self.token_ids.size == 0:
            raise DataError(
                f"a row needs token_ids of shape [tokens], tokens ≥ 1; got {self.token_ids.shape}"
            )
        if self.segments.shape != self.token_ids.shape:
            raise DataError(
                f"a row's segments need the shape of its token_ids {self.token_ids.shape}; "
                f"got {self.segments.shape}"
            )
        if self.parts is not None:
            self._check_parts(self.parts)
        if self.aligned is not None:
            self._check_aligned(self.aligned)

    def _check_aligned(self, arrays: Mapping[str, Array]) -> None:
        for name, array in arrays.items():
            if len(array) != self.token_ids.size:
                raise DataError(
                    f"a row of {self.token_ids.size} tokens needs as many entries of {name!r}; "
                    f"got {len(array)}"
                )

    def _check_parts(self, parts: NDArray[np.int32]) -> None:
        last = int(parts[-1]) if parts.size else 0
        if last != self.token_ids.size or (np.diff(parts, prepend=0) < 1).any():
            raise DataError(
                f"a row's parts must rise to its {self.token_ids.size} tokens, each with one at "
                f"least; got {parts.tolist()}"
            )

    def __len__(self) -> int:
        """The number of tokens."""
        return int(self.token_ids.size)


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Many sequences end to end.

    token_ids  int32 [tokens]
    segments   uint8 [tokens]
    ends       int32 [sequences], the exclusive end of each sequence, rising
    targets    the task's own arrays
    """

    token_ids: NDArray[np.int32]
    segments: NDArray[np.uint8]
    ends: NDArray[np.int32]
    targets: Mapping[str, Array] = field(default_factory=dict)

    @property
    def starts(self) -> NDArray[np.int32]:
        """int32 [sequences], where each sequence begins."""
        return np.concatenate((np.zeros(1, np.int32), self.ends[:-1]))

    @property
    def lengths(self) -> NDArray[np.int32]:
        """int32 [sequences], tokens of each sequence."""
        return np.diff(self.ends, prepend=np.int32(0)).astype(np.int32)

    @property
    def positions(self) -> NDArray[np.int32]:
        """int32 [tokens], the place of each token within its own sequence."""
        return np.arange(self.token_ids.size, dtype=np.int32) - np.repeat(self.starts, self.lengths)


def pack(rows: Sequence[Row], targets: Mapping[str, Array] | None = None) -> Packed:
    """Lay rows end to end, in the order given; of a row with parts, each is a sequence.

    Raises DataError if there are no rows.
    """
    if not rows:
        raise DataError("pack needs at least one row; got none")
    lengths = np.fromiter((len(row) for row in rows), np.int32, len(rows))
    ends = np.cumsum(lengths, dtype=np.int32)
    if any(row.parts is not None for row in rows):
        of_rows = [
            end - len(row) + row.parts if row.parts is not None else np.array([end], np.int32)
            for row, end in zip(rows, ends, strict=True)
        ]
        ends = np.concatenate(of_rows).astype(np.int32)
    return Packed(
        token_ids=np.concatenate([row.token_ids for row in rows]).astype(np.int32, copy=False),
        segments=np.concatenate([row.segments for row in rows]).astype(np.uint8, copy=False),
        ends=ends,
        targets=dict(targets or {}),
    )


def row_labels(rows: Sequence[Row], kind: type[np.generic]) -> Array | None:
    """The rows' own labels, stacked, as numbers of this kind; None where no row has any.

    Raises DataError where some rows have labels, and others none.
    """
    found = [row.labels for row in rows if row.labels is not None]
    if found and len(found) != len(rows):
        raise DataError(f"{len(rows) - len(found)} of {len(rows)} rows have no label")
    return np.array(found, kind) if found else None


def aligned(rows: Sequence[Row], name: str) -> Array:
    """An array of the rows' own by its name, end to end as `pack` lays the rows.

    Raises DataError for a row that has none of that name.
    """
    found = [(row.aligned or {}).get(name) for row in rows]
    given = [array for array in found if array is not None]
    if len(given) != len(rows):
        raise DataError(f"{len(rows) - len(given)} of {len(rows)} rows have no {name!r}")
    return np.concatenate(given)


def joined(rows: Sequence[Row], labels: Array | None = None) -> Row:
    """Several sequences as one row, to be learnt from and answered together.

    Its tokens_cut is the sum of theirs; its labels are those given.
    """
    return Row(
        np.concatenate([row.token_ids for row in rows]),
        np.concatenate([row.segments for row in rows]),
        labels=labels,
        tokens_cut=sum(row.tokens_cut for row in rows),
        parts=np.cumsum([len(row) for row in rows], dtype=np.int32),
    )


def unpack(packed: Packed) -> list[Row]:
    """The rows of a pack, in its order; origins, labels and offsets stay with the caller."""
    return [
        Row(token_ids, segments)
        for token_ids, segments in zip(
            split(packed.token_ids, packed), split(packed.segments, packed), strict=True
        )
    ]


def split(array: Array, packed: Packed) -> list[Array]:
    """Cut an array of [tokens, …] into views, one a sequence."""
    if len(array) != packed.token_ids.size:
        raise DataError(
            f"split needs an array over {packed.token_ids.size} tokens; got {len(array)}"
        )
    return np.split(array, packed.ends[:-1])


def batches_by_tokens(lengths: Sequence[int] | Array, batch_tokens: int) -> list[NDArray[np.intp]]:
    """Group sequences into batches of at most batch_tokens tokens, the longest first.

    Like lengths stand together, which is what the attention kernels like best; a sequence longer
    than batch_tokens makes a batch of its own. Every index occurs exactly once. Equal lengths keep
    their order, so that the grouping depends on nothing but the lengths.
    """
    if batch_tokens < 1:
        raise DataError(f"batch_tokens must be at least 1; got {batch_tokens}")
    sizes = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(-sizes, kind="stable")
    batches: list[NDArray[np.intp]] = []
    start, tokens = 0, 0
    for place, index in enumerate(order):
        if tokens and tokens + sizes[index] > batch_tokens:
            batches.append(order[start:place])
            start, tokens = place, 0
        tokens += int(sizes[index])
    if start < len(order):
        batches.append(order[start:])
    return batches
