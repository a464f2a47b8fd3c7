"""A step that would spoil the weights is not made."""

import math
import statistics
from collections.abc import Sequence

LOSSES = 64
"""How many of the last losses a new one is compared with."""
_ENOUGH = 20
_DEVIATIONS_OF_NORMAL = 1.4826  # a normal distribution's deviation, in median absolute deviations
_LEAST_DEVIATION = 0.02  # nats: where losses hardly differ at all, none is a spike for a hair


def what_is_wrong(
    loss: float, norm: float, recent: Sequence[float], spike_deviations: float
) -> str | None:
    """Why this step should not be made; None: it may.

    A loss or a norm that is no number; and, where spike_deviations is not 0, a loss that lies so
    many deviations above the median of the recent ones. Medians, so that a spike does not raise
    its own bar.
    """
    if not math.isfinite(loss):
        return f"the loss is {loss}"
    if not math.isfinite(norm):
        return f"the gradient's norm is {norm}"
    if not spike_deviations or len(recent) < _ENOUGH:
        return None
    usual = statistics.median(recent)
    deviation = _DEVIATIONS_OF_NORMAL * statistics.median(abs(each - usual) for each in recent)
    bar = usual + spike_deviations * max(deviation, _LEAST_DEVIATION)
    if loss > bar:
        return f"the loss is {loss:.4g}, above {bar:.4g} ({usual:.4g} is usual)"
    return None


def with_loss(recent: Sequence[float], loss: float) -> tuple[float, ...]:
    """The recent losses and one more, the oldest forgotten."""
    return (*recent, loss)[-LOSSES:]
