"""Rows in memory, and parts of other sources."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from filbert.batch import Row
from filbert.errors import DataError
from filbert.shards import RowSource


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


class Part:
    """Some rows of another source, in the order of the numbers given."""

    def __init__(self, source: RowSource, indices: NDArray[np.int64]):
        """Hold the numbers. Raises DataError if there are none."""
        if not len(indices):
            raise DataError("expected at least one row to learn from, got none")
        self._source, self._indices = source, indices
        self.lengths: NDArray[np.int32] = source.lengths[indices]

    def row(self, index: int) -> Row:
        """One row by its number within the part."""
        return self._source.row(int(self._indices[index]))


def split_off(
    rows: int, *, seed: int, dev_fraction: float = 0.01, dev_rows: int = 1000, block: int = 32
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(train, dev) row numbers: dev is some blocks of neighbouring rows, chosen by the seed.

    Blocks, because neighbours come from one document: single rows would leave their context in the
    training part. dev has at most dev_rows rows, about dev_fraction of all, at least one row.
    """
    wanted = max(1, min(dev_rows, round(rows * dev_fraction)))
    size = max(1, min(block, wanted))
    blocks = -(-rows // size)
    chosen = np.random.default_rng(seed).permutation(blocks)[: max(1, wanted // size)]
    is_dev = np.zeros(rows, bool)
    for number in chosen:
        is_dev[number * size : (number + 1) * size] = True
    if is_dev.all():
        raise DataError(f"{rows} rows are too few to split a dev set off; give one with dev=")
    return np.flatnonzero(~is_dev), np.flatnonzero(is_dev)
