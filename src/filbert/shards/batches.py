"""Rows → batches without end: shuffled, resumable at any place, shared out among ranks."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from filbert.batch import Row
from filbert.errors import DataError, SettingsError
from filbert.shards.permutation import Permutation

_FETCHED_ROWS = 1024


@dataclass(frozen=True, slots=True)
class ReadState:
    """A place in the endless stream: the epoch, how many of its rows are behind, and which stream.

    It is the same for all ranks and says nothing of their number. The key says by which seed and
    of which rows the order is; "" (a state from before there were keys) goes with any.
    """

    epoch: int = 0
    position: int = 0
    key: str = field(default="", compare=False)


class Lengths(Protocol):
    """The tokens of rows, by number; in memory or not."""

    def __len__(self) -> int:
        """How many rows an epoch has."""

    def __getitem__(self, index: Any) -> Any:
        """Those of some rows: int64 [n] → int32 [n]."""


class Order(Protocol):
    """Which rows an epoch reads, one after another."""

    def __call__(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows at some places of the epoch: int64 [positions] → int64 [positions]."""


class RowSource(Protocol):
    """Rows that can be had in any order."""

    @property
    def lengths(self) -> Lengths:
        """The tokens of each row, special tokens included."""

    def row(self, index: int) -> Row:
        """One row by its number."""


@runtime_checkable
class Drawn(Protocol):
    """A source whose rows are not the same in every epoch."""

    def row_at(self, index: int, seed: int, epoch: int) -> Row:
        """One row by its number, as it is in an epoch."""


@runtime_checkable
class Ordered(Protocol):
    """A source that says itself in which order an epoch reads its rows."""

    def order(self, seed: int, epoch: int) -> Order:
        """The order of an epoch."""


def read_batches(
    source: RowSource,
    *,
    batch_tokens: int | Callable[[], int],
    seed: int,
    state: ReadState | None = None,
    rank: int = 0,
    world: int = 1,
) -> Iterator[tuple[list[Row], ReadState]]:
    """Batches for ever, each with the state from which the one after it follows.

    An epoch is a permutation of all rows, chosen by (seed, epoch), or what an Ordered source says
    (a Mixture). Where the rows themselves change with the epoch (Paired), they are those of this
    one. The global batch is its next rows until batch_tokens would be exceeded; a single longer row
    makes a batch of its own, and the last batch of an epoch may be small. A rank gets every
    world-th row of the global batch, from number `rank` on; that may be none at all. So the global
    batches depend on neither rank nor world, and resuming with another world is exact.

    batch_tokens: or what gives it, asked before each batch: batches may grow.
    state: where to go on; None is the beginning.
    Raises SettingsError for numbers that cannot be, DataError for a source without rows and for a
    state that lies outside the source, or is of another seed or other rows.
    """
    if isinstance(batch_tokens, int) and batch_tokens < 1:
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
    key = _key(source, seed)
    if state.key not in ("", key):
        raise DataError(
            f"the reading state is of another order of rows: its key is {state.key}, and that of "
            f"these data with the seed {seed} is {key}"
        )
    fixed = batch_tokens
    ask = (lambda: fixed) if isinstance(fixed, int) else fixed
    return _batches(source, ask, seed, state, slice(rank, None, world), key)


def _key(source: RowSource, seed: int) -> str:
    """What decides about the order of the rows, in 16 digits."""
    digest = getattr(source, "digest", "")
    said = f"{seed} {len(source.lengths)} {digest() if callable(digest) else digest}"
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


def _batches(
    source: RowSource, ask: Callable[[], int], seed: int, state: ReadState, mine: slice, key: str
) -> Iterator[tuple[list[Row], ReadState]]:
    lengths = source.lengths
    epoch, position = state.epoch, state.position
    while True:
        order: Order = (
            source.order(seed, epoch)
            if isinstance(source, Ordered)
            else Permutation(len(lengths), seed, epoch)
        )
        for indices in _global_batches(order, lengths, ask, position):
            position += len(indices)
            done = position == len(lengths)
            after = ReadState(epoch + 1, 0, key) if done else ReadState(epoch, position, key)
            yield [row_in(source, int(index), seed, epoch) for index in indices[mine]], after
        epoch, position = epoch + 1, 0


def row_in(source: RowSource, index: int, seed: int, epoch: int) -> Row:
    """One row by its number; where the source's rows change, as it is in this epoch."""
    return source.row_at(index, seed, epoch) if isinstance(source, Drawn) else source.row(index)


def _global_batches(
    order: Order, lengths: Lengths, ask: Callable[[], int], position: int
) -> Iterator[NDArray[np.int64]]:
    """The row numbers of each batch, from a position of an epoch to its end."""
    pending = np.zeros(0, np.int64)
    rows = len(lengths)
    while position < rows or pending.size:
        batch_tokens = ask()
        ends = np.cumsum(lengths[pending], dtype=np.int64)
        while position < rows and (not ends.size or ends[-1] <= batch_tokens):
            stop = min(position + _FETCHED_ROWS, rows)
            pending = np.concatenate((pending, order(np.arange(position, stop))))
            ends = np.cumsum(lengths[pending], dtype=np.int64)
            position = stop
        size = max(1, int(np.searchsorted(ends, batch_tokens, side="right")))
        yield pending[:size]
        pending = pending[size:]
