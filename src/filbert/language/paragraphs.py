"""Where paragraphs end."""

import re
from collections.abc import Iterator

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")


def paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """The spans (start, end) between blank lines, in characters; together with them, all of it."""
    start = 0
    for gap in _BLANK_LINE.finditer(text):
        yield start, gap.start()
        start = gap.end()
    yield start, len(text)
