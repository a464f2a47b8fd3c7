"""In which encoding a page is written: what it says, unless its bytes say otherwise."""

import codecs
import re
from collections.abc import Iterator

from filbert.errors import missing_extra
from filbert.files.encodings import HEAD_BYTES, coding_of
from filbert.files.found import Problem

_META_BYTES = 4096
_META = re.compile(
    rb"<(?:meta[^>]{0,400}?charset|\?xml[^>]{0,100}?encoding)\s*=\s*[\"']?\s*([\w.:-]{2,40})",
    re.IGNORECASE,
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The names of the HTML standard (as resiliparse gives them) by Python's, where these differ or
# Python has one that holds more characters.
_PYTHON_NAMES = {
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "big5": "big5hkscs",
    "shift-jis": "cp932",
    "euc-kr": "cp949",
    "iso2022-jp": "iso-2022-jp",
    "iso-8859-8-i": "iso8859_8",
    "x-mac-cyrillic": "mac_cyrillic",
    "macintosh": "mac_roman",
}
_MULTIBYTE = {"utf-8", "gb18030", "big5hkscs", "cp932", "cp949", "euc-jp", "iso-2022-jp"}
_SEVEN_BITS = {"iso-2022-jp"}
_BAD_PART = 0.1


def decode_page(raw: bytes, charset: str | None) -> tuple[str, str, Problem | None]:
    """The page as text, its encoding by Python's name, and what could not be decoded.

    In this order: a byte order mark; UTF-8 where the bytes are valid UTF-8, whatever is declared;
    what the header (`charset`) and <meta> declare, those of several bytes a character first, if all
    bytes are valid in it; GB18030 or UTF-16 by the look of it; a declared one with few bytes that
    are not valid; a declared one of one byte a character; the detector's guess. What cannot be
    decoded becomes U+FFFD, with a problem of kind "encoding" that is not lost.
    """
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return _result(raw[len(mark) :], name)
    declared = list(_declared(raw, charset))
    if raw.isascii() and b"\0" not in raw and not _SEVEN_BITS.intersection(declared):
        return raw.decode("ascii"), "utf-8", None
    several = [name for name in declared if name in _MULTIBYTE]
    if (wide := _unmarked_utf16(raw)) is not None:
        return _result(raw, wide)
    for name in _strict_order(several):
        try:
            return raw.decode(name), name, None
        except UnicodeDecodeError:
            pass
    if coding_of(raw[:HEAD_BYTES].replace(b"\0", b"")) == "gb18030":
        return _result(raw, "gb18030")
    for name in (*several, "utf-8"):
        text, _, problem = _result(raw, name)
        if text.count("\ufffd") <= _BAD_PART * sum(not c.isascii() for c in text):
            return text, name, problem
    single = [name for name in declared if name not in _MULTIBYTE]
    return _result(raw, single[0] if single else _guess(raw))


def _unmarked_utf16(raw: bytes) -> str | None:
    head = raw[:HEAD_BYTES]
    seen = coding_of(head) if b"<\0" in head or b"\0<" in head else None
    return seen if seen in ("utf-16-le", "utf-16-be") else None


def _strict_order(several: list[str]) -> list[str]:
    seven = [name for name in several if name in _SEVEN_BITS]
    return [*seven, "utf-8", *(name for name in several if name != "utf-8")]


def _result(raw: bytes, name: str) -> tuple[str, str, Problem | None]:
    text = raw.decode(name, "replace")
    bad = text.count("\ufffd")
    if not bad or name not in (*_MULTIBYTE, "utf-16-le", "utf-16-be"):
        return text, name, None  # some bytes are no characters in Windows' code pages; HTML says so
    said = f"expected {name.upper()}, got {bad:,} places that are not; they became U+FFFD"
    return text, name, Problem("encoding", "", said, lost=False)


def _declared(raw: bytes, charset: str | None) -> Iterator[str]:
    """What header and meta say, by Python's names; nothing that is no encoding of the web."""
    meta = _META.search(raw[:_META_BYTES])
    for label in (charset, meta[1].decode("ascii", "replace") if meta else None):
        name = _python_name(label or "")
        if name:
            yield name


def _python_name(label: str) -> str | None:
    try:
        from resiliparse.parse.encoding import map_encoding_to_html5
    except ImportError as error:
        raise missing_extra("resiliparse", "data") from error
    name = map_encoding_to_html5(label.strip(" \t\"'"), fallback_utf8=False)
    # UTF-16 without a mark is told by its zero bytes alone: pages that only say it are UTF-8.
    if not name or name.lower().startswith("utf-16"):
        return None
    name = name.lower().replace("_", "-")
    name = _PYTHON_NAMES.get(name, name)
    try:
        codecs.lookup(name)
    except LookupError:
        return None
    return name


def _guess(raw: bytes) -> str:
    from resiliparse.parse.encoding import detect_encoding

    return _python_name(detect_encoding(raw) or "") or "cp1252"
