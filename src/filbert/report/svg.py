"""The drawing that came out of the chart library, rebuilt from an allow-list.

Nothing is carried over that could load, run or style anything: only shapes, lines and numbers.
"""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping

from filbert.errors import DataError
from filbert.report.escape import plain

_NAMESPACE = "{http://www.w3.org/2000/svg}"
_ELEMENTS = frozenset({"svg", "g", "path", "line", "rect", "text"})
_ATTRIBUTES = frozenset(
    "d x y x1 x2 y1 y2 width height viewBox transform fill stroke opacity fill-opacity "
    "stroke-opacity stroke-width stroke-dasharray stroke-linecap stroke-linejoin "
    "stroke-miterlimit text-anchor font-size font-weight display".split()
)
# Values are numbers, names, lists of them, and var(--name); above all no url(…) and no quotes.
_VALUE = re.compile(
    r"(?:var\(--[a-z0-9-]+\)|(?:translate|rotate|scale)\([-0-9., e]+\)|"
    r"[-A-Za-z0-9#., ]|%)*"
)
_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")


def rebuild(drawing: str, label: str, tips: Mapping[str, str]) -> str:
    """Rebuild an SVG from allowed elements and attributes only.

    Args:
        drawing: the chart library's SVG.
        label: what the whole drawing shows, for screen readers (not yet escaped).
        tips: the `aria-label` of a mark → the tool tip that it gets (not yet escaped).

    Returns:
        An `<svg>` element for inline use in HTML.

    Raises:
        DataError: the drawing is not XML, or an attribute holds what no drawing needs.
    """
    try:
        root = ElementTree.fromstring(drawing)
    except ElementTree.ParseError as error:
        raise DataError(f"the chart library's SVG cannot be read: {error}") from error
    return _element(root, tips, f' role="img" aria-label="{plain(label)}"')


def _element(node: ElementTree.Element, tips: Mapping[str, str], extra: str = "") -> str:
    name = node.tag.removeprefix(_NAMESPACE)
    if name not in _ELEMENTS or _draws_nothing(node, name):
        return ""
    kept = [extra]
    for key, value in node.attrib.items():
        if key in _ATTRIBUTES:
            if not _VALUE.fullmatch(value):
                raise DataError(f"the chart library's SVG: unexpected {key}={value[:80]!r}")
            kept.append(f' {key}="{_LONG_NUMBER.sub(_rounded, value)}"')
    inside = "".join(_element(child, tips) for child in node)
    if name == "text":
        inside = plain(node.text or "")
    tip = tips.get(node.get("aria-label", ""))
    if tip is not None:
        kept.append(' class="spot"')
        inside = f"<title>{plain(tip)}</title>"
    elif name == "g" and not inside:
        return ""
    return f"<{name}{''.join(kept)}>{inside}</{name}>"


def _draws_nothing(node: ElementTree.Element, name: str) -> bool:
    """The library's empty foregrounds, and its backgrounds: the page has its own."""
    if name == "path":
        return node.get("class") in ("background", "foreground") or not node.get("d")
    return name == "rect" and node.get("fill") == "white"


def _rounded(match: re.Match[str]) -> str:
    return f"{float(match.group()):.1f}".removesuffix(".0")
