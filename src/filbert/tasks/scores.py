"""Scores of labels, equal to scikit-learn's (a test holds them side by side)."""

from collections import Counter
from collections.abc import Sequence

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


def _check(predictions: Sequence[str], references: Sequence[str]) -> None:
    if len(predictions) != len(references) or not references:
        raise DataError(
            f"scores need as many predictions as references, at least one; "
            f"got {len(predictions)} and {len(references)}"
        )
