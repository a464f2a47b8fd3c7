"""Text that UTF-8 can hold."""

import re

_HALVES = re.compile("[\ud800-\udfff]")


def whole_text(text: str) -> str:
    """Half of a surrogate pair, which JSON can write and UTF-8 cannot, becomes U+FFFD."""
    return _HALVES.sub("\ufffd", text)
