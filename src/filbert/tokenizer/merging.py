"""The merges of WordPiece training, exact: 64-bit counts, and no tie left to chance.

`tokenizers` has a trainer, which takes nothing but text (a word that occurs 5·10⁹ times would have
to be written down as often), counts pairs in 32 bits and silently loses the top pair beyond that
(its issue #2058), and keeps its queue in the order of a hash table. Here the counts themselves are
taken, and numpy does the work; a test compares the outcome with that trainer's.

The algorithm is byte-pair encoding (Sennrich et al. 2016) on words as WordPiece writes them: the
most frequent pair of neighbours becomes a piece, again and again.
"""

import heapq
import sys
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from filbert.errors import DataError
from filbert.tokenizer.rules import CONTINUING

_MOST = 2**63 - 1
_HALF = 32  # bits of a piece's id in a pair's key
_Ints = NDArray[np.signedinteger]


def merge_pieces(
    words: Mapping[str, int], first: Sequence[str], vocab_size: int, min_frequency: int
) -> list[str]:
    """The pieces that are made by merging, in the order in which they are made.

    words: word → how often it occurs; all its characters stand in `first`, as x and ##x.
    first: the pieces that are there already, by id.
    vocab_size: with `first`; fewer where no pair is left that occurs min_frequency times.
    Ties: of two pairs that occur equally often, the one whose left piece is older, then the one
    whose right piece is older.
    Raises DataError where the counts do not fit in 64 bits.
    """
    total = sum(count * len(word) for word, count in words.items())
    if total > _MOST:
        raise DataError(
            f"word counts: {total:,} characters in all; expected at most {_MOST:,}, for pairs are "
            "counted in 64 bits"
        )
    ids = {piece: number for number, piece in enumerate(first)}
    text = _Text({word: count for word, count in words.items() if len(word) > 1}, ids)
    pieces, found = list(first), len(first)
    queue = [(-count, pair) for pair, count in text.counts.items() if count >= min_frequency]
    heapq.heapify(queue)
    while queue and len(pieces) < vocab_size:
        negative, pair = heapq.heappop(queue)
        count = text.counts.get(pair, 0)
        if count != -negative:  # it has changed since it was put there
            if count >= min_frequency:
                heapq.heappush(queue, (-count, pair))
            continue
        left, right = pair >> _HALF, pair & (2**_HALF - 1)
        piece = pieces[left] + pieces[right].removeprefix(CONTINUING)
        # ab + c and a + bc are one piece.
        number = ids.setdefault(piece, len(pieces))
        if number == len(pieces):
            pieces.append(piece)
        for changed, count in text.merge(left, right, number):
            if count >= min_frequency:
                heapq.heappush(queue, (-count, changed))
    return pieces[found:]


class _Text:
    """All words end to end as pieces, each place linked with its neighbours in the word.

    piece   int32 [places], the piece that begins here; -1 where one was merged into its left
    before  int32 [places], the place of the neighbour; -1 at the ends of a word
    behind  the same on the right
    weight  int64 [places], how often the word occurs
    counts  pair → how often it occurs; a pair is written left · 2³² + right
    places  pair → where it begins; some places may have changed since
    """

    def __init__(self, words: Mapping[str, int], ids: Mapping[str, int]):
        ordered = sorted(words)
        lengths = np.fromiter((len(word) for word in ordered), np.int64, len(ordered))
        ends = np.cumsum(lengths)
        begins = ends - lengths
        self.piece = _pieces("".join(ordered), begins, ids)
        size = len(self.piece)
        self.before = np.arange(-1, size - 1, dtype=np.int32)
        self.behind = np.arange(1, size + 1, dtype=np.int32)
        self.before[begins] = -1
        self.behind[ends - 1] = -1
        counts = np.fromiter((words[word] for word in ordered), np.int64, len(ordered))
        self.weight = np.repeat(counts, lengths)
        self.counts: dict[int, int] = {}
        self.places: dict[int, list[_Ints]] = {}
        for _ in self._add(np.flatnonzero(self.behind >= 0).astype(np.int32)):
            pass

    def merge(self, left: int, right: int, piece: int) -> Iterator[tuple[int, int]]:
        """Write one piece for two everywhere; the pairs that came up, with their counts."""
        at = self._where(left, right)
        second = self.behind[at]
        behind, before = self.behind[second], self.before[at]
        old = np.unique(np.concatenate([before[before >= 0], at, second[behind >= 0]]))
        for pair, places in self._by_pair(old):
            self.counts[pair] -= int(self.weight[places].sum())
            if not self.counts[pair]:
                del self.counts[pair]
                self.places.pop(pair, None)
        self.piece[at], self.piece[second] = piece, -1
        self.behind[at] = behind
        inner = behind >= 0
        self.before[behind[inner]] = at[inner]
        before = self.before[at]
        yield from self._add(np.unique(np.concatenate([before[before >= 0], at[inner]])))

    def _where(self, left: int, right: int) -> _Ints:
        """The places where a pair begins now, in order, none inside another."""
        at: _Ints = np.sort(np.concatenate(self.places.pop(left << _HALF | right)))
        at = at[self.piece[at] == left]
        second = self.behind[at]
        at = at[(second >= 0) & (self.piece[second] == right)]
        if left == right and len(at) > 1:
            # a a a: the first two are a pair, the last two are not.
            follows = np.concatenate([[False], self.behind[at[:-1]] == at[1:]])
            number = np.arange(len(at))
            begun = np.maximum.accumulate(np.where(follows, 0, number))
            at = at[(number - begun) % 2 == 0]
        return at

    def _add(self, starts: _Ints) -> Iterator[tuple[int, int]]:
        """Count the pairs that begin at some places; each with all that it has now."""
        for pair, places in self._by_pair(starts):
            count = self.counts.get(pair, 0) + int(self.weight[places].sum())
            self.counts[pair] = count
            self.places.setdefault(pair, []).append(places)
            yield pair, count

    def _by_pair(self, starts: _Ints) -> Iterator[tuple[int, _Ints]]:
        """Places that begin a pair, by pair."""
        if not len(starts):
            return
        pairs = self.piece[starts].astype(np.int64) << _HALF | self.piece[self.behind[starts]]
        order = np.argsort(pairs, kind="stable").astype(np.int32)
        pairs, starts = pairs[order], starts[order]
        cuts = np.flatnonzero(pairs[1:] != pairs[:-1]) + 1
        for pair, begin, end in zip(
            pairs[np.r_[0, cuts]].tolist(), [0, *cuts], [*cuts, len(pairs)], strict=True
        ):
            yield pair, starts[begin:end]


def _pieces(text: str, begins: _Ints, ids: Mapping[str, int]) -> NDArray[np.int32]:
    """The id of each character's piece: x where a word begins, else ##x."""
    characters = np.frombuffer(text.encode("utf-32-le"), "<u4")
    starting, following = (np.full(sys.maxunicode + 1, -1, np.int32) for _ in range(2))
    for piece, number in ids.items():
        letter = piece.removeprefix(CONTINUING) or piece
        if len(letter) == 1:
            (starting if letter == piece else following)[ord(letter)] = number
    pieces: NDArray[np.int32] = following[characters]
    pieces[begins] = starting[characters[begins]]
    return pieces
