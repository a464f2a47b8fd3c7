"""Scores that can be counted anew: weights say how often each example counts.

A score is a number of all examples together. How far chance moves it shows when it is counted many
times, with other examples drawn each time (tasks/resampling.py). So each score is a measure here: a
function of weights. Most are a ratio of two sums over the examples, one product of matrices for
hundreds of rounds; what is not (macro-F1, correlations) is counted on whole arrays.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from filbert.batch import Array

Measure = Callable[[Array], Array]
"""float64 [rounds, units], how often each unit counts → float64 [rounds], the score of each round.

NaN where a round has nothing that the score is of, such as no question with an answer.
"""

Numbers = Array | Sequence[float]

_FEW_LABELS = 64  # up to here a table of all examples and labels is small, and quicker
_ROUNDING = 1e-15
"""A spread below this part of the largest number is what sums are rounded by."""


@dataclass(frozen=True)
class Judged:
    """Answers, each held against the right one, before they are counted up.

    units     how many there are to draw from: the examples; of rerank the queries
    measures  the scores that have intervals, by name
    right     bool [units], whether each answer is right as a whole; None where that is not asked
    """

    units: int
    measures: Mapping[str, Measure]
    right: Array | None = None

    def scores(self) -> dict[str, float]:
        """The scores of the units as they are, each counting once."""
        once = np.ones((1, self.units))
        return {name: float(measure(once)[0]) for name, measure in self.measures.items()}


def ratio(above: Numbers, below: Numbers, *, empty: float = math.nan) -> Measure:
    """The sum of `above` by the sum of `below`, a number a unit each; `empty` where that is 0."""
    table = np.array([above, below], np.float64).T

    def counted(weights: Array) -> Array:
        sums = weights @ table
        return _divided(sums[:, 0], sums[:, 1], empty)

    return counted


def mean(values: Numbers, of: Sequence[bool] | None = None) -> Measure:
    """The mean of a number a unit; with `of`, of those units alone."""
    held = np.ones(len(values)) if of is None else np.asarray(of, np.float64)
    return ratio(np.asarray(values, np.float64) * held, held)


def of_some(measure: Measure, units: Sequence[int]) -> Measure:
    """A measure of these units alone, by their numbers."""
    places = np.asarray(units, np.int64)
    return lambda weights: measure(weights[:, places])


def macro_f1(given: Sequence[Collection[str]], wanted: Sequence[Collection[str]]) -> Measure:
    """The mean F1 of the labels that occur in a round, each label counting the same.

    given, wanted: the labels of each unit, each label once.
    """
    names = _numbers(given, wanted)
    pairs = list(zip(given, wanted, strict=True))
    right = _tally([set(mine) & set(theirs) for mine, theirs in pairs], names)
    either = _tally([[*mine, *theirs] for mine, theirs in pairs], names)

    def counted(weights: Array) -> Array:
        below = either(weights)
        f1 = _divided(2 * right(weights), below, 0.0)
        return _divided(f1.sum(axis=1), (below > 0).sum(axis=1), 0.0)

    return counted


def matthews(given: Sequence[str], wanted: Sequence[str]) -> Measure:
    """Matthews' correlation, for any number of labels; see scores.matthews."""
    mine, theirs = [[label] for label in given], [[label] for label in wanted]
    names = _numbers(mine, theirs)
    hits = np.array([one == other for one, other in zip(given, wanted, strict=True)], np.float64)
    count_given, count_wanted = _tally(mine, names), _tally(theirs, names)

    def counted(weights: Array) -> Array:
        have, want, total = count_given(weights), count_wanted(weights), weights.sum(axis=1)
        above = total * (weights @ hits) - (have * want).sum(axis=1)
        squares = total**2
        below = np.sqrt(squares - (have**2).sum(axis=1)) * np.sqrt(squares - (want**2).sum(axis=1))
        return _divided(above, below, 0.0)

    return counted


def pearson(mine: Sequence[float], theirs: Sequence[float]) -> Measure:
    """The correlation of two numbers a unit; 0 where either is always the same."""
    first, second = np.asarray(mine, np.float64), np.asarray(theirs, np.float64)
    return lambda weights: _correlation(weights, first, second)


def spearman(mine: Sequence[float], theirs: Sequence[float]) -> Measure:
    """The correlation of ranks, which are counted anew in each round: a unit drawn twice ties."""
    first, second = _ranking(mine), _ranking(theirs)
    return lambda weights: _correlation(weights, first(weights), second(weights))


def _ranking(values: Sequence[float]) -> Measure:
    """Weights → float64 [rounds, units]: each unit's rank in each round, equal ones their mean."""
    _, place = np.unique(np.asarray(values, np.float64), return_inverse=True)
    order = np.argsort(place, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(place[order])), len(order) - 1)

    def ranks(weights: Array) -> Array:
        last = np.take(np.cumsum(np.take(weights, order, axis=1), axis=1), ends, axis=1)
        held = np.diff(last, axis=1, prepend=0)
        found: Array = np.take(last - (held - 1) / 2, place, axis=1)
        return found

    return ranks


def _correlation(weights: Array, mine: Array, theirs: Array) -> Array:
    """float64 [rounds]; mine and theirs: [units], or [rounds, units] where they change."""
    total = weights.sum(axis=1)
    apart, spread = [], []
    for values in (mine, theirs):
        middle = _divided((weights * values).sum(axis=1), total, 0.0)
        away = values - middle[:, None]
        square = np.einsum("rn,rn,rn->r", weights, away, away)
        # What is always the same has no spread but that of rounding.
        least = total * (_ROUNDING * np.abs(values).max()) ** 2
        apart.append(away)
        spread.append(np.where(square > least, square, 0.0))
    above = np.einsum("rn,rn,rn->r", weights, *apart)
    found = _divided(above, np.sqrt(spread[0]) * np.sqrt(spread[1]), 0.0)
    return np.where(total > 0, found, math.nan)


def _tally(labels: Sequence[Collection[str]], names: Mapping[str, int]) -> Measure:
    """Weights → float64 [rounds, labels]: how often each label counts."""
    count = len(names)
    units = np.repeat(np.arange(len(labels)), [len(each) for each in labels])
    numbers = np.array([names[label] for each in labels for label in each], np.int64)
    if count <= _FEW_LABELS:
        cells = np.bincount(units * count + numbers, minlength=len(labels) * count)
        table = cells.reshape(len(labels), count).astype(np.float64)
        return lambda weights: weights @ table

    def counted(weights: Array) -> Array:
        rounds = len(weights)
        places = numbers + count * np.arange(rounds)[:, None]
        held = np.take(weights, units, axis=1)
        return np.bincount(places.ravel(), held.ravel(), rounds * count).reshape(rounds, count)

    return counted


def _numbers(given: Sequence[Collection[str]], wanted: Sequence[Collection[str]]) -> dict[str, int]:
    found = sorted({label for part in (given, wanted) for each in part for label in each})
    return {label: number for number, label in enumerate(found)}


def _divided(above: Array, below: Array, empty: float) -> Array:
    found: Array = np.full(above.shape, empty)
    np.divide(above, below, out=found, where=below > 0)
    return found
