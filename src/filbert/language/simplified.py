"""Traditional Chinese → simplified."""

import re
from functools import cache
from typing import Any

from filbert.errors import missing_extra

_SURROGATE = re.compile("[\ud800-\udfff]")


def to_simplified(text: str) -> str:
    """Traditional Chinese characters as simplified ones (OpenCC's t2s); all else stays.

    Words are looked at, not characters alone (乾杯 → 干杯, but 乾坤 stays), so the length may
    differ in rare cases. Words of Taiwan or Hong Kong are not replaced by those of the mainland.
    Halves of surrogate pairs, which no text on disk can hold, become U+FFFD. One converter serves
    all threads of a process.

    Raises ExtraError where opencc is not installed.
    """
    if text.isascii():
        return text
    try:
        converted: str = _converter().convert(text)
    except UnicodeEncodeError:
        converted = _converter().convert(_SURROGATE.sub("\ufffd", text))
    return converted


@cache
def _converter() -> Any:
    try:
        from opencc import OpenCC
    except ImportError as error:
        raise missing_extra("opencc", "zh") from error
    return OpenCC("t2s.json")
