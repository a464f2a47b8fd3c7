"""The learning rate over the budget, as a part of each group's peak_lr.

A schedule sees how much of the budget is spent, not whether it is counted in steps, tokens, epochs
or minutes: so a run of "60 minutes" ends annealed, however fast the machine is.

All rise from 0 to 1 over warmup_fraction; all but "constant" end at end_lr_fraction.
"""

import math
from collections.abc import Callable

from filbert.train.training import Training


def constant(spent: float, settings: Training) -> float:
    """Rise over the warm-up, then stay at the peak."""
    return min(1.0, spent / settings.warmup_fraction) if settings.warmup_fraction > 0 else 1.0


def linear(spent: float, settings: Training) -> float:
    """Rise over the warm-up, then fall in a straight line (Devlin et al. 2019, A.2)."""
    warmup = settings.warmup_fraction
    if spent < warmup:
        return constant(spent, settings)
    return _between(settings.end_lr_fraction, max(0.0, (1 - spent) / (1 - warmup)))


def cosine(spent: float, settings: Training) -> float:
    """Rise over the warm-up, then fall along half a cosine wave (Loshchilov and Hutter 2017)."""
    warmup = settings.warmup_fraction
    if spent < warmup:
        return constant(spent, settings)
    done = min(1.0, (spent - warmup) / (1 - warmup))
    return _between(settings.end_lr_fraction, (1 + math.cos(math.pi * done)) / 2)


def wsd(spent: float, settings: Training) -> float:
    """Warm-up, stable, decay: stay at the peak until the last decay_fraction of the budget.

    From any checkpoint of the stable part another run can begin (`start`) and be as long as it
    likes (Hu et al. 2024). It falls as 1 - √x, which ended lower than a straight line in Hägele et
    al. 2024 (section 3.2), and is ModernBERT's (Warner et al. 2024, section 2.2).
    """
    left = settings.decay_fraction
    if spent <= 1 - left:
        return constant(spent, settings)
    done = min(1.0, (spent - (1 - left)) / left)
    return _between(settings.end_lr_fraction, 1 - math.sqrt(done))


def _between(end: float, part: float) -> float:
    """Part of the way from end to 1."""
    return end + (1 - end) * part


SCHEDULES: dict[str, Callable[[float, Training], float]] = {
    "constant": constant,
    "linear": linear,
    "cosine": cosine,
    "wsd": wsd,
}
