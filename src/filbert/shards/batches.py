"""Rows → batches without end: shuffled, resumable at any place, shared out among ranks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from filbert.batch import Row
from filbert.errors import DataError, SettingsError
from filbert.shards.permutation import Permutation

_FETCHED_ROWS = 1024


@dataclass(frozen=True, slots=True)
class ReadState:
    """A place in the endless stream: the epoch, and how many of its rows are behind.

    It is the same for all ranks and says nothing of their number.
    """

    epoch: int = 0
    position: int = 0


class RowSource(Protocol):
    """Rows that can be had in any order."""

    @property
    def lengths(self) -> NDArray[np.int32]:
        """The tokens of each row, special tokens included: int32 [rows]."""

    def row(self, index: int) -> Row:
        """One row by its number."""


def read_batches(
    source: RowSource,
    *,
    batch_tokens: int,
    seed: int,
    state: ReadState | None = None,
    rank: int = 0,
    world: int = 1,
) -> Iterator[tuple[list[Row], ReadState]]:
    """Batches for ever, each with the state from which the one after it follows.

    An epoch is a permutation of all rows, chosen by (seed, epoch). The global batch is its next
    rows until batch_tokens would be exceeded; a single longer row makes a batch of its own, and
    the last batch of an epoch may be small. A rank gets every world-th row of the global batch,
    from number `rank` on; that may be none at all. So the global batches depend on neither rank
    nor world, and resuming with another world is exact.

    state: where to go on; None is the beginning.
    Raises SettingsError for numbers that cannot be, DataError for a source without rows and for a
    state that lies outside the source.
    """
    if batch_tokens < 1:
        raise SettingsError(f"batch_tokens: expected 1 or more, got {batch_tokens}")
    if not 0 <= rank < world:
        raise SettingsError(f"expected 0 ≤ rank < world, got rank {rank} and world {world}")
    state = state or ReadState()
    rows = len(source.lengths)
    if rows == 0:
        raise DataError("expected a source with at least one row, got none")
    if state.epoch < 0 or not 0 <= state.position <= rows:
        raise DataError(
            f"the reading state (epoch {state.epoch}, position {state.position}) does not fit "
            f"{rows:,} rows; it comes from other data or another max_tokens"
        )
    return _batches(source, batch_tokens, seed, state, slice(rank, None, world))


def _batches(
    source: RowSource, batch_tokens: int, seed: int, state: ReadState, mine: slice
) -> Iterator[tuple[list[Row], ReadState]]:
    lengths = source.lengths
    epoch, position = state.epoch, state.position
    while True:
        order = Permutation(len(lengths), seed, epoch)
        for indices in _global_batches(order, lengths, batch_tokens, position):
            position += len(indices)
            done = position == len(lengths)
            after = ReadState(epoch + 1, 0) if done else ReadState(epoch, position)
            yield [source.row(int(index)) for index in indices[mine]], after
        epoch, position = epoch + 1, 0


def _global_batches(
    order: Permutation, lengths: NDArray[np.int32], batch_tokens: int, position: int
) -> Iterator[NDArray[np.int64]]:
    """The row numbers of each batch, from a position of an epoch to its end."""
    pending = np.zeros(0, np.int64)
    while position < order.size or pending.size:
        ends = np.cumsum(lengths[pending], dtype=np.int64)
        while position < order.size and (not ends.size or ends[-1] <= batch_tokens):
            stop = min(position + _FETCHED_ROWS, order.size)
            pending = np.concatenate((pending, order(np.arange(position, stop))))
            ends = np.cumsum(lengths[pending], dtype=np.int64)
            position = stop
        size = max(1, int(np.searchsorted(ends, batch_tokens, side="right")))
        yield pending[:size]
        pending = pending[size:]
