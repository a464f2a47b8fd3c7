"""A confusion matrix as a table: counts, shaded by their share of the row."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from filbert.errors import DataError
from filbert.report.escape import inline, plain, shorten
from filbert.report.numbers import Floats, floats, number, percent
from filbert.report.prose import figcaption, figure_title, scroller

SHADES = 10
LABEL_CHARACTERS = 24
LABELS_SHOWN = 60


def matrix(
    values: npt.ArrayLike,
    labels: Sequence[str],
    title: str,
    rows: str,
    columns: str,
    words: Mapping[str, str],
) -> str:
    """Counts [labels, labels], row = truth, with recall at the end of each row.

    Args:
        values: counts; a value that is not finite is named in its cell and counts as 0.
        labels: one name for each row and column.
        title: the name above the figure.
        rows: what the rows are.
        columns: what the columns are.
        words: the page's own words.

    Returns:
        HTML.

    Raises:
        DataError: not a square of as many rows as labels, a negative count, or too many labels.
    """
    counts = floats(values, "matrix", 2) if len(labels) else np.zeros((0, 0))
    size = len(labels)
    if counts.shape != (size, size):
        raise DataError(
            f"matrix: expected {size} rows and columns for {size} labels, "
            f"got the shape {counts.shape}"
        )
    if (counts < 0).any():
        raise DataError(f"matrix: expected counts of 0 or more, got {counts.min():g}")
    if size > LABELS_SHOWN:
        raise DataError(f"matrix: expected at most {LABELS_SHOWN} labels, got {size}")
    if not size:
        return f'<figure>{figure_title(title)}<p class="quiet">{words["nothing"]}</p></figure>'
    names = [shorten(label, LABEL_CHARACTERS) for label in labels]
    body = _body(counts, names, labels, words)
    upright = size > 5 or max(len(name) for name in names) > 9
    top = "".join(
        f'<th scope="col" title="{plain(label)}"><span>{inline(name)}</span></th>'
        for name, label in zip(names, labels, strict=True)
    )
    table = (
        f'<table class="matrix{" upright" if upright else ""}{" many" if size > 11 else ""}">'
        "<thead>"
        f'<tr><td></td><th class="axis" scope="colgroup" colspan="{size}">{inline(columns)}</th>'
        f"<td></td></tr>"
        f'<tr><th class="axis" scope="col">{inline(rows)}</th>{top}'
        f'<th class="rim" scope="col"><span>{words["recall"]}</span></th></tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
    scrolled = scroller(table, plain(title) or words["matrix"])
    return f"<figure>{figure_title(title)}{scrolled}{figcaption(words['matrix_key'])}</figure>"


def _body(
    counts: Floats, names: Sequence[str], labels: Sequence[str], words: Mapping[str, str]
) -> str:
    known = np.where(np.isfinite(counts), counts, 0.0)
    sums = known.sum(axis=1)
    lines = []
    for row, name in enumerate(names):
        cells = []
        for column in range(len(names)):
            share = known[row, column] / sums[row] if sums[row] else 0.0
            kind = "hit" if row == column else "miss"
            # Any mistake at all gets the faintest shade: one in a thousand must not look like none.
            shade = max(1, round(SHADES * share)) if known[row, column] else 0
            about = f"{labels[row]} → {labels[column]}: {percent(share)}"
            # Zeros are the most frequent count and say the least: a dot keeps the table calm.
            shown = "·" if counts[row, column] == 0 else _count(counts[row, column])
            cells.append(f'<td class="{kind} s{shade}" title="{plain(about)}">{shown}</td>')
        recall = _whole_percent(known[row, row], sums[row])
        lines.append(
            f'<tr><th scope="row" title="{plain(labels[row])}">{inline(name)}</th>'
            f'{"".join(cells)}<td class="rim">{recall}</td></tr>'
        )
    columns = known.sum(axis=0)
    foot = "".join(
        f'<td class="rim">{_whole_percent(known[at, at], columns[at])}</td>'
        for at in range(len(names))
    )
    correct = _whole_percent(np.trace(known), known.sum())
    lines.append(
        f'<tr class="rim"><th scope="row" class="rim">{words["precision"]}</th>{foot}'
        f'<td class="rim">{correct}</td></tr>'
    )
    return "".join(lines)


def _count(value: float) -> str:
    return number(int(value)) if float(value).is_integer() else number(value)


def _whole_percent(part: float, whole: float) -> str:
    """Whole percents: the rims are narrow, and counts this small carry no more digits."""
    return f"{100 * part / whole:.0f}\u202f%" if whole else "–"
