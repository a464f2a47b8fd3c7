"""Scores of labels and numbers, equal to scikit-learn's and scipy's (tests hold them together)."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from filbert.batch import Array
from filbert.errors import DataError


def accuracy(predictions: Sequence[str], references: Sequence[str]) -> float:
    """The share of right labels."""
    _check(predictions, references)
    return sum(map(str.__eq__, predictions, references)) / len(references)


def macro_f1(predictions: Sequence[str], references: Sequence[str]) -> float:
    """The mean F1 over all labels that occur in either list, each label counting the same."""
    _check(predictions, references)
    right = Counter(p for p, r in zip(predictions, references, strict=True) if p == r)
    predicted, wanted = Counter(predictions), Counter(references)
    scores = [
        2 * right[label] / (predicted[label] + wanted[label])
        for label in sorted(predicted.keys() | wanted.keys())
    ]
    return sum(scores) / len(scores)


def matthews(predictions: Sequence[str], references: Sequence[str]) -> float:
    """The correlation of predicted and true labels, -1 to 1; 0 where either is always the same.

    Gorodkin's form for any number of labels (2004); Matthews' for two, which GLUE asks of CoLA.
    """
    labels = sorted({*predictions, *references})
    counts = confusion(predictions, references, labels).astype(np.float64)
    given, wanted, total = counts.sum(axis=0), counts.sum(axis=1), counts.sum()
    above = total * np.trace(counts) - given @ wanted
    below = np.sqrt(total**2 - given @ given) * np.sqrt(total**2 - wanted @ wanted)
    return float(above / below) if below else 0.0


def set_f1(
    predictions: Sequence[Collection[str]], references: Sequence[Collection[str]]
) -> dict[str, float]:
    """micro_f1 and macro_f1 of answers that are sets of labels; 0 for a label nobody has or names.

    micro counts every label of every example alike, macro every label.
    """
    _check(predictions, references)
    right: Counter[str] = Counter()
    either: Counter[str] = Counter()
    for predicted, wanted in zip(predictions, references, strict=True):
        right.update(set(predicted) & set(wanted))
        either.update([*set(predicted), *set(wanted)])
    f1 = [2 * right[label] / either[label] for label in sorted(either)]
    micro = 2 * right.total() / either.total() if either else 0.0
    return {"micro_f1": micro, "macro_f1": sum(f1) / len(f1) if f1 else 0.0}


def calibration_error(sure: Sequence[float], right: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error: how far the answers' probabilities lie from how often they hold.

    The mean over bins of equal width of |share of right answers - mean probability|, each bin
    weighted by its answers (Guo et al. 2017, section 2).
    """
    _check(sure, right)
    values, hits = np.asarray(sure, np.float64), np.asarray(right, np.float64)
    bin_of = np.minimum((values * bins).astype(int), bins - 1)
    apart = np.abs(np.bincount(bin_of, hits - values, minlength=bins))
    return float(apart.sum() / len(values))


def pearson(predictions: Sequence[float], references: Sequence[float]) -> float:
    """The correlation of two lists of numbers; 0 where either is always the same."""
    _check(predictions, references)
    if min(predictions) == max(predictions) or min(references) == max(references):
        return 0.0  # the mean of 0.1, 0.1, 0.1 is none of them: rounding would correlate
    ours = np.asarray(predictions, np.float64) - np.mean(predictions)
    theirs = np.asarray(references, np.float64) - np.mean(references)
    below = np.linalg.norm(ours) * np.linalg.norm(theirs)
    return float(ours @ theirs / below) if below else 0.0


def spearman(predictions: Sequence[float], references: Sequence[float]) -> float:
    """The correlation of two lists' ranks, equal numbers sharing their mean rank."""
    _check(predictions, references)
    return pearson(_ranks(predictions).tolist(), _ranks(references).tolist())


def _ranks(values: Sequence[float]) -> Array:
    _, place, counts = np.unique(
        np.asarray(values, np.float64), return_inverse=True, return_counts=True
    )
    last = np.cumsum(counts)
    ranks: Array = (last - (counts - 1) / 2)[place]
    return ranks


def confusion(
    predictions: Sequence[str], references: Sequence[str], labels: Sequence[str]
) -> Array:
    """int64 [labels, labels]: how often each true label (row) was given each label (column)."""
    _check(predictions, references)
    number = {label: index for index, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), np.int64)
    for predicted, wanted in zip(predictions, references, strict=True):
        counts[number[wanted], number[predicted]] += 1
    return counts


def _check(predictions: Sequence[Any], references: Sequence[Any]) -> None:
    if len(predictions) != len(references) or not references:
        raise DataError(
            f"scores need as many predictions as references, at least one; "
            f"got {len(predictions)} and {len(references)}"
        )
