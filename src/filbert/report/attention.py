"""Who looks at whom in a sentence: the tokens in a row, and the map of all pairs.

The page stands without its script: it then shows the mean over all layers and attention heads.
The script (page.js) adds the choice of layer, attention head and token.
"""

import base64
import zlib
from collections.abc import Mapping, Sequence
from unicodedata import east_asian_width

import numpy as np
import numpy.typing as npt

from filbert.errors import DataError
from filbert.report.escape import inline, plain, shorten
from filbert.report.numbers import Floats, floats, shares
from filbert.report.prose import figcaption, figure_title, scroller

SHADES = 15
TOKENS_SHOWN = 96
LABEL_CHARACTERS = 16
MAP_PIXELS = 600


def tokens(pieces: Sequence[str], weights: npt.ArrayLike | None, title: str) -> str:
    """Tokens in a row, each shaded by its weight.

    Raises:
        DataError: not as many weights as tokens, or a weight that is not in [0, 1].
    """
    levels = np.zeros(len(pieces), dtype=np.int64)
    if weights is not None:
        given = shares(floats(weights, "tokens: weights", 1), "tokens: weights")
        if len(given) != len(pieces):
            raise DataError(
                f"tokens: expected {len(pieces)} weights for {len(pieces)} tokens, got {len(given)}"
            )
        levels = _levels(given)
    return f"<figure>{figure_title(title)}{_chips(pieces, levels)}</figure>"


def attention(
    pieces: Sequence[str], weights: npt.ArrayLike, title: str, words: Mapping[str, str]
) -> str:
    """The attention map of one sentence.

    Args:
        pieces: the tokens, at most TOKENS_SHOWN.
        weights: [depth, attention_heads, tokens, tokens]; [.., i, j] is how much token i looks at
            token j. Values that are not finite count as 0.
        title: the name above the figure.
        words: the page's own words.

    Returns:
        HTML.

    Raises:
        DataError: another shape, too many tokens, or values that are no shares.
    """
    given = floats(weights, "attention", 4)
    depth, attention_heads, *pairs = given.shape
    size = len(pieces)
    if tuple(pairs) != (size, size) or not (size and depth and attention_heads):
        raise DataError(
            "attention: expected weights [depth, attention_heads, tokens, tokens] with "
            f"{size} tokens, got the shape {given.shape}"
        )
    if size > TOKENS_SHOWN:
        raise DataError(
            f"attention: expected at most {TOKENS_SHOWN} tokens (a larger map cannot be read), "
            f"got {size}; cut the text first"
        )
    known = shares(given, "attention")
    lost = int((~np.isfinite(known)).sum())
    known = np.nan_to_num(known, nan=0.0, posinf=0.0, neginf=0.0)
    mean = known.mean(axis=(0, 1))
    note = words["not_drawn"].format(count=f"{lost:,}") if lost else ""
    said = {
        "received": words["received"],
        "looks": words["looks_at"],
        "layer": words["layer"],
        "head": words["attention_head"],
        "mean": words["mean"],
    }
    data = "".join(f' data-{key}="{plain(value)}"' for key, value in said.items())
    return (
        f'<figure class="attention" data-shape="{depth},{attention_heads},{size}" '
        f'data-weights="{_coded(known)}"{data}>{figure_title(title)}'
        '<div class="choices" hidden></div>'
        f'<p class="readout" role="status">{words["received_static"]}</p>'
        f"{_chips(pieces, _levels(mean.mean(axis=0)))}"
        f"{scroller(_map(pieces, mean), plain(title) or words['attention_head'])}"
        f"{figcaption(words['map_key'], _scale(), note)}</figure>"
    )


def _coded(weights: Floats) -> str:
    """Shares as bytes, deflated, base64: 255·√share, so that small ones keep their digits."""
    coarse = np.rint(255 * np.sqrt(weights)).astype(np.uint8)
    return base64.b64encode(zlib.compress(coarse.tobytes(), 9)).decode()


def _levels(weights: Floats) -> npt.NDArray[np.int64]:
    """Shares → shades; by the root, else all but the strongest would look like nothing."""
    known = np.nan_to_num(weights, nan=0.0, posinf=0.0, neginf=0.0)
    levels: npt.NDArray[np.int64] = np.rint(SHADES * np.sqrt(known)).astype(np.int64)
    return levels


def _chips(pieces: Sequence[str], levels: npt.NDArray[np.int64]) -> str:
    chips = "".join(
        f'<li><span class="chip a{level}">{inline(shorten(piece, 80))}</span></li>'
        for piece, level in zip(pieces, levels, strict=True)
    )
    return f'<ol class="chips" dir="ltr">{chips}</ol>'


def _scale() -> str:
    steps = "".join(
        f'<rect class="m{level}" x="{8 * level}" width="8" height="10"/>'
        for level in range(SHADES + 1)
    )
    width = 8 * (SHADES + 1)
    return (
        '<span class="scale"><span>0</span>'
        f'<svg viewBox="0 0 {width} 10" width="{width}" height="10" aria-hidden="true">{steps}'
        "</svg><span>100\u202f%</span></span>"
    )


def _map(pieces: Sequence[str], weights: Floats) -> str:
    """All pairs: one path a shade, so that even 96 × 96 cells stay small and quick."""
    size = len(pieces)
    cell = min(30, max(13, MAP_PIXELS // size))
    font = min(13, cell - 2)
    labels = [shorten(piece, LABEL_CHARACTERS) for piece in pieces]
    margin = round(10 + 0.62 * font * max(_columns(label) for label in labels))
    whole = margin + size * cell
    levels = _levels(weights)
    shades = "".join(
        f'<path class="m{level}" d="{_squares(levels == level)}"/>' for level in range(SHADES + 1)
    )
    rows, columns = [], []
    for at, label in enumerate(labels):
        middle = margin + (at + 0.5) * cell
        rows.append(f'<text x="{margin - 6}" y="{middle:g}">{plain(label)}</text>')
        turned = f"translate({middle:g} {margin - 6}) rotate(-90)"
        columns.append(f'<text transform="{turned}">{plain(label)}</text>')
    return (
        f'<svg class="map" width="{whole}" height="{whole}" viewBox="0 0 {whole} {whole}" '
        f'role="img" font-size="{font}">'
        f'<g class="rows">{"".join(rows)}</g><g class="columns">{"".join(columns)}</g>'
        f'<g class="cells" transform="translate({margin} {margin}) scale({cell})">{shades}'
        '<rect class="cursor" width="1" height="1" display="none"/></g></svg>'
    )


def _columns(text: str) -> int:
    """Columns of a fixed-width font that a text takes: Chinese letters take two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _squares(chosen: npt.NDArray[np.bool_]) -> str:
    return "".join(f"M{column} {row}h1v1h-1z" for row, column in np.argwhere(chosen))
