"""Curves of several series, drawn by altair to static SVG: once wide, once for a phone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from filbert.errors import DataError
from filbert.report.bars import quiet
from filbert.report.escape import named, shorten
from filbert.report.numbers import Floats, floats, number
from filbert.report.prose import figcaption, figure_title
from filbert.report.series import (
    TOO_LARGE,
    Curve,
    Series,
    axes,
    chart_library,
    domain_of,
    drawn,
    figure,
    key_of,
    line_key,
    looks,
    read_series,
    spots_of,
)

Marks = Mapping[str, npt.ArrayLike]
SERIES_SHOWN = 12
MARKS_DRAWN = 100
MARKS = (("var(--ink)", [1.5, 3.0]), ("var(--quiet)", [6.0, 3.0]))
"""Colour and dashes of upright lines."""
POINTS_DRAWN = 600
SMOOTH_FROM = 100


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
    curves = read_series(series, "lines", SERIES_SHOWN)
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
    keys = "".join(_key(index, curve, words) for index, curve in enumerate(curves))
    keys += "".join(
        f"<li>{line_key(colour, dash)}<span>{named(name)}</span></li>"
        for (name, xs), (colour, dash) in zip(places.items(), MARKS, strict=False)
        if len(xs)
    )
    return figure(
        curves,
        lambda width, height: _draw(curves, places, smooth, width, height),
        keys,
        notes,
        title=title,
        x=x,
        y=y,
        words=words,
    )


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


def _key(index: int, curve: Curve, words: Mapping[str, str]) -> str:
    finite = curve.ys[np.isfinite(curve.ys)]
    last = f' <span class="last">{words["last"]} {number(finite[-1])}</span>' if len(finite) else ""
    return f"<li>{key_of(index)}<span>{named(curve.name)}{last}</span></li>"


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


def _rows(curves: list[Curve], smooth: bool) -> dict[str, list[dict[str, Any]]]:
    """The numbers that are drawn, by the mark that draws them."""
    found: dict[str, list[dict[str, Any]]] = {"thin": [], "thick": [], "dots": [], "spots": []}

    def add(mark: str, series: int, run: int, xs: Floats, ys: Floats) -> None:
        found[mark] += [
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
        found["spots"] += [
            {
                "s": str(index),
                "x": float(curve.xs[at]),
                "y": float(curve.ys[at]),
                "p": f"p-{index}-{at}",
            }
            for at in spots_of(curve)
        ]
    return found


def _draw(
    curves: list[Curve], marks: Mapping[str, Floats], smooth: bool, width: int, height: int
) -> str:
    """The SVG of the chart library for one size (pixels)."""
    alt = chart_library()
    rows = _rows(curves, smooth)
    xs = np.array([row["x"] for row in rows["spots"] + rows["thick"]])
    xs = np.concatenate([xs, *marks.values()])
    ys = np.array([row["y"] for some in rows.values() for row in some])
    across, up = axes(domain_of(xs, 0.0), domain_of(ys, 0.05), width)
    colour, dash = looks(len(curves))

    def chart(mark: str) -> Any:
        return alt.Chart({"values": rows[mark]})

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
    there = [layer for layer, some in zip(layers, rows.values(), strict=True) if some]
    return drawn([*upright, *there], width, height)
