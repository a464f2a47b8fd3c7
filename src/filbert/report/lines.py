"""Curves of several series, drawn by altair to static SVG: once wide, once for a phone."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from filbert.errors import DataError, missing_extra
from filbert.report.bars import quiet
from filbert.report.escape import named, shorten
from filbert.report.numbers import Floats, floats, number
from filbert.report.prose import figcaption, figure_title
from filbert.report.svg import rebuild

Series = Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]]
Marks = Mapping[str, npt.ArrayLike]
SERIES_SHOWN = 12
MARKS_DRAWN = 100
MARKS = (("var(--ink)", [1.5, 3.0]), ("var(--quiet)", [6.0, 3.0]))
"""Colour and dashes of upright lines."""
COLOURS = 6
DASHES = ([1, 0], [7, 3], [2, 2.5], [9, 3, 2, 3], [4, 2], [12, 4])
POINTS_DRAWN = 600
SPOTS = 48
SMOOTH_FROM = 100
TOO_LARGE = 1e100
"""Beyond this a number cannot be drawn on an axis; it is treated like infinity."""
SIZES = {"wide": (680, 300), "narrow": (318, 230)}


@dataclass(frozen=True)
class _Curve:
    name: str
    xs: Floats
    ys: Floats
    lost: int


def lines(
    series: Series,
    x: str,
    y: str,
    title: str,
    words: Mapping[str, str],
    *,
    marks: Marks | None = None,
    smooth: bool = True,
) -> str:
    """Curves over a common x axis.

    Values that are not finite leave a gap and are counted in the caption. No text of the caller
    enters the chart library: names, axes and title are set by the page around the drawing.

    Args:
        series: name → (xs, ys), both [points].
        x: what the x axis shows.
        y: what the y axis shows.
        title: the name above the figure.
        words: the page's own words.
        marks: name → places on the x axis [places], each an upright line; at most two names.
        smooth: whether long series get a running mean; not for what jumps on purpose.

    Returns:
        HTML with the drawing in two sizes, of which the page shows one.

    Raises:
        DataError: xs and ys of a series differ in length or are not flat lists of numbers.
        ExtraError: altair is not installed.
    """
    curves = [
        _curve(name, pair, index) for index, (name, pair) in enumerate(_checked(series).items())
    ]
    drawable = [curve for curve in curves if np.isfinite(curve.ys).any()]
    places = _places(marks or {})
    lost = sum(curve.lost for curve in curves)
    notes = [words["not_drawn"].format(count=f"{lost:,}")] if lost else []
    if not drawable:
        return f"<figure>{figure_title(title)}{quiet(words)}{figcaption(*notes)}</figure>"
    if smooth and any(len(curve.xs) >= SMOOTH_FROM for curve in drawable):
        notes.append(words["smoothed"])
    if any(len(curve.xs) > POINTS_DRAWN for curve in drawable):
        notes.append(words["thinned"])
    label = ", ".join(part for part in (title, y, x) if part) or words["chart"]
    tips = {
        f"p-{index}-{point}": _tip(curve, point, x)
        for index, curve in enumerate(curves)
        for point in _spots(curve)
    }
    drawings = "".join(
        f'<div class="chart {size}">'
        f"{rebuild(_draw(curves, places, smooth, *SIZES[size]), shorten(label, 300), tips)}</div>"
        for size in SIZES
    )
    keys = "".join(_key(index, curve, words) for index, curve in enumerate(curves))
    keys += "".join(
        f"<li>{_line_key(colour, dash)}<span>{named(name)}</span></li>"
        for (name, xs), (colour, dash) in zip(places.items(), MARKS, strict=False)
        if len(xs)
    )
    axis_y = f'<p class="axis-y">{named(y)}</p>' if y else ""
    axis_x = f'<p class="axis-x">{named(x)}</p>' if x else ""
    return (
        f'<figure>{figure_title(title)}<ul class="keys">{keys}</ul>'
        f"{axis_y}{drawings}{axis_x}{figcaption(*notes)}</figure>"
    )


def _checked(series: Series) -> Series:
    if not isinstance(series, Mapping):
        raise DataError(
            f"lines: expected a mapping of name to (xs, ys), got {type(series).__name__}"
        )
    if len(series) > SERIES_SHOWN:
        raise DataError(f"lines: expected at most {SERIES_SHOWN} series, got {len(series)}")
    return series


def _places(marks: Marks) -> dict[str, Floats]:
    """Where the marks stand, few enough to be told apart."""
    if len(marks) > len(MARKS):
        raise DataError(f"lines: expected at most {len(MARKS)} kinds of marks, got {len(marks)}")
    found = {}
    for index, (name, given) in enumerate(marks.items()):
        xs = floats(given, f"lines: marks {index} ({shorten(repr(name), 60)})", 1)
        xs = np.unique(xs[np.abs(xs) < TOO_LARGE])
        chosen = np.linspace(0, len(xs) - 1, min(MARKS_DRAWN, len(xs))).round().astype(int)
        found[str(name)] = xs[chosen]
    return found


def _curve(name: str, pair: tuple[npt.ArrayLike, npt.ArrayLike], index: int) -> _Curve:
    where = f"lines: series {index} ({shorten(repr(name), 60)})"
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
    return _Curve(str(name), xs, np.where(drawable, ys, np.nan), lost)


def _key(index: int, curve: _Curve, words: Mapping[str, str]) -> str:
    finite = curve.ys[np.isfinite(curve.ys)]
    last = f' <span class="last">{words["last"]} {number(finite[-1])}</span>' if len(finite) else ""
    dash = [] if index % len(DASHES) == 0 else DASHES[index % len(DASHES)]
    drawn = _line_key(f"var(--c{index % COLOURS})", dash)
    return f"<li>{drawn}<span>{named(curve.name)}{last}</span></li>"


def _line_key(colour: str, dash: Sequence[float]) -> str:
    lengths = " ".join(str(length) for length in dash)
    dashed = f' stroke-dasharray="{lengths}"' if dash else ""
    return (
        '<svg class="key" aria-hidden="true"><line x1="1" x2="27" y1="6" y2="6" '
        f'stroke="{colour}" stroke-width="2.5"{dashed}/></svg>'
    )


def _tip(curve: _Curve, point: int, x: str) -> str:
    at = shorten(f"{x or 'x'} {number(_whole(curve.xs[point]))}", 80)
    return f"{shorten(curve.name, 80)} · {at} · {number(curve.ys[point])}"


def _whole(value: float) -> int | float:
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else float(value)


def _spots(curve: _Curve) -> list[int]:
    """The points that get a tool tip: evenly spread, the last one always."""
    finite = np.flatnonzero(np.isfinite(curve.ys))
    picked = np.linspace(0, len(finite) - 1, min(SPOTS, len(finite))).round().astype(int)
    return [int(finite[at]) for at in picked]


def _runs(xs: Floats, ys: Floats) -> list[tuple[Floats, Floats]]:
    """Cut a curve at its gaps."""
    edges = np.flatnonzero(np.diff(np.isfinite(ys).astype(np.int8))) + 1
    parts = zip(np.split(xs, edges), np.split(ys, edges), strict=True)
    return [(part_xs, part_ys) for part_xs, part_ys in parts if np.isfinite(part_ys).all()]


def _thinned(xs: Floats, ys: Floats) -> tuple[Floats, Floats]:
    """At most about POINTS_DRAWN points: of each stretch its lowest and its highest."""
    if len(xs) <= POINTS_DRAWN:
        return xs, ys
    kept: set[int] = {0, len(xs) - 1}
    for stretch in np.array_split(np.arange(len(xs)), POINTS_DRAWN // 2):
        kept.add(int(stretch[np.argmin(ys[stretch])]))
        kept.add(int(stretch[np.argmax(ys[stretch])]))
    chosen = np.array(sorted(kept))
    return xs[chosen], ys[chosen]


def _smoothed(ys: Floats) -> Floats:
    """The running mean over 1/25 of the curve.

    At the start, where a loss falls steeply, the window shrinks on both sides, which does not bend
    the curve; at the end, where it is flat, on one side only, which keeps it smooth.
    """
    reach = max(2, len(ys) // 50)
    sums = np.concatenate([[0.0], np.cumsum(ys)])
    at = np.arange(len(ys))
    start = at - np.minimum(reach, at)
    end = at + np.minimum(np.minimum(reach, at), len(ys) - 1 - at) + 1
    smooth: Floats = (sums[end] - sums[start]) / (end - start)
    return smooth


def _rows(curves: list[_Curve], smooth: bool) -> dict[str, list[dict[str, Any]]]:
    """The numbers that are drawn, by the mark that draws them."""
    drawn: dict[str, list[dict[str, Any]]] = {"thin": [], "thick": [], "dots": [], "spots": []}

    def add(mark: str, series: int, run: int, xs: Floats, ys: Floats) -> None:
        drawn[mark] += [
            {"s": str(series), "run": run, "x": float(at), "y": float(value), "p": ""}
            for at, value in zip(*_thinned(xs, ys), strict=True)
        ]

    for index, curve in enumerate(curves):
        noisy = smooth and len(curve.xs) >= SMOOTH_FROM
        for run, (xs, ys) in enumerate(_runs(curve.xs, curve.ys)):
            if noisy and len(xs) >= SMOOTH_FROM:
                add("thin", index, run, xs, ys)
                add("thick", index, run, xs, _smoothed(ys))
            else:
                add("thick", index, run, xs, ys)
                if len(curve.xs) <= 25 or len(xs) == 1:
                    add("dots", index, run, xs, ys)
        drawn["spots"] += [
            {
                "s": str(index),
                "x": float(curve.xs[at]),
                "y": float(curve.ys[at]),
                "p": f"p-{index}-{at}",
            }
            for at in _spots(curve)
        ]
    return drawn


def _domain(values: Floats, margin: float) -> list[float]:
    low, high = float(values.min()), float(values.max())
    if low == high:
        pad = abs(low) / 2 or 1.0
        return [low - pad, high + pad]
    pad = margin * (high - low)
    return [low - pad, high + pad]


def _draw(
    curves: list[_Curve], marks: Mapping[str, Floats], smooth: bool, width: int, height: int
) -> str:
    """The SVG of the chart library for one size (pixels)."""
    try:
        import altair as alt
    except ImportError as error:
        raise missing_extra("altair", "report") from error
    drawn = _rows(curves, smooth)
    xs = np.array([row["x"] for row in drawn["spots"] + drawn["thick"]])
    xs = np.concatenate([xs, *marks.values()])
    ys = np.array([row["y"] for rows in drawn.values() for row in rows])
    names = [str(index) for index in range(len(curves))]
    colour = alt.Color(
        "s:N",
        legend=None,
        scale=alt.Scale(
            domain=names, range=[f"var(--c{at % COLOURS})" for at in range(len(names))]
        ),
    )
    dash = alt.StrokeDash(
        "s:N",
        legend=None,
        scale=alt.Scale(domain=names, range=[DASHES[at % len(DASHES)] for at in range(len(names))]),
    )
    ticks = max(3, width // 90)
    across = alt.X(
        "x:Q",
        title=None,
        scale=alt.Scale(domain=_domain(xs, 0.0), nice=False),
        axis=alt.Axis(tickCount=ticks, grid=False, labelFlush=False),
    )
    up = alt.Y(
        "y:Q",
        title=None,
        scale=alt.Scale(domain=_domain(ys, 0.05), nice=False, zero=False),
        axis=alt.Axis(tickCount=5, ticks=False, domain=False),
    )

    def chart(mark: str) -> Any:
        return alt.Chart({"values": drawn[mark]})

    where = {"x": across, "y": up, "color": colour}
    upright = [
        alt.Chart({"values": [{"x": float(at)} for at in places]})
        .mark_rule(color=colour, strokeWidth=1.25, strokeDash=lengths)
        .encode(x=across)
        for places, (colour, lengths) in zip(marks.values(), MARKS, strict=False)
        if len(places)
    ]
    layers = [
        chart("thin").mark_line(strokeWidth=1, opacity=0.3).encode(detail="run:N", **where),
        chart("thick")
        .mark_line(strokeWidth=2.25, strokeCap="round", strokeJoin="round")
        .encode(detail="run:N", strokeDash=dash, **where),
        chart("dots").mark_point(filled=True, size=34, opacity=1).encode(**where),
        chart("spots")
        .mark_point(filled=True, size=150, opacity=0)
        .encode(description="p:N", **where),
    ]
    whole = (
        alt.layer(
            *upright, *[layer for layer, rows in zip(layers, drawn.values(), strict=True) if rows]
        )
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
