"""Rows in memory, and parts of other sources."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filbert.batch import Row
from filbert.errors import DataError
from filbert.shards import Lengths, Permutation, RowSource


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
        return digest.hexdigest()


class Blocks:
    """Blocks of neighbouring rows that are set aside.

    starts  int64 [blocks], where each begins, rising
    """

    def __init__(self, rows: int, starts: NDArray[np.int64], size: int):
        """Of so many rows in all; the last block may be cut short by their end."""
        self.starts = np.sort(starts)
        stops = np.minimum(self.starts + size, rows)
        self._stops = stops
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

    def aside(self) -> NDArray[np.int64]:
        """The rows that are set aside."""
        spans = zip(self.starts.tolist(), self._stops.tolist(), strict=True)
        return np.concatenate([np.arange(start, stop) for start, stop in spans])


class Part:
    """A source without some of its rows: blocks of neighbours are left out.

    What is held in memory is the blocks; rows are numbered without gaps, in their order.
    """

    def __init__(self, source: RowSource, without: Blocks):
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
        return self._source.row(int(self._without.kept(np.int64(index))))


class _PartLengths:
    """The lengths of a part's rows, asked for by number."""

    def __init__(self, source: RowSource, without: Blocks):
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
    found = Blocks(rows, chosen * size, size)
    if not len(found):
        raise DataError(f"{rows} rows are too few to split a dev set off; give one with dev=")
    return found
