"""What no honest page has, and what would take a parser of HTML minutes or gigabytes."""

import re
from itertools import accumulate

MAX_PAGE_BYTES = 10 << 20
MAX_DEPTH = 512
"""As deep as browsers nest elements."""
MAX_TAGS = 300_000
MAX_ATTRIBUTES = 10_000
MAX_OPEN = 500

_FEW_TAGS = 1000
_SHORT = 2 * MAX_ATTRIBUTES
# Elements that a parser opens again in every paragraph for as long as they are not closed.
_FORMATTING = re.compile(
    r"<(/?)(?:b|i|u|s|em|tt|big|code|font|nobr|small|strike|strong)[\s>/]", re.IGNORECASE
)
_STEP = {"": 1, "/": -1}
_ATTRIBUTE = r"""[\s/=]*+[^\s/>=]++(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>]*+))?+"""
_TAG = rf"<[a-zA-Z][^\s/>]*+(?:{_ATTRIBUTE}){{0,{MAX_ATTRIBUTES}}}+[\s/=]*+(?:>|\Z)"
# Goes through the page in one pass and stops before a tag that it cannot take in.
_PAGE = re.compile(rf"(?:[^<]++|<(?![a-zA-Z])|{_TAG})*+")


def what_is_too_much(text: str) -> str | None:
    """What makes the page one that is not parsed: expected and got; None for an honest one.

    The first bounds memory; the other two are where parsing takes the square of the length.
    """
    tags = text.count("<")
    if tags > MAX_TAGS:
        return f"expected at most {MAX_TAGS:,} tags, got {tags:,}"
    if len(text) > _SHORT and (stop := _end_of_page(text)) < len(text):
        return f"expected at most {MAX_ATTRIBUTES:,} attributes in the tag at character {stop:,}"
    if tags > _FEW_TAGS:
        steps = map(_STEP.__getitem__, _FORMATTING.findall(text))
        left_open = max((now - low for now, low in _with_lowest(steps)), default=0)
        if left_open > MAX_OPEN:
            return f"expected at most {MAX_OPEN} formatting tags left open, got {left_open:,}"
    return None


def _end_of_page(text: str) -> int:
    match = _PAGE.match(text)
    return match.end() if match else 0


def _with_lowest(steps: "map[int]") -> "zip[tuple[int, int]]":
    """The running sum, beside the lowest that it has been."""
    sums = list(accumulate(steps, initial=0))
    return zip(sums, accumulate(sums, min), strict=True)
