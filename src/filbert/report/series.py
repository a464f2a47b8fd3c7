"""What charts of points have in common: series checked at the door, their keys, axes and sizes."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from filbert.errors import DataError, missing_extra
from filbert.report.escape import named, shorten
from filbert.report.numbers import Floats, floats, number
from filbert.report.prose import figcaption, figure_title
from filbert.report.svg import rebuild

Series = Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]]
COLOURS = 6
DASHES = ([1, 0], [7, 3], [2, 2.5], [9, 3, 2, 3], [4, 2], [12, 4])
SPOTS = 48
TOO_LARGE = 1e100
"""Beyond this a number cannot be drawn on an axis; it is treated like infinity."""
SIZES = {"wide": (680, 300), "narrow": (318, 230)}


@dataclass(frozen=True)
class Curve:
    """A series that can be drawn.

    xs, ys  [points], the xs rising; NaN among the ys leaves a gap
    lost    how many of its values are not finite
    """

    name: str
    xs: Floats
    ys: Floats
    lost: int


def read_series(series: Series, what: str, most: int) -> list[Curve]:
    """The series of a figure. what: the figure's name in messages; most: as many as it holds.

    Raises DataError for anything else than (xs, ys) of equal length by name.
    """
    if not isinstance(series, Mapping):
        raise DataError(
            f"{what}: expected a mapping of name to (xs, ys), got {type(series).__name__}"
        )
    if len(series) > most:
        raise DataError(f"{what}: expected at most {most} series, got {len(series)}")
    return [_curve(name, pair, index, what) for index, (name, pair) in enumerate(series.items())]


def _curve(name: str, pair: tuple[npt.ArrayLike, npt.ArrayLike], index: int, what: str) -> Curve:
    where = f"{what}: series {index} ({shorten(repr(name), 60)})"
    try:
        given_xs, given_ys = pair
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: expected (xs, ys), got {shorten(repr(pair), 80)}") from error
    xs, ys = floats(given_xs, f"{where}, xs", 1), floats(given_ys, f"{where}, ys", 1)
    if len(xs) != len(ys):
        raise DataError(f"{where}: expected as many ys as xs, got {len(xs)} xs and {len(ys)} ys")
    placed = np.abs(xs) < TOO_LARGE  # False for NaN too
    order = np.argsort(xs[placed], kind="stable")
    xs, ys = xs[placed][order], ys[placed][order]
    drawable = np.abs(ys) < TOO_LARGE
    lost = int((~placed).sum() + (~drawable).sum())
    return Curve(str(name), xs, np.where(drawable, ys, np.nan), lost)


def line_key(colour: str, dash: Sequence[float]) -> str:
    """A piece of a line, as it stands beside its name."""
    lengths = " ".join(str(length) for length in dash)
    dashed = f' stroke-dasharray="{lengths}"' if dash else ""
    return (
        '<svg class="key" aria-hidden="true"><line x1="1" x2="27" y1="6" y2="6" '
        f'stroke="{colour}" stroke-width="2.5"{dashed}/></svg>'
    )


def key_of(index: int) -> str:
    """The piece of line of a figure's series."""
    dash = [] if index % len(DASHES) == 0 else DASHES[index % len(DASHES)]
    return line_key(f"var(--c{index % COLOURS})", dash)


def figure(
    curves: Sequence[Curve],
    draw: Callable[[int, int], str],
    keys: str,
    notes: Sequence[str],
    *,
    title: str,
    x: str,
    y: str,
    words: Mapping[str, str],
    sizes: Mapping[str, tuple[int, int]] = SIZES,
) -> str:
    """A figure's HTML, with the drawing in each size, of which the page shows one.

    Args:
        curves: whose points get tool tips; draw marks them as p-SERIES-POINT.
        draw: (width, height) in pixels → the chart library's SVG.
        keys: the list items that say which series looks how.
        notes: what stands below.
        title: the name above the figure.
        x: what the x axis shows.
        y: what the y axis shows.
        words: the page's own words.
        sizes: by CSS class.
    """
    label = ", ".join(part for part in (title, y, x) if part) or words["chart"]
    tips = {
        f"p-{index}-{point}": _tip(curve, point, x)
        for index, curve in enumerate(curves)
        for point in spots_of(curve)
    }
    drawings = "".join(
        f'<div class="chart {size}">{rebuild(draw(*pixels), shorten(label, 300), tips)}</div>'
        for size, pixels in sizes.items()
    )
    axis_y = f'<p class="axis-y">{named(y)}</p>' if y else ""
    axis_x = f'<p class="axis-x">{named(x)}</p>' if x else ""
    return (
        f'<figure>{figure_title(title)}<ul class="keys">{keys}</ul>'
        f"{axis_y}{drawings}{axis_x}{figcaption(*notes)}</figure>"
    )


def _tip(curve: Curve, point: int, x: str) -> str:
    """What is said where the pointer rests on a point."""
    at = shorten(f"{x or 'x'} {number(_whole(curve.xs[point]))}", 80)
    return f"{shorten(curve.name, 80)} · {at} · {number(curve.ys[point])}"


def _whole(value: float) -> int | float:
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else float(value)


def spots_of(curve: Curve) -> list[int]:
    """The points that get a tool tip: evenly spread, the last one always."""
    finite = np.flatnonzero(np.isfinite(curve.ys))
    picked = np.linspace(0, len(finite) - 1, min(SPOTS, len(finite))).round().astype(int)
    return [int(finite[at]) for at in picked]


def domain_of(values: Floats, margin: float) -> list[float]:
    """From where to where an axis goes, for values of which there is at least one."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        pad = abs(low) / 2 or 1.0
        return [low - pad, high + pad]
    pad = margin * (high - low)
    return [low - pad, high + pad]


def chart_library() -> Any:
    """altair. Raises ExtraError where it is not installed."""
    try:
        import altair
    except ImportError as error:
        raise missing_extra("altair", "report") from error
    return altair


def axes(across: list[float], up: list[float], width: int) -> tuple[Any, Any]:
    """The x and the y axis over these domains."""
    alt = chart_library()
    x = alt.X(
        "x:Q",
        title=None,
        scale=alt.Scale(domain=across, nice=False),
        axis=alt.Axis(tickCount=max(3, width // 90), grid=False, labelFlush=False),
    )
    y = alt.Y(
        "y:Q",
        title=None,
        scale=alt.Scale(domain=up, nice=False, zero=False),
        axis=alt.Axis(tickCount=5, ticks=False, domain=False),
    )
    return x, y


def looks(series: int) -> tuple[Any, Any]:
    """(colour, dashes) of so many series, whose numbers stand under "s"."""
    alt = chart_library()
    names = [str(index) for index in range(series)]
    colours = [f"var(--c{at % COLOURS})" for at in range(series)]
    dashes = [DASHES[at % len(DASHES)] for at in range(series)]
    colour = alt.Color("s:N", legend=None, scale=alt.Scale(domain=names, range=colours))
    dash = alt.StrokeDash("s:N", legend=None, scale=alt.Scale(domain=names, range=dashes))
    return colour, dash


def drawn(layers: Sequence[Any], width: int, height: int) -> str:
    """The chart library's SVG of some layers, in pixels."""
    whole = (
        chart_library()
        .layer(*layers)
        .properties(width=width, height=height, padding=4)
        .configure_view(stroke=None)
        .configure_axis(
            labelFontSize=12,
            labelColor="var(--quiet)",
            labelPadding=6,
            gridColor="var(--rule)",
            tickColor="var(--rule)",
            domainColor="var(--quiet)",
        )
    )
    picture = io.StringIO()
    whole.save(picture, format="svg")
    return picture.getvalue()
