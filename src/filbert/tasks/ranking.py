"""Scores of rankings, equal to ir-measures' (a test holds them side by side).

A ranking is given as (score, relevance) of each passage of a query; of equal scores the one that
stands first comes first.
"""

import math
from collections.abc import Sequence

import numpy as np

Ranking = Sequence[tuple[float, float]]


def mean_reciprocal_rank(rankings: Sequence[Ranking], cut: int) -> float:
    """The mean of 1 / rank of each query's first relevant passage; 0 where none is in the cut.

    Queries without a relevant passage say nothing and are left out; 0 if none is left.
    """
    found = []
    for ranking in _with_answers(rankings):
        ranks = [n for n, relevance in enumerate(_ordered(ranking)[:cut], 1) if relevance > 0]
        found.append(1 / ranks[0] if ranks else 0.0)
    return float(np.mean(found)) if found else 0.0


def mean_ndcg(rankings: Sequence[Ranking], cut: int) -> float:
    """The mean normalised discounted cumulative gain (Järvelin and Kekäläinen 2002), gain = grade.

    Queries without a relevant passage are left out; 0 if none is left.
    """
    found = []
    for ranking in _with_answers(rankings):
        best = sorted((relevance for _, relevance in ranking), reverse=True)
        found.append(_gain(_ordered(ranking)[:cut]) / _gain(best[:cut]))
    return float(np.mean(found)) if found else 0.0


def mean_recall(rankings: Sequence[Ranking], cut: int) -> float:
    """The mean share of a query's relevant passages that stand within the cut."""
    found = []
    for ranking in _with_answers(rankings):
        relevant = [relevance > 0 for relevance in _ordered(ranking)]
        found.append(sum(relevant[:cut]) / sum(relevant))
    return float(np.mean(found)) if found else 0.0


def _with_answers(rankings: Sequence[Ranking]) -> list[Ranking]:
    return [ranking for ranking in rankings if any(relevance > 0 for _, relevance in ranking)]


def _ordered(ranking: Ranking) -> list[float]:
    """The relevances, the best score first."""
    return [relevance for _, relevance in sorted(ranking, key=lambda pair: -pair[0])]


def _gain(relevances: Sequence[float]) -> float:
    return sum(value / math.log2(rank + 1) for rank, value in enumerate(relevances, 1))
