"""Bars: plain ones, and the probabilities beside sample texts.

They are lists with a tiny drawing in each row and not one big chart, so that names of any length
and script wrap, can be selected and are read aloud in order. Widths are attributes of SVG shapes:
style attributes would need a content policy with 'unsafe-inline'.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from filbert.errors import DataError
from filbert.report.escape import folded, inline, named, plain, shorten
from filbert.report.numbers import Number, floats, number, percent, shares
from filbert.report.prose import figcaption, figure_title

SAMPLES_SHOWN = 200
Sample = tuple[str, Sequence[tuple[str, Number]], str | None]
"""A text, its labels with their probabilities, and the true label if it is known."""


def drawn_bar(start: float, end: float, kind: str = "bar") -> str:
    """A bar from one share of the width to another (0 to 1).

    A bar of class "free" shows no track behind it: its full width means the largest value, not 1.
    """
    low, high = sorted((start, end))
    return (
        f'<svg class="{kind}" aria-hidden="true" focusable="false">'
        f'<rect class="track" width="100%" height="100%"/>'
        f'<rect class="ink" x="{100 * low:.2f}%" width="{100 * (high - low):.2f}%" height="100%"/>'
        "</svg>"
    )


def bars(values: Mapping[str, Number], title: str, value: str, words: Mapping[str, str]) -> str:
    """One bar for each name, from zero, in the order given; negative ones grow to the left.

    Raises:
        DataError: not a mapping of names to numbers.
    """
    if not isinstance(values, Mapping):
        raise DataError(f"bars: expected a mapping of name to number, got {type(values).__name__}")
    sizes = floats(list(values.values()), "bars", 1)
    drawable = sizes[np.isfinite(sizes)]
    low = min(0.0, float(drawable.min(initial=0.0)))
    high = max(0.0, float(drawable.max(initial=0.0)))
    # Halves keep the span of ±1e308 finite.
    span = (high / 2 - low / 2) or 1.0
    zero = (0.0 - low / 2) / span
    rows = []
    for label, size, shown in zip(values, sizes, values.values(), strict=True):
        end = zero + (size / 2) / span if math.isfinite(size) else zero
        rows.append(
            f'<li><span class="name">{named(label)}</span>{drawn_bar(zero, end, "bar free")}'
            f'<span class="value">{number(shown)}</span></li>'
        )
    body = f'<ul class="bars">{"".join(rows)}</ul>' if rows else quiet(words)
    lost = len(sizes) - len(drawable)
    note = words["not_drawn"].format(count=lost) if lost else ""
    return (
        f"<figure>{figure_title(title)}{body}"
        f"{figcaption(inline(value) if value else '', note)}</figure>"
    )


def quiet(words: Mapping[str, str]) -> str:
    """What stands where there is nothing to show."""
    return f'<p class="quiet">{words["nothing"]}</p>'


def samples(entries: Iterable[Sample], title: str, words: Mapping[str, str]) -> str:
    """Texts with the probabilities of their labels, the highest first, and the truth marked.

    Raises:
        DataError: an entry is not (text, [(label, probability) …], truth or None), or a
            probability is not in [0, 1]; the entry is named.
    """
    cards = [_card(entry, f"sample {index}", words) for index, entry in enumerate(entries)]
    note = ""
    if len(cards) > SAMPLES_SHOWN:
        note = words["more_samples"].format(shown=SAMPLES_SHOWN, count=f"{len(cards):,}")
    body = f'<div class="samples">{"".join(cards[:SAMPLES_SHOWN])}</div>' if cards else quiet(words)
    return f"<figure>{figure_title(title)}{body}{figcaption(note)}</figure>"


def _card(entry: Sample, where: str, words: Mapping[str, str]) -> str:
    try:
        text, scored, truth = entry
        labels = [label for label, _ in scored]
        given = [probability for _, probability in scored]
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{where}: expected (text, [(label, probability), …], truth or None), "
            f"got {shorten(repr(entry), 80)}"
        ) from error
    probabilities = shares(floats(given, f"{where}: probabilities", 1), where)
    # NaN sorts last: a label without a number is no candidate for the first place.
    order = np.argsort(np.where(np.isfinite(probabilities), -probabilities, 2.0), kind="stable")
    rows = []
    for place, at in enumerate(order):
        label, probability = labels[at], float(probabilities[at])
        is_truth = truth is not None and label == truth
        mark = ""
        if is_truth:
            verdict = "right" if place == 0 else "wrong"
            sign = "✓" if place == 0 else "←"
            mark = f' <span class="mark {verdict}">{sign} {words["truth"]}</span>'
        elif place == 0 and truth is not None:
            mark = f' <span class="mark wrong">✗ {words["wrong"]}</span>'
        end = probability if math.isfinite(probability) else 0.0
        rows.append(
            f'<li class="{"first" if place == 0 else "other"}">'
            f'<span class="name">{named(label)}{mark}</span>{drawn_bar(0.0, end)}'
            f'<span class="value">{percent(probability)}</span></li>'
        )
    missed = ""
    if truth is not None and truth not in labels:
        missed = (
            f'<p class="missed"><span class="mark wrong">{words["not_listed"]}:</span> '
            f"{named(truth)}</p>"
        )
    listed = f'<ul class="bars">{"".join(rows)}</ul>' if rows else quiet(words)
    return (
        f'<article class="sample" aria-label="{plain(shorten(text, 60))}">'
        f'<div class="said">{folded(text, words["show_all"])}</div>'
        f'<div class="answers">{listed}{missed}</div></article>'
    )
