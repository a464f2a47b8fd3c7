"""Numbers as they stand on the page, and arrays checked at the door."""

import math
import numbers

import numpy as np
import numpy.typing as npt

from filbert.errors import DataError
from filbert.report.escape import inline

Floats = npt.NDArray[np.float64]
Number = int | float | np.integer | np.floating
Cell = str | Number | bool | np.bool_ | None
"""What a table cell or a fact may hold; anything else is shown as its `str()`."""


def is_number(value: object) -> bool:
    """Whether a value is shown as a number (a bool is not)."""
    return isinstance(value, numbers.Real | np.integer | np.floating) and not isinstance(
        value, bool | np.bool_
    )


def number(value: object) -> str:
    """A number in at most 4 significant decimals, thousands with commas; NaN and ∞ by name."""
    if isinstance(value, int | np.integer):
        return f"{int(value):,}".replace("-", "\u2212")
    real = float(value)  # type: ignore[arg-type]  # is_number was asked before
    if math.isnan(real):
        return "NaN"
    if math.isinf(real):
        return "∞" if real > 0 else "\u2212∞"
    size = abs(real)
    if size >= 1e15 or 0 < size < 1e-4:
        shown = f"{real:.3g}"
    elif size >= 1000:
        shown = f"{real:,.0f}"
    else:
        shown = f"{real:.4g}"
    return shown.replace("-", "\u2212")


def percent(share: float) -> str:
    """A share of 1 in percent: one decimal, or the words <0.1 % and NaN."""
    if not math.isfinite(share):
        return number(share)
    if 0 < share < 0.001:
        return "<0.1\u202f%"
    return f"{100 * share:.1f}\u202f%"


def cell(value: object) -> str:
    """A table cell's HTML: numbers set as numbers, anything else as isolated text."""
    if value is None:
        return "–"
    return number(value) if is_number(value) else inline(value)


def floats(values: object, what: str, dimensions: int) -> Floats:
    """An array of numbers with the expected count of dimensions.

    Args:
        values: anything numpy reads as numbers.
        what: its name in the error.
        dimensions: the expected count of axes.

    Returns:
        A float64 array.

    Raises:
        DataError: not numbers, ragged, or of another count of dimensions.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{what}: expected numbers in {dimensions} dimensions, got {type(values).__name__} "
            f"({error})"
        ) from error
    if array.ndim != dimensions:
        raise DataError(
            f"{what}: expected numbers in {dimensions} dimensions, got the shape {array.shape}"
        )
    return array


def shares(values: Floats, what: str) -> Floats:
    """Check that all finite values lie in [0, 1]; rounding errors up to 0.001 are clipped.

    Args:
        values: the numbers; NaN and ∞ pass, the page shows them as such.
        what: their name in the error.

    Returns:
        The values, clipped.

    Raises:
        DataError: a value is no probability.
    """
    finite = np.isfinite(values)
    bad = finite & ((values < -1e-3) | (values > 1 + 1e-3))
    if bad.any():
        first = tuple(int(index) for index in np.argwhere(bad)[0])
        raise DataError(f"{what}: expected values from 0 to 1, got {values[first]:g} at {first}")
    clipped: Floats = np.where(finite, np.clip(values, 0.0, 1.0), values)
    return clipped
