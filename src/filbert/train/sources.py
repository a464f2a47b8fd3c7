"""Rows in memory, and parts of other sources."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filbert.batch import Row
from filbert.errors import DataError
from filbert.shards import Documented, DocumentRows, Lengths, Permutation, ShardReader
from filbert.shards.batches import row_in


class RowList:
    """Rows in memory; each gets its number as its origin, so that chance treats it as its own."""

    def __init__(self, rows: Sequence[Row]):
        """Hold the rows. Raises DataError if there are none."""
        if not rows:
            raise DataError("expected at least one row to learn from, got none")
        self._rows = [replace(row, origin=(0, number)) for number, row in enumerate(rows)]
        self.lengths: NDArray[np.int32] = np.array([len(row) for row in rows], np.int32)

    def row(self, index: int) -> Row:
        """One row by its number."""
        return self._rows[index]

    def digest(self) -> str:
        """What these rows are, in one number: SHA-256 over tokens and labels."""
        digest = hashlib.sha256()
        for row in self._rows:
            digest.update(np.int64(len(row)).tobytes() + row.token_ids.tobytes())
            digest.update(row.segments.tobytes())
            digest.update(b"" if row.labels is None else row.labels.tobytes())
            digest.update(b"" if row.parts is None else row.parts.tobytes())
            for name, array in sorted((row.aligned or {}).items()):
                digest.update(name.encode() + array.tobytes())
        return digest.hexdigest()


class Blocks:
    """Blocks of neighbouring rows that are set aside.

    starts  int64 [blocks], where each begins, rising
    """

    def __init__(self, rows: int, starts: NDArray[np.int64], stops: NDArray[np.int64]):
        """Of so many rows in all, which do not overlap."""
        self.starts, self._stops = starts, stops
        # How many rows stay before each block.
        self._kept_before = self.starts - np.concatenate(([0], np.cumsum(stops - self.starts)))[:-1]
        self._kept = rows - int((stops - self.starts).sum())

    def __len__(self) -> int:
        """How many rows stay."""
        return self._kept

    def kept(self, numbers: NDArray[np.int64] | np.int64) -> NDArray[np.int64]:
        """The rows that stay, by their new numbers."""
        blocks = np.searchsorted(self._kept_before, numbers, side="right")
        before = np.concatenate(([0], np.cumsum(self._stops - self.starts)))
        return np.asarray(numbers + before[blocks], np.int64)

    def kept_before(self, row: int) -> int:
        """How many rows that stay lie before a row: its new number, if it stays."""
        block = int(np.searchsorted(self.starts, row, side="left")) - 1
        if block < 0:
            return row
        return int(self._kept_before[block]) + max(0, row - int(self._stops[block]))

    def aside(self) -> NDArray[np.int64]:
        """The rows that are set aside."""
        spans = zip(self.starts.tolist(), self._stops.tolist(), strict=True)
        return np.concatenate([np.arange(start, stop) for start, stop in spans])


class Part:
    """A source without some of its rows: blocks of neighbours are left out.

    What is held in memory is the blocks; rows are numbered without gaps, in their order.
    """

    def __init__(self, source: Documented, without: Blocks):
        """Leave blocks out. Raises DataError if no row stays."""
        self._source, self._without = source, without
        if not len(without):
            raise DataError("expected at least one row to learn from, got none")
        self.lengths: Lengths = _PartLengths(source, without)

    @property
    def digest(self) -> str:
        """What these rows are."""
        return f"{getattr(self._source, 'digest', '')} without {self._without.starts.tolist()}"

    def row(self, index: int) -> Row:
        """One row by its number within the part."""
        return self._source.row(self._number(index))

    def row_at(self, index: int, seed: int, epoch: int) -> Row:
        """The same as it is in an epoch, where the source's rows change."""
        return row_in(self._source, self._number(index), seed, epoch)

    def sentence_ends(self, index: int) -> NDArray[np.int32]:
        """The exclusive end of each sentence of a row."""
        return self._source.sentence_ends(self._number(index))

    def document(self, index: int) -> DocumentRows:
        """The rows that stay of the document that a row is of."""
        own = self._source.document(self._number(index))
        first, stop = (self._without.kept_before(row) for row in (own.first, own.stop))
        return DocumentRows(first, stop)

    def language(self, index: int) -> str:
        """The language of a row's document."""
        return self._source.language(self._number(index))

    def _number(self, index: int) -> int:
        return int(self._without.kept(np.int64(index)))


class _PartLengths:
    """The lengths of a part's rows, asked for by number."""

    def __init__(self, source: Documented, without: Blocks):
        self._source, self._without = source, without

    def __len__(self) -> int:
        return len(self._without)

    def __getitem__(self, index: Any) -> Any:
        return self._source.lengths[self._without.kept(np.asarray(index, np.int64))]


def split_off(
    rows: int, *, seed: int, dev_fraction: float = 0.01, dev_rows: int = 1000, block: int = 32
) -> Blocks:
    """Some blocks of neighbouring rows to score on, chosen by the seed.

    Blocks, because neighbours come from one document: single rows would leave their context in the
    training part. They have at most dev_rows rows, about dev_fraction of all, at least one row.
    Raises DataError where nothing would stay.
    """
    wanted = max(1, min(dev_rows, round(rows * dev_fraction)))
    size = max(1, min(block, wanted))
    blocks = -(-rows // size)
    # A permutation that is known place by place: no list of all blocks is made.
    chosen = Permutation(blocks, seed, 0)(np.arange(min(blocks, max(1, wanted // size))))
    starts = np.sort(chosen * size)
    found = Blocks(rows, starts, np.minimum(starts + size, rows))
    if not len(found):
        raise DataError(f"{rows} rows are too few to split a dev set off; give one (--dev)")
    return found


def same_text(rows: NDArray[np.int64], reader: ShardReader, other: ShardReader) -> Blocks:
    """Rows of one reader as blocks of another's, which cuts the same shards at other lengths.

    A row of the other one is set aside if it has any token of these rows: what is scored in one
    cut is not learnt in another. rows: rising.
    """
    starts: list[int] = []
    stops: list[int] = []
    for index in rows.tolist():
        found = other.rows_over(*reader.tokens_of(index))
        if stops and found.start <= stops[-1]:
            stops[-1] = max(stops[-1], found.stop)
        else:
            starts.append(found.start)
            stops.append(found.stop)
    return Blocks(len(other), np.array(starts, np.int64), np.array(stops, np.int64))
