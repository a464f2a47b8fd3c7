"""Points of one number against another, drawn by altair to static SVG; with a diagonal."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from filbert.errors import DataError
from filbert.report.bars import quiet
from filbert.report.escape import named
from filbert.report.numbers import Floats
from filbert.report.prose import figcaption, figure_title
from filbert.report.series import (
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

SERIES_SHOWN = 4
POINTS_DRAWN = 1000
SIZES = {"wide": (680, 360), "narrow": (318, 280)}
DIAGONAL = ("var(--quiet)", [6.0, 3.0])
"""Its colour and dashes."""


def points(
    series: Series,
    x: str,
    y: str,
    title: str,
    words: Mapping[str, str],
    *,
    joined: bool = False,
    diagonal: str = "",
    limits: tuple[float, float] | None = None,
) -> str:
    """Points, each series in its colour.

    Args:
        series: name → (xs, ys), both [points]; what is not finite is left out and counted.
        x: what the x axis shows.
        y: what the y axis shows.
        title: the name above the figure.
        words: the page's own words.
        joined: whether a line goes through the points of a series.
        diagonal: the name of the line on which x and y are equal; both axes then go equally far.
            Empty: there is none.
        limits: from where to where both axes go; None: as far as the points.

    Returns:
        HTML with the drawing in two sizes, of which the page shows one.

    Raises:
        DataError: xs and ys of a series differ in length or are not flat lists of numbers, or
            limits that leave no room.
        ExtraError: altair is not installed.
    """
    if limits is not None and not limits[0] < limits[1]:
        raise DataError(f"points: expected limits that rise, got {limits}")
    curves = [_whole(curve) for curve in read_series(series, "points", SERIES_SHOWN)]
    lost = sum(curve.lost for curve in curves)
    notes = [words["not_drawn"].format(count=f"{lost:,}")] if lost else []
    if not any(len(curve.xs) for curve in curves):
        return f"<figure>{figure_title(title)}{quiet(words)}{figcaption(*notes)}</figure>"
    if any(len(curve.xs) > POINTS_DRAWN for curve in curves):
        notes.append(words["some_points"].format(shown=f"{POINTS_DRAWN:,}"))
    keys = "".join(
        f"<li>{key_of(index) if joined else _dot(index)}<span>{named(curve.name)}</span></li>"
        for index, curve in enumerate(curves)
    )
    if diagonal:
        keys += f"<li>{line_key(*DIAGONAL)}<span>{named(diagonal)}</span></li>"
    return figure(
        curves,
        lambda width, height: _draw(curves, joined, bool(diagonal), limits, width, height),
        keys,
        notes,
        title=title,
        x=x,
        y=y,
        words=words,
        sizes=SIZES,
    )


def _whole(curve: Curve) -> Curve:
    """Without the points that have no place."""
    there = np.isfinite(curve.ys)
    return Curve(curve.name, curve.xs[there], curve.ys[there], curve.lost)


def _dot(index: int) -> str:
    return (
        '<svg class="key" aria-hidden="true"><circle cx="14" cy="6" r="4.5" '
        f'fill="var(--c{index})"/></svg>'
    )


def _some(curve: Curve) -> tuple[Floats, Floats]:
    """At most POINTS_DRAWN of the points, evenly spread over their order."""
    chosen = np.linspace(0, len(curve.xs) - 1, min(POINTS_DRAWN, len(curve.xs))).round().astype(int)
    return curve.xs[chosen], curve.ys[chosen]


def _domains(
    curves: list[Curve], equal: bool, limits: tuple[float, float] | None
) -> tuple[list[float], list[float]]:
    if limits is not None:
        return list(limits), list(limits)
    xs = np.concatenate([curve.xs for curve in curves])
    ys = np.concatenate([curve.ys for curve in curves])
    if equal:
        both = domain_of(np.concatenate([xs, ys]), 0.04)
        return both, both
    return domain_of(xs, 0.04), domain_of(ys, 0.04)


def _draw(
    curves: list[Curve],
    joined: bool,
    diagonal: bool,
    limits: tuple[float, float] | None,
    width: int,
    height: int,
) -> str:
    """The SVG of the chart library for one size (pixels)."""
    alt = chart_library()
    across_domain, up_domain = _domains(curves, diagonal, limits)
    across, up = axes(across_domain, up_domain, width)
    colour, dash = looks(len(curves))
    where: dict[str, Any] = {"x": across, "y": up, "color": colour}
    dots = [
        {"s": str(index), "x": float(at), "y": float(value)}
        for index, curve in enumerate(curves)
        for at, value in zip(*_some(curve), strict=True)
    ]
    spots = [
        {
            "s": str(index),
            "x": float(curve.xs[point]),
            "y": float(curve.ys[point]),
            "p": f"p-{index}-{point}",
        }
        for index, curve in enumerate(curves)
        for point in spots_of(curve)
    ]
    layers = []
    if diagonal:
        ends = [{"x": end, "y": end} for end in across_domain]
        layers.append(
            alt.Chart({"values": ends})
            .mark_line(color=DIAGONAL[0], strokeWidth=1.25, strokeDash=DIAGONAL[1])
            .encode(x=across, y=up)
        )
    if joined:
        layers.append(
            alt.Chart({"values": dots})
            .mark_line(strokeWidth=2.25, strokeCap="round", strokeJoin="round")
            .encode(strokeDash=dash, **where)
        )
    size, opacity = (46, 1.0) if joined else (26, 0.55)
    layers.append(
        alt.Chart({"values": dots})
        .mark_point(filled=True, size=size, opacity=opacity)
        .encode(**where)
    )
    layers.append(
        alt.Chart({"values": spots})
        .mark_point(filled=True, size=150, opacity=0)
        .encode(description="p:N", **where)
    )
    return drawn(layers, width, height)
