"""The steps' batches, one after another; for a GPU the next one is made while this one computes."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from filbert.batch import Packed, Row, batches_by_tokens
from filbert.shards import ReadState, RowSource, read_batches
from filbert.tasks import Task
from filbert.train.ranks import Ranks
from filbert.train.training import Training


@dataclass(frozen=True)
class Pieces:
    """A step's rows in packs of at most so many tokens, longer rows alone.

    lengths  of the rows
    """

    packs: Sequence[Packed]
    micro_tokens: int
    lengths: Sequence[int]


@dataclass(frozen=True)
class Drawn:
    """A step's batch.

    begun  the part of the budget for which it was drawn: its size, its rows' length and its masking
           follow from that
    phase  of the rows' length
    rows   this rank's; perhaps none
    epoch  in which they are read
    after  where the data go on after it
    pieces  the rows, or where there are none a spare one, as the network reads them
    """

    begun: float
    phase: int
    rows: Sequence[Row]
    epoch: int
    after: ReadState
    pieces: Pieces


class Drawing:
    """Draws steps; what it draws depends on the parts of the budget that it is asked for alone."""

    def __init__(
        self,
        task: Task,
        phases: Sequence[RowSource],
        settings: Training,
        ranks: Ranks,
        *,
        read: ReadState,
        phase: int,
    ):
        """Go on from a state. phases: the rows of each length phase, one at least."""
        self._task, self._phases, self._settings, self._ranks = task, phases, settings, ranks
        self._read, self._phase, self._begun = read, phase, 0.0
        self._batches: Iterator[tuple[list[Row], ReadState]] | None = None
        self._thread = ThreadPoolExecutor(1, "filbert-draw")
        self._next: Future[Drawn] | None = None

    def draw(self, begun: float, micro_tokens: int) -> Drawn:
        """The batch of the step that is made at this part of the budget."""
        if self._next is not None:
            drawn = self._next.result()
            self._next = None
            return drawn
        return self._draw(begun, micro_tokens)

    def draw_ahead(self, begun: float, micro_tokens: int) -> None:
        """Begin to draw the step after the one that was drawn last, on a thread."""
        self._next = self._thread.submit(self._draw, begun, micro_tokens)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)

    def pieces(self, rows: Sequence[Row], begun: float, epoch: int, micro_tokens: int) -> Pieces:
        """Rows as the network reads them at this part of the budget, cut in pieces."""
        task, lengths = self._task.at(begun), [len(row) for row in rows]
        cut = batches_by_tokens(lengths, micro_tokens)
        packs = [task.batch([rows[i] for i in piece], self._settings.seed, epoch) for piece in cut]
        return Pieces(packs, micro_tokens, lengths)

    def _draw(self, begun: float, micro_tokens: int) -> Drawn:
        phase = self._settings.phase_at(begun) if len(self._phases) > 1 else 0
        if phase != self._phase:
            # Of other rows there is no place to go on from: they begin with an epoch of their own.
            self._read, self._phase, self._batches = ReadState(self._read.epoch + 1, 0), phase, None
        self._begun = begun
        if self._batches is None:
            self._batches = self._read_on()
        epoch = self._read.epoch
        rows, self._read = next(self._batches)
        source = self._phases[phase]
        pieces = self.pieces(rows or [source.row(0)], begun, epoch, micro_tokens)
        return Drawn(begun, phase, rows, epoch, self._read, pieces)

    def _read_on(self) -> Iterator[tuple[list[Row], ReadState]]:
        return read_batches(
            self._phases[self._phase],
            batch_tokens=lambda: self._settings.batch_tokens_at(self._begun),
            seed=self._settings.seed,
            state=self._read,
            rank=self._ranks.rank,
            world=self._ranks.world,
        )
