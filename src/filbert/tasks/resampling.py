"""How far chance moves a score, and whether two models differ by more than that.

The bootstrap (Efron 1979): the examples stand for all that might have come, so drawing as many of
them anew, with repetition, shows what other examples would have said. What is drawn is an example;
of rerank a query with all its passages, of span a question. They are taken to be independent of
each other: where many questions are on one passage, or many sentences from one document, they are
not, which is not modelled, and intervals come out too narrow. Nor do they say anything of what
another seed of the training would give (train/seeds.py).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from filbert.batch import Array
from filbert.errors import DataError, SettingsError
from filbert.tasks.judging import Judged, Measure
from filbert.tasks.task import Task

ROUNDS = 1000
"""Of an interval."""
PAIRED_ROUNDS = 10_000
"""Of a comparison: a p near 0.05 is then known within 0.004."""
LEAST_ROUNDS = 100
SEED = 1
LEVEL = 0.95

_NUMBERS = 2**17  # drawn at a time: few enough for the processor's cache
_EQUAL = 1e-12  # differences of scores that differ by less are one: sums are rounded
_SMALL = 1000  # up to here binomial numbers are whole numbers, exactly


@dataclass(frozen=True)
class Interval:
    """A score, and where it would lie for other examples of the kind.

    score      on the examples as they are
    low, high  the bounds between which `level` of the rounds lie
    """

    score: float
    low: float
    high: float
    level: float = LEVEL
    rounds: int = ROUNDS

    def __str__(self) -> str:
        """The score and its bounds."""
        return f"{self.score:.4g} ({self.low:.3g} to {self.high:.3g})"


@dataclass(frozen=True)
class Difference:
    """How much better the second of two models is than the first, on the same examples.

    name        the score
    difference  the second's score minus the first's
    low, high   its interval
    p           two-sided: how often chance alone makes a difference as large, either way
    """

    name: str
    difference: float
    low: float
    high: float
    p: float
    level: float = LEVEL
    rounds: int = PAIRED_ROUNDS

    def __str__(self) -> str:
        """The score's name, the difference, its bounds and p."""
        bounds = f"{self.low:+.4f} to {self.high:+.4f}"
        return f"{self.name} {self.difference:+.4f} ({bounds}), p {self.p:.2g}"


@dataclass(frozen=True)
class McNemar:
    """Examples that one of two models alone has right, and p if both were equally likely to."""

    only_a: int
    only_b: int
    p: float


def bootstrap(
    task: Task,
    predictions: Sequence[Any],
    references: Sequence[Any],
    *,
    rounds: int = ROUNDS,
    seed: int = SEED,
    level: float = LEVEL,
) -> dict[str, Interval]:
    """The scores of answers, each with its percentile interval (Efron and Tibshirani 1993, 13.3).

    Scores that are mere counts have none, nor has calibration_error, whose bins err the more the
    fewer examples they have, so that drawing anew makes it larger throughout. Where all answers are
    right (or all wrong) no round can differ, and the interval has no width: of n examples up to
    3 / n of all may still be wrong. Below some 30 examples intervals are too narrow.

    rounds  how often all examples are drawn anew
    level   the share of the rounds between the bounds

    Raises DataError for no answers, or not as many as references; SettingsError for numbers that
    mean nothing.
    """
    judged = _judged(task, predictions, references, rounds, level)
    drawn = _drawn(judged.units, list(judged.measures.values()), rounds, seed)
    scores = judged.scores()
    return {
        name: Interval(scores[name], *_bounds(values, level), level, rounds)
        for name, values in zip(judged.measures, drawn, strict=True)
    }


def paired_bootstrap(
    task: Task,
    predictions_a: Sequence[Any],
    predictions_b: Sequence[Any],
    references: Sequence[Any],
    *,
    rounds: int = PAIRED_ROUNDS,
    seed: int = SEED,
    level: float = LEVEL,
) -> Difference:
    """The difference of the main score, b's minus a's: both scored on the same drawn examples.

    Drawn as Koehn (2004) draws. p is that of Berg-Kirkpatrick et al. (2012, figure 1), two-sided:
    the rounds scatter round the difference d that was found, not round 0, so each is moved by d,
    and counted where it is then as far from 0 as d is: |d_round - d| ≥ |d|. With the examples as
    they are as one round more, (count + 1) / (rounds + 1), p is never 0 (Davison and Hinkley 1997,
    4.2). Nor is it below 2^(1 - examples), the least that exchanging a's and b's answers can give:
    from one example, or two, nothing follows.

    Raises what `bootstrap` raises; DataError where the examples do not have the main score.
    """
    a = _judged(task, predictions_a, references, rounds, level)
    b = _judged(task, predictions_b, references, rounds, level)
    name = task.main_score
    if name not in a.measures:
        raise DataError(
            f"the task {task.name} is compared by {name}, which these examples do not give; they "
            f"give {', '.join(a.measures)}"
        )
    one, other = a.measures[name], b.measures[name]
    (apart,) = _drawn(a.units, [lambda weights: other(weights) - one(weights)], rounds, seed)
    found = b.scores()[name] - a.scores()[name]
    known = apart[~np.isnan(apart)]
    as_far = int((np.abs(known - found) >= abs(found) - _EQUAL).sum())
    p = max((as_far + 1) / (len(known) + 1), 2.0 ** (1 - a.units))
    return Difference(name, found, *_bounds(apart, level), min(1.0, p), level, rounds)


def mcnemar(right_a: Sequence[bool], right_b: Sequence[bool]) -> McNemar:
    """Of the examples that one model alone has right: are they as often a's as b's?

    McNemar's test (1947; Dietterich 1998, section 3.1), by the exact two-sided binomial in place of
    chi-square: p is twice the chance of so few, or fewer, for the one that has fewer.

    Raises DataError where the two are not of the same examples, at least one.
    """
    a, b = np.asarray(right_a, np.bool_), np.asarray(right_b, np.bool_)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise DataError(f"expected answers to the same examples, got {a.size} and {b.size}")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return McNemar(only_a, only_b, min(1.0, 2 * _tail(min(only_a, only_b), only_a + only_b)))


def holm(ps: Sequence[float]) -> list[float]:
    """The p of each of several comparisons, corrected for their number (Holm 1979).

    If each below 0.05 is believed, one or more of them is wrong in at most 5 % of the cases.
    """
    corrected = [0.0] * len(ps)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda at: ps[at])):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[place]))
        corrected[place] = largest
    return corrected


def _judged(
    task: Task, predictions: Sequence[Any], references: Sequence[Any], rounds: int, level: float
) -> Judged:
    if rounds < LEAST_ROUNDS:
        raise SettingsError(f"rounds: expected {LEAST_ROUNDS} or more, got {rounds}")
    if not 0 < level < 1:
        raise SettingsError(f"level: expected a share between 0 and 1, got {level}")
    if len(predictions) != len(references) or not references:
        raise DataError(
            f"expected as many answers as references, at least one; got {len(predictions)} and "
            f"{len(references)}"
        )
    return task.judged(predictions, references)


def _drawn(units: int, measures: Sequence[Measure], rounds: int, seed: int) -> list[Array]:
    """float64 [rounds] of each measure, all of them on the same draws."""
    blocks = [[measure(weights) for measure in measures] for weights in _draws(units, rounds, seed)]
    return [np.concatenate(values) for values in zip(*blocks, strict=True)]


def _draws(units: int, rounds: int, seed: int) -> Iterator[Array]:
    """float64 [some rounds, units]: how often each unit is drawn, `units` times in each round."""
    chance = np.random.default_rng(seed)
    block = max(1, _NUMBERS // units)
    for start in range(0, rounds, block):
        some = min(block, rounds - start)
        places = chance.integers(0, units, (some, units)) + units * np.arange(some)[:, None]
        counts = np.bincount(places.ravel(), minlength=some * units)
        yield counts.reshape(some, units).astype(np.float64)


def _bounds(values: Array, level: float) -> tuple[float, float]:
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _tail(fewer: int, total: int) -> float:
    """The chance of `fewer` heads or less when a coin is thrown `total` times."""
    if total <= _SMALL:
        ways = sum(math.comb(total, heads) for heads in range(fewer + 1))
        return ways / (1 << total)
    logs = math.lgamma(total + 1) - math.lgamma(fewer + 1) - math.lgamma(total - fewer + 1)
    # From the largest term down, each from the one before it, until they add nothing.
    term = terms = 1.0
    for heads in range(fewer, 0, -1):
        term *= heads / (total - heads + 1)
        terms += term
        if term < 1e-17 * terms:
            break
    return math.exp(logs - total * math.log(2)) * terms
