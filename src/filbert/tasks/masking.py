"""Which tokens of a pack are hidden: single ones, whole words, or spans of either.

Everything is decided by numbers that belong to the tokens (filbert.tasks.chance), so what is hidden
in a row does not depend on the rows beside it. What follows is written as one would do it row by
row and unit by unit, but is computed for all rows at once; tests compare it with the plain loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from filbert.batch import Packed
from filbert.tasks.chance import Numbers, fractions, token_numbers

Unit = Literal["token", "word"]
"""What is hidden as a whole: a token, or all the tokens of a whole word."""

Spans = Literal["single", "ngram", "geometric"]
"""How many units in a row are hidden together."""

_GEOMETRIC, _LONGEST = 0.2, 10
SPAN_SHARES: dict[Spans, tuple[float, ...]] = {
    "single": (1.0,),
    "ngram": (0.4, 0.3, 0.2, 0.1),
    "geometric": tuple(
        _GEOMETRIC * (1 - _GEOMETRIC) ** n / (1 - (1 - _GEOMETRIC) ** _LONGEST)
        for n in range(_LONGEST)
    ),
}
"""How likely a span of 1, 2, … units is.

ngram: MacBERT (Cui et al. 2020, section 3.1). geometric: SpanBERT (Joshi et al. 2020, section 3.1),
p = 0.2, none longer than 10, so that the mean is 3.8.
"""

_CHOICE, _LENGTH = 1, 4
_Flags = NDArray[np.bool_]
_Places = NDArray[np.int64]


@dataclass(frozen=True)
class Hidden:
    """The tokens to hide.

    positions  int64 [masked], places in the pack, rising
    leaders    int64 [masked], the token that each one's span was drawn at: one for all of a span
    """

    positions: _Places
    leaders: _Places


def choose_hidden(
    packed: Packed,
    origins: Sequence[tuple[int, int]],
    seed: int,
    epoch: int | Numbers,
    *,
    maskable: _Flags,
    mask_fraction: float,
    words: NDArray[np.int32] | None = None,
    spans: Spans = "single",
) -> Hidden:
    """The tokens to hide in each row: mask_fraction of those that may be, at least one.

    maskable  bool [tokens], which tokens may be hidden
    words     int32 [tokens], the whole word of each token, another number for each word of the
              pack, -1 where there is none; None: each token is a unit of its own
    spans     how many units are hidden together

    Units are drawn one by one, each as likely as another. With spans, the length of each is drawn,
    too, and it is the unit that was drawn with those that follow it, up to a token that may not be
    hidden; units that are in a span already are not drawn. A unit that would make the count too
    large is left out, with the rest of its span: tokens give the exact count, words at most that.
    Where no word that was drawn fits in its row's count, the shortest one is hidden all the same.
    """
    lengths, sequences = packed.lengths, len(packed.ends)
    places = np.flatnonzero(maskable)
    if not len(places):
        return Hidden(places, places)
    heads = np.ones(len(places), np.bool_)
    if words is not None:
        heads[1:] = np.diff(words[places]) != 0
    unit_of_place = np.cumsum(heads) - 1
    starts, sizes = places[heads], np.bincount(unit_of_place)
    row = np.repeat(np.arange(sequences), lengths)[starts]
    choice = token_numbers(seed, epoch, origins, lengths, _CHOICE)[starts]
    rank = np.empty(len(starts), np.int64)
    rank[np.lexsort((choice, row))] = np.arange(len(starts))
    leader = np.arange(len(starts))
    if spans != "single":
        drawn = fractions(token_numbers(seed, epoch, origins, lengths, _LENGTH)[starts])
        ends = np.cumsum(SPAN_SHARES[spans])[:-1]
        length = np.searchsorted(ends, drawn, side="right") + 1
        breaks = (starts[1:] != starts[:-1] + sizes[:-1]) | (row[1:] != row[:-1])
        leader = _leaders(rank, length, np.r_[0, np.cumsum(breaks)])
    available = np.bincount(row, sizes, sequences).astype(np.int64)
    wanted = np.minimum(np.maximum(1, np.rint(available * mask_fraction)), available)
    order = np.argsort(rank[leader], kind="stable")
    taken = np.zeros(len(starts), np.bool_)
    taken[order] = _fitting(row[order], leader[order], sizes[order], wanted.astype(np.int64))
    taken[_shortest(row, sizes, rank, np.bincount(row, taken, sequences) == 0)] = True
    inside = taken[unit_of_place]
    return Hidden(places[inside], starts[leader[unit_of_place[inside]]])


def _leaders(rank: _Places, length: _Places, run: _Places) -> _Places:
    """The unit whose span each unit is in: int64 [units].

    rank: the order in which units are drawn. run: a number for each run of neighbouring units,
    which no span leaves. Drawn one by one, a unit that lies in a span already is passed over, and
    what a span finds taken stays with the one before. Whether a unit begins a span depends only on
    the few units before it, so that all are settled together, in as many rounds as chains are long.
    """
    units = np.arange(len(rank))
    reached = [
        (back, (run[back:] == run[:-back]) & (length[:-back] > back))
        for back in range(1, min(int(length.max()), len(rank)))
    ]
    earlier = [(back, reach & (rank[:-back] < rank[back:])) for back, reach in reached]
    begins, open_ = np.zeros(len(rank), np.bool_), np.ones(len(rank), np.bool_)
    while open_.any():
        waits, covered = np.zeros_like(open_), np.zeros_like(open_)
        for back, before in earlier:
            waits[back:] |= before & open_[:-back]
            covered[back:] |= before & begins[:-back]
        begins |= open_ & ~waits & ~covered
        open_ &= waits & ~covered
    leader, best = units.copy(), np.where(begins, rank, len(rank))
    for back, reach in reached:
        better = reach & begins[:-back] & (rank[:-back] < best[back:])
        leader[back:] = np.where(better, units[:-back], leader[back:])
        best[back:] = np.where(better, rank[:-back], best[back:])
    return leader


def _fitting(row: _Places, span: _Places, size: _Places, wanted: _Places) -> _Flags:
    """Which units are taken, in the order given, without exceeding wanted [rows] tokens a row.

    One that does not fit is passed over, with what follows it in its span.
    """
    left, taken = wanted.copy(), np.zeros(len(row), np.bool_)
    rest = np.arange(len(row))
    while len(rest):
        fits = _sums(size[rest], row[rest]) <= left[row[rest]]
        taken[rest[fits]] = True
        left -= np.bincount(row[rest[fits]], size[rest[fits]], len(left)).astype(np.int64)
        rest = rest[~fits]
        # The first of each row is now among those that are too long, so this comes to an end.
        too_long = (size[rest] > left[row[rest]]).astype(np.int64)
        rest = rest[_sums(too_long, span[rest]) == 0]
    return taken


def _shortest(row: _Places, size: _Places, rank: _Places, wanting: _Flags) -> _Places:
    """The shortest unit of each row that is still wanting, of equal ones the first that was drawn.

    wanting: bool [rows].
    """
    units = np.flatnonzero(wanting[row])
    units = units[np.lexsort((rank[units], size[units], row[units]))]
    return units[np.unique(row[units], return_index=True)[1]]


def _sums(values: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Running sums that begin anew with each group of neighbours."""
    if not len(values):
        return values
    totals = np.cumsum(values)
    first = np.r_[True, group[1:] != group[:-1]]
    found: NDArray[np.int64] = totals - (totals - values)[first][np.cumsum(first) - 1]
    return found
