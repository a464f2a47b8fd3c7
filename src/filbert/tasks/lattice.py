"""The best sequence of labels under what may follow what, and how sure each of its labels is."""

from dataclasses import dataclass

import numpy as np

from filbert.batch import Array

NEVER = -np.inf
"""The score of a step that is not allowed."""

MOST = 1e9
"""A larger score counts as this one."""


@dataclass(frozen=True)
class Steps:
    """Scores of a chain's steps: float64; NEVER where one is not allowed.

    first   [labels], of beginning with a label
    next    [labels, labels], of going from one (row) to another (column)
    last    [labels], of ending with it
    """

    first: Array
    next: Array
    last: Array

    @classmethod
    def allowed(cls, first: Array, step: Array, last: Array) -> "Steps":
        """Of masks: 0 where True, NEVER where False."""
        return cls(*(np.where(mask, 0.0, NEVER) for mask in (first, step, last)))

    def plus(self, first: Array, step: Array, last: Array) -> "Steps":
        """With scores that were learnt (a CRF's) added; what is never allowed stays so."""
        first, step, last = _finite(first), _finite(step), _finite(last)
        return Steps(self.first + first, self.next + step, self.last + last)


def best_path(scores: Array, steps: Steps) -> list[int]:
    """Viterbi: the labels of the best path; scores [words, labels].

    An allowed path is found wherever there is one of this length, whatever the scores.
    """
    if not len(scores):
        return []
    scores = _finite(scores)
    best = steps.first + scores[0]
    came_from = np.empty((len(scores), scores.shape[1]), np.intp)
    for place in range(1, len(scores)):
        ways = best[:, None] + steps.next
        came_from[place] = ways.argmax(axis=0)
        best = ways[came_from[place], np.arange(ways.shape[1])] + scores[place]
    path = [int((best + steps.last).argmax())]
    for place in range(len(scores) - 1, 0, -1):
        path.append(int(came_from[place, path[-1]]))
    return path[::-1]


def marginals(scores: Array, steps: Steps) -> Array:
    """Forward-backward: the probability of each label at each word over all allowed paths.

    scores [words, labels] → [words, labels], rows of which sum to 1 (Lafferty et al. 2001).
    """
    count, scores = len(scores), _finite(scores)
    forward, backward = np.empty_like(scores), np.empty_like(scores)
    forward[0] = steps.first + scores[0]
    for place in range(1, count):
        ways = forward[place - 1][:, None] + steps.next
        forward[place] = np.logaddexp.reduce(ways, axis=0) + scores[place]
    backward[-1] = steps.last
    for place in range(count - 2, -1, -1):
        ways = steps.next + (scores[place + 1] + backward[place + 1])[None, :]
        backward[place] = np.logaddexp.reduce(ways, axis=1)
    together = forward + backward
    together -= together.max(axis=1, keepdims=True)
    weights = np.exp(together)
    found: Array = weights / weights.sum(axis=1, keepdims=True)
    return found


def _finite(scores: Array) -> Array:
    """Scores that can be added up, whatever a network gave: what is no number says nothing."""
    return np.nan_to_num(scores.astype(np.float64), nan=0.0, posinf=MOST, neginf=-MOST).clip(
        -MOST, MOST
    )
