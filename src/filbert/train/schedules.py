"""The learning rate over the budget, as a part of peak_lr.

A schedule sees how much of the budget is spent, not whether it is counted in steps, epochs or
minutes: so a run of "60 minutes" ends annealed, however fast the machine is.
"""

from collections.abc import Callable


def warm_up(spent: float, warmup_fraction: float) -> float:
    """Rise from 0 to 1 over the warm-up, then stay."""
    return min(1.0, spent / warmup_fraction) if warmup_fraction > 0 else 1.0


def linear(spent: float, warmup_fraction: float) -> float:
    """Rise over the warm-up, then fall to 0 in a straight line (Devlin et al. 2019, A.2)."""
    if spent < warmup_fraction:
        return warm_up(spent, warmup_fraction)
    return max(0.0, (1 - spent) / (1 - warmup_fraction))


SCHEDULES: dict[str, Callable[[float, float], float]] = {"constant": warm_up, "linear": linear}
