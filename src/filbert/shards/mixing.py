"""Several sources as one stream, each with its share."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filbert.batch import Row
from filbert.errors import DataError, SettingsError
from filbert.shards.batches import Lengths, Order, RowSource, row_in
from filbert.shards.permutation import Permutation

_BLOCK_ROWS = 1000
_SHARDS_A_SOURCE = 1 << 20  # room in a row's origin, so that no two sources share one


class Mixture:
    """Sources mixed by weight: of every 1,000 rows that are read, each gives its exact share.

    A source has epochs of its own: all of its rows, in a new order each time, before any comes
    again. So one with a large weight is read several times while another is read once. An epoch of
    the mixture is as many rows as all sources have together, rounded up to whole thousands. Which
    row comes next follows from the seed and its place alone: a ReadState is enough to go on.

    lengths  by row number, those of the sources end to end; its len is the rows of an epoch
    """

    def __init__(self, sources: Sequence[tuple[RowSource, float]]):
        """Take sources with their weights, of rows (not tokens).

        Raises SettingsError for a weight that is not above 0, or so small beside the others that it
        would give none of 1,000 rows; DataError for no source, or one without rows.
        """
        if not sources:
            raise DataError("expected at least one source to mix, got none")
        self._sources = [source for source, _ in sources]
        weights = [weight for _, weight in sources]
        for number, (source, weight) in enumerate(sources):
            if not 0 < weight < float("inf"):
                raise SettingsError(f"weight {number}: expected a number above 0, got {weight}")
            if not len(source.lengths):
                raise DataError(f"source {number}: expected at least one row, got none")
        self._quotas = _quotas(weights)
        if 0 in self._quotas:
            number = int(np.argmin(self._quotas))
            raise SettingsError(
                f"weight {number}: {weights[number]} of {sum(weights)} is less than one row in "
                f"{_BLOCK_ROWS}; mix fewer sources or raise it"
            )
        rows = [len(source.lengths) for source in self._sources]
        self._rows = np.array(rows, np.int64)
        self._firsts = np.concatenate(([0], np.cumsum(self._rows)[:-1]))
        self._all_rows = sum(rows)
        self._blocks = -(-sum(rows) // _BLOCK_ROWS)
        self.lengths: Lengths = _Lengths(self._sources, self._firsts, self._blocks * _BLOCK_ROWS)

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of each source in the rows that are read."""
        return tuple(quota / _BLOCK_ROWS for quota in self._quotas.tolist())

    @property
    def digest(self) -> str:
        """What is mixed, and how."""
        each = [str(getattr(source, "digest", "")) for source in self._sources]
        return f"{self._quotas.tolist()} {self._rows.tolist()} {' '.join(each)}"

    def row(self, index: int) -> Row:
        """One row by its number; its origin is its source's, moved to where no other's is."""
        _, number, within = self._place(index)
        return self._moved(number, self._sources[number].row(within))

    def row_at(self, index: int, seed: int, epoch: int) -> Row:
        """A row by a number out of `order`, as it is in the epoch of its source that it says.

        epoch, the mixture's, decides nothing: a small source is read several times in one.
        """
        own, number, within = self._place(index)
        row = row_in(self._sources[number], within, seed, own)
        return replace(self._moved(number, row), epoch=own)

    def _place(self, index: int) -> tuple[int, int, int]:
        """The epoch of a row's source, the source's number, and the row's number there."""
        own, index = divmod(index, self._all_rows)
        number = int(np.searchsorted(self._firsts, index, side="right")) - 1
        return own, number, index - int(self._firsts[number])

    @staticmethod
    def _moved(number: int, row: Row) -> Row:
        return replace(row, origin=(number * _SHARDS_A_SOURCE + row.origin[0], row.origin[1]))

    def order(self, seed: int, epoch: int) -> Order:
        """Which rows an epoch of the mixture reads, one after another.

        A row's number, plus that of all rows for each epoch of its source that is behind.
        """

        def rows(positions: NDArray[np.int64]) -> NDArray[np.int64]:
            found = np.empty(len(positions), np.int64)
            blocks = positions // _BLOCK_ROWS + epoch * self._blocks
            for block in np.unique(blocks):
                here = np.flatnonzero(blocks == block)
                found[here] = self._of_block(seed, int(block), positions[here] % _BLOCK_ROWS)
            return found

        return rows

    def _of_block(self, seed: int, block: int, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows at some slots of a block, counted from the first epoch's first."""
        drawn = Permutation(_BLOCK_ROWS, seed, -1 - block)(np.arange(_BLOCK_ROWS))
        owners = np.searchsorted(np.cumsum(self._quotas), drawn, side="right")
        # Of its own rows, this is the source's so-and-so-many-th in the whole stream.
        nths = np.empty(_BLOCK_ROWS, np.int64)
        for source, quota in enumerate(self._quotas.tolist()):
            nths[owners == source] = block * quota + np.arange(quota)
        owner, nth = owners[slots], nths[slots]
        found = np.empty(len(slots), np.int64)
        for source in np.unique(owner):
            mine = np.flatnonzero(owner == source)
            size = int(self._rows[source])
            epochs, places = np.divmod(nth[mine], size)
            for its_epoch in np.unique(epochs):
                at = mine[epochs == its_epoch]
                order = Permutation(size, seed, int(its_epoch))
                found[at] = self._firsts[source] + order(places[epochs == its_epoch])
                found[at] += its_epoch * self._all_rows
        return found


def _quotas(weights: Sequence[float]) -> NDArray[np.int64]:
    """How many rows of a block each source gives: the largest remainders are rounded up."""
    exact = np.array(weights, np.float64) / sum(weights) * _BLOCK_ROWS
    quotas = np.floor(exact).astype(np.int64)
    left = _BLOCK_ROWS - int(quotas.sum())
    quotas[np.argsort(-(exact - quotas), kind="stable")[:left]] += 1
    return quotas


class _Lengths:
    """The lengths of the rows of all sources, asked for by number."""

    def __init__(self, sources: Sequence[RowSource], firsts: NDArray[np.int64], epoch_rows: int):
        self._sources, self._firsts, self._epoch_rows = sources, firsts, epoch_rows
        self._all_rows = sum(len(source.lengths) for source in sources)

    def __len__(self) -> int:
        return self._epoch_rows

    def __getitem__(self, index: Any) -> Any:
        rows = np.atleast_1d(np.asarray(index)) % self._all_rows
        owner = np.searchsorted(self._firsts, rows, side="right") - 1
        found = np.empty(len(rows), np.int32)
        for source in np.unique(owner):
            mine = owner == source
            found[mine] = self._sources[source].lengths[rows[mine] - self._firsts[source]]
        return found if np.ndim(index) else found[0]
