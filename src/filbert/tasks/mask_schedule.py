"""How large a part of the tokens is hidden, over a training's budget."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from filbert.errors import SettingsError

Change = Literal["step", "linear"]


def check_fractions(name: str, fractions: Sequence[float]) -> None:
    """Refuse fractions of tokens that are none; SettingsError names the setting."""
    if not fractions:
        raise SettingsError(f"{name} needs a number or a list of some; got an empty list")
    for fraction in fractions:
        if not 0 < fraction <= 1:
            raise SettingsError(f"{name} must be in (0, 1]; got {fraction}")


def fraction_at(fractions: Sequence[float], change: Change, spent: float) -> float:
    """The fraction to hide when this part of the budget is spent, 0 to 1.

    step    each holds for an equal part of the budget: of three, the second from a third on
    linear  from one to the next in straight lines, the last one reached at the end
    """
    if change == "linear":
        return float(np.interp(spent, np.linspace(0, 1, len(fractions)), fractions))
    return float(fractions[min(max(0, int(spent * len(fractions))), len(fractions) - 1)])
