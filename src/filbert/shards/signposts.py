"""Where the sentences and documents of a shard end, known without holding all the ends.

A shard says how long each of its sentences is, not where it lies. Here the sum of the lengths is
kept at every 256th of them; what lies between is added up when it is asked for.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STRIDE = 256


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Sizes of things that lie end to end, as a shard holds them.

    small  uint8 [things]; 0 stands for one of 256 or more
    large  uint32 [large things], the sizes of those, in their order
    """

    small: NDArray[Any]
    large: NDArray[Any]


class Signposts:
    """Every 256th end of things that lie end to end; about 16 bytes for each of these.

    total  the end of the last thing
    """

    def __init__(self, counts: Counts):
        """Add the sizes up, in one pass."""
        starts = np.arange(0, len(counts.small), _STRIDE)
        sizes = np.add.reduceat(counts.small, starts, dtype=np.int64)
        larges = np.add.reduceat(counts.small == 0, starts, dtype=np.int64)
        self._large_before = np.concatenate(([0], np.cumsum(larges)))
        large_ends = np.concatenate(([0], np.cumsum(counts.large, dtype=np.int64)))
        sizes += np.diff(large_ends[np.minimum(self._large_before, len(counts.large))])
        self._before: NDArray[np.int64] = np.concatenate(([0], np.cumsum(sizes)))
        self.total = int(self._before[-1])
        self._last: tuple[int, NDArray[np.int64]] = (-1, self._before)

    def thing_at(self, place: int, counts: Counts) -> tuple[int, int, int]:
        """The number of the thing in which a place lies, 0 ≤ place < total; its start and end."""
        block = int(self._before.searchsorted(place, "right")) - 1
        ends = self._ends_of(block, counts)
        within = int(ends.searchsorted(place, "right"))
        start = ends[within - 1] if within else self._before[block]
        return block * _STRIDE + within, int(start), int(ends[within])

    def start_of(self, number: int, counts: Counts) -> int:
        """Where a thing begins; the end of the last one for the number of things."""
        block, within = divmod(number, _STRIDE)
        if not within:
            return int(self._before[block])
        return int(self._ends_of(block, counts)[within - 1])

    def ends_between(self, start: int, stop: int, counts: Counts) -> NDArray[np.int64]:
        """The ends that lie behind `start`, up to the first that is not before `stop`."""
        block = int(self._before.searchsorted(start, "right")) - 1
        ends = self._ends_of(block, counts)
        while ends[-1] < stop:
            block += 1
            ends = np.concatenate((ends, self._ends_of(block, counts)))
        first, last = ends.searchsorted((start + 1, stop))
        return ends[first : last + 1]

    def _ends_of(self, block: int, counts: Counts) -> NDArray[np.int64]:
        """The ends of the things between two signposts; one asks for the same ones repeatedly."""
        known, ends = self._last
        if known == block:
            return ends
        sizes = counts.small[block * _STRIDE : (block + 1) * _STRIDE].astype(np.int64)
        first, stop = self._large_before[block], self._large_before[block + 1]
        if first < stop:
            sizes[sizes == 0] = counts.large[first:stop]
        sizes[0] += self._before[block]
        ends = sizes.cumsum()
        self._last = block, ends
        return ends


class Breaks:
    """The ends of a shard's sentences, and of its documents.

    The counts are handed in each time: they lie in the shard's file, which may have been closed.
    totals  the tokens of all sentences, the sentences of all documents
    """

    def __init__(self, sentences: Counts, documents: Counts):
        """Of the tokens of each sentence and the sentences of each document."""
        self._sentences, self._documents = Signposts(sentences), Signposts(documents)
        self.totals = self._sentences.total, self._documents.total

    def sentence_ends(self, start: int, stop: int, sentences: Counts) -> NDArray[np.int64]:
        """Where sentences end after token `start`, up to `stop`, which counts as an end."""
        return np.minimum(self._sentences.ends_between(start, stop, sentences), stop)

    def document_at(self, token: int, sentences: Counts, documents: Counts) -> tuple[int, int, int]:
        """The number of the document in which a token lies, and its tokens' start and stop."""
        sentence, _, _ = self._sentences.thing_at(token, sentences)
        number, first, last = self._documents.thing_at(sentence, documents)
        start, stop = (self._sentences.start_of(n, sentences) for n in (first, last))
        return number, start, stop
