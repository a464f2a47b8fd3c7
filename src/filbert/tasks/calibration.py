"""Temperature: one number that makes probabilities honest (Guo et al. 2017, section 4.2)."""

import numpy as np

from filbert.batch import Array

_LEAST = 1e-12
LOWEST, HIGHEST = 0.05, 20.0


def fitted_temperature(probabilities: Array, wanted: Array) -> float:
    """By what the logits behind these probabilities are to be divided, for the best likelihood.

    probabilities  [examples, labels]
    wanted         int [examples], the right label of each; or bool [examples, labels], of labels
                   that hold each for itself

    The likelihood has one summit over 1/temperature, found by golden sections. As in Platt
    (1999) the right label is asked for with (n + 1) / (n + 2) of n examples, not with certainty: so
    examples that are all right do not ask for certainty either.
    """
    doubt = 1 / (len(wanted) + 2)
    logs = np.log(np.maximum(probabilities, _LEAST))
    if wanted.ndim == 2:
        logs = logs - np.log(np.maximum(1 - probabilities, _LEAST))

    def loss(log_temperature: float) -> float:
        logits = logs / np.exp(log_temperature)
        if wanted.ndim == 2:
            right = np.where(wanted, logits, -logits)
            return float((np.logaddexp(0, -right) + doubt * right).mean())
        highest = logits.max(axis=1, keepdims=True)
        total = highest[:, 0] + np.log(np.exp(logits - highest).sum(axis=1))
        right = logits[np.arange(len(wanted)), wanted]
        others = (logits.sum(axis=1) - right) / (logits.shape[1] - 1)
        return float((total - (1 - doubt) * right - doubt * others).mean())

    low, high = np.log(LOWEST), np.log(HIGHEST)
    golden = (np.sqrt(5) - 1) / 2
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(60):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = loss(right)
    return float(np.exp((low + high) / 2))
