"""A stream of a dump → its pages as bytes, one by one, whatever is broken between them.

MediaWiki writes every "<" of a text as "&lt;", so "<page>" and "</page>" in a dump are always the
borders of a page. They are looked for in the bytes; only a page that is whole goes to the XML
parser. So a broken page costs itself alone, memory holds one page, a part of a dump can be read
without what stands before it, and no DOCTYPE ever reaches a parser: there is nothing to expand.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from filbert.files import Bomb, Problem, Truncated

PAGE_BYTES = 8 << 20
"""The longest page that is read; MediaWiki itself takes no text of more than 2 MiB."""
_CHUNK_BYTES = 1 << 16
_GAP_BYTES = 1 << 20
_DECLARED = re.compile(rb"^<\?xml[^<>]*?encoding\s*=\s*[\"']([\w.-]+)[\"']")
_BETWEEN = re.compile(
    r"<\?xml[^<>]*>|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>|<!--.*?-->|<mediawiki[^<>]*>|</mediawiki\s*>"
    r"|<siteinfo>.*?</siteinfo>|<siteinfo\s*/>|<logitem>.*?</logitem>|<sha1>[^<>]*</sha1>",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class RawPage:
    """The XML of a page, its number, the byte where it begins in the plain data, its encoding."""

    number: int
    offset: int
    raw: bytes
    codec: str

    @property
    def place(self) -> str:
        """Where the page is."""
        return f"page {self.number} at byte {self.offset}"


@dataclass(frozen=True, slots=True)
class Between:
    """What stands before, between or behind pages, decoded; at most 1 MiB of it."""

    text: str
    offset: int


def split_pages(
    stream: BinaryIO, codec: str | None = None
) -> Iterator[RawPage | Between | Problem]:
    """The pages of a dump in their order, what stands between them, and what is broken.

    A stream that breaks off (Truncated, Bomb) ends with one problem; so does one that ends inside
    a page.

    Args:
        stream: the plain bytes.
        codec: their encoding; None: by byte order mark, zero bytes or XML declaration.
    """
    window = _Window(stream)
    window.more()
    window.use(codec or codec_of(window.data))
    number = 0
    while True:
        yield from _between(window)
        if not window.at(window.opening):
            break
        number += 1
        yield _page(window, number)
    if window.broken_off is not None:
        yield _broken_off(window, f"byte {window.offset}")


def codec_of(head: bytes) -> str:
    """The encoding of a dump by its first bytes."""
    if head.startswith(codecs.BOM_UTF16_LE) or head[1:2] == b"\0" == head[3:4]:
        return "utf-16-le"
    if head.startswith(codecs.BOM_UTF16_BE) or head[0:1] == b"\0" == head[2:3]:
        return "utf-16-be"
    if found := _DECLARED.match(head):
        try:
            name = codecs.lookup(found[1].decode("ascii")).name
        except LookupError:
            return "utf-8"
        return name if "<page>".encode(name) == b"<page>" else "utf-8"
    return "utf-8"


def unexpected(between: Between) -> str:
    """What stands between pages and belongs to none, without white space; "" if nothing does."""
    if between.text.isspace():
        return ""
    return _BETWEEN.sub("", between.text.removeprefix("\ufeff")).strip()


class _Window:
    """The part of a stream that is looked at: `data`, whose first byte is at `offset`."""

    def __init__(self, stream: BinaryIO) -> None:
        self.data = b""
        self.offset = 0
        self.broken_off: Truncated | Bomb | None = None
        self.ended = False
        self._stream = stream
        self.codec, self.opening, self.closing = "utf-8", b"<page>", b"</page>"
        self._unit = 1

    def use(self, codec: str) -> None:
        self.codec = codec
        self.opening, self.closing = "<page>".encode(codec), "</page>".encode(codec)
        self._unit = 2 if codec.startswith("utf-16") else 1

    def more(self) -> bool:
        """Read on; False at the end."""
        chunk = b""
        if not self.ended:
            try:
                chunk = self._stream.read(_CHUNK_BYTES)
            except (Truncated, Bomb) as error:
                self.broken_off = error
        self.ended = self.ended or not chunk
        self.data = self.data + chunk if self.data else chunk
        return bool(chunk)

    def drop(self, size: int) -> None:
        self.data = self.data[size:]
        self.offset += size

    def at(self, mark: bytes) -> bool:
        return self.data.startswith(mark)

    def find(self, mark: bytes, start: int = 0, stop: int | None = None) -> int:
        """Where a mark begins, at a whole character; -1 if it is not there."""
        end = len(self.data) if stop is None else stop
        found = self.data.find(mark, start, end)
        while found >= 0 and (found + self.offset) % self._unit:
            found = self.data.find(mark, found + 1, end)
        return found

    def decode(self, raw: bytes) -> str:
        return raw.decode(self.codec, "replace")


def _between(window: _Window) -> Iterator[Between]:
    """All up to the next page, which then stands at the beginning of the window."""
    offset, head = window.offset, b""
    seen = 0
    while (found := window.find(window.opening, seen)) < 0:
        spare = len(window.data) - len(window.opening)
        if spare > _GAP_BYTES:
            head = head or window.data[:spare]
            window.drop(spare - spare % 2)
        seen = max(0, len(window.data) - len(window.opening))
        if not window.more():
            found = len(window.data)
            break
    head = head or window.data[:found]
    window.drop(found)
    if head:
        yield Between(window.decode(head), offset)


def _page(window: _Window, number: int) -> RawPage | Problem:
    offset = window.offset
    place = f"page {number} at byte {offset}"
    seen = len(window.opening)
    while (end := window.find(window.closing, seen)) < 0:
        seen = max(len(window.opening), len(window.data) - len(window.closing))
        if len(window.data) > PAGE_BYTES and not _without_old_revisions(window):
            return _too_large(window, place, offset)
        seen = min(seen, max(len(window.opening), len(window.data) - len(window.closing)))
        if not window.more():
            return _unfinished(window, place)
    end += len(window.closing)
    again = window.find(window.opening, len(window.opening), end)
    if again >= 0:
        window.drop(again)
        message = f"expected </page>, got another <page> at byte {window.offset}"
        return Problem("broken XML", place, message)
    raw = window.data[:end]
    window.drop(end)
    return RawPage(number, offset, raw, window.codec)


def _without_old_revisions(window: _Window) -> bool:
    """Take all revisions but the last out of a page that is read; False if that helps nothing."""
    mark = "<revision>".encode(window.codec)
    first, last = window.find(mark), window.data.rfind(mark)
    if first < 0 or last <= first or len(window.data) - (last - first) > PAGE_BYTES // 2:
        return False
    window.data = window.data[:first] + window.data[last:]
    window.offset += last - first  # of what is behind the page; the page's own was noted before
    return True


def _too_large(window: _Window, place: str, offset: int) -> Problem:
    """Pass over a page that is too long, without holding it."""
    skip = len(window.opening)
    while True:
        end, again = window.find(window.closing, skip), window.find(window.opening, skip)
        if end >= 0 or again >= 0:
            break
        spare = max(0, len(window.data) - len(window.closing))
        window.drop(spare - spare % 2)
        skip = 0
        if not window.more():
            return _unfinished(window, place)
    window.drop(again if end < 0 or 0 <= again < end else end + len(window.closing))
    size = window.offset - offset
    message = f"expected a page of at most {PAGE_BYTES:,} bytes, got one of {size:,}"
    return Problem("too large", place, message)


def _unfinished(window: _Window, place: str) -> Problem:
    """The end came inside a page: nothing is left to read."""
    again = window.find(window.opening, 1)
    if again >= 0:
        window.drop(again)
        message = f"expected </page>, got another <page> at byte {window.offset}"
        return Problem("broken XML", place, message)
    window.drop(len(window.data))
    problem = _broken_off(window, place)
    window.broken_off = None
    return problem


def _broken_off(window: _Window, place: str) -> Problem:
    if isinstance(window.broken_off, Bomb):
        return Problem("bomb", place, window.broken_off.reason)
    reason = f": {window.broken_off.reason}" if window.broken_off else ""
    where = f"expected </page>, got the end of the data at byte {window.offset}"
    if window.broken_off and not place.startswith("page"):
        where = "expected another page or </mediawiki>, got the end of the data"
    return Problem("truncated", place, where + reason)
