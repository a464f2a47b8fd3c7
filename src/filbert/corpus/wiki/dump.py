"""A dump of MediaWiki → the plain text of its articles."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, cast

from filbert.corpus.wiki.page import BrokenPage, Page, PageParser
from filbert.corpus.wiki.site import Site, read_site
from filbert.corpus.wiki.splitting import (
    Between,
    RawPage,
    codec_of,
    split_pages,
    unexpected,
)
from filbert.corpus.wiki.wikitext import plain_text
from filbert.files import Bomb, Found, Item, Problem, Truncated, open_plain

_HEAD_BYTES = 1 << 20
_REDIRECT = re.compile(r"\s*#\s*(?:redirect|重定向)\s*[:：]?\s*\[\[", re.IGNORECASE)
_SHOWN_CHARACTERS = 60


def read_dump(address: str, *, start: int = 0, stop: int | None = None) -> Iterator[Item]:
    """The articles of a MediaWiki XML dump as plain text, and what could not be read.

    Any version of the export format, plain or compressed, in UTF-8 or UTF-16. Articles are pages of
    namespace 0 that redirect to no other page; of several revisions the last one counts. Memory
    holds one page. Language and address of a page come from what the dump says about its wiki.

    Problems: "truncated" (the data ends too soon; all pages before came out), "broken XML" (one
    page is lost, reading goes on behind it), "too large" (a page of more than 8 MiB), "encoding"
    (bytes that are no text became U+FFFD), "empty" (an article without text), "unclosed template"
    (the page was kept), "bomb", "empty" without a place for an empty file.

    Args:
        address: a path or an address of an object store.
        start: the stored byte to begin at; where a stream begins (see multistream_ranges).
        stop: the stored byte to end before; None: the end.

    Raises Unreachable where the file cannot be opened.
    """
    part = bool(start) or stop is not None
    site, codec = _first_site(address) if start else (Site(), None)
    with open_plain(address, start=start, stop=stop) as stream:
        reader = _Reader(site, codec, f", counted from stored byte {start}" if start else "")
        yield from reader.read(cast(BinaryIO, stream), whole=not part)


def _first_site(address: str) -> tuple[Site, str]:
    """The wiki and the encoding, from the beginning of the file."""
    head = b""
    with open_plain(address) as stream:
        try:
            while len(head) < _HEAD_BYTES and b"<page>" not in head.replace(b"\0", b""):
                chunk = stream.read(1 << 16)
                if not chunk:
                    break
                head += chunk
        except (Truncated, Bomb):
            pass  # what is there must do; reading the range says what is wrong
    codec = codec_of(head)
    text = head.decode(codec, "replace").partition("<page>")[0]
    return read_site(text) or Site(), codec


class _Reader:
    def __init__(self, site: Site, codec: str | None, counted_from: str) -> None:
        self._site = site
        self._codec = codec
        self._counted_from = counted_from
        self._parser = PageParser()
        self._ended = False
        self._pages = 0
        self._broken = 0
        self._root = False

    def read(self, stream: BinaryIO, *, whole: bool) -> Iterator[Item]:
        for piece in split_pages(stream, self._codec):
            if isinstance(piece, Problem):
                self._broken += 1
                yield self._placed(piece)
            elif isinstance(piece, RawPage):
                self._pages += 1
                for item in self._page(piece):
                    yield self._placed(item)
            else:
                yield from self._between(piece)
        if whole and not self._broken:
            yield from self._ending()

    def _ending(self) -> Iterator[Problem]:
        if not self._pages and not self._root:
            yield Problem(
                "empty", "", "expected a MediaWiki dump, got no <mediawiki> and no <page>"
            )
        elif not self._ended:
            message = "expected </mediawiki> behind the last page, got the end of the data"
            yield Problem("truncated", f"page {self._pages}", message)

    def _placed(self, item: Item) -> Item:
        if not self._counted_from:
            return item
        return replace(item, place=item.place + self._counted_from)

    def _between(self, between: Between) -> Iterator[Problem]:
        if site := read_site(between.text):
            self._site, self._root = site, True
        self._ended = "</mediawiki" in between.text or (self._ended and between.text.isspace())
        if found := unexpected(between):
            self._broken += 1
            shown = " ".join(found[:_SHOWN_CHARACTERS].split())
            place = f"byte {between.offset}"
            message = f"expected <page> behind page {self._pages}, got {shown!r}"
            yield cast(Problem, self._placed(Problem("broken XML", place, message)))

    def _page(self, raw: RawPage) -> Iterator[Item]:
        data, codec = raw.raw, raw.codec
        try:
            if codec != "utf-8":
                data = data.decode(codec).encode()
            else:
                data.decode()
        except UnicodeError as error:
            yield Problem("encoding", raw.place, f"expected {codec}, got {error}", lost=False)
            data = data.decode(codec, "replace").encode("utf-8", "replace")
        try:
            page = self._parser.parse(data)
        except BrokenPage as error:
            yield Problem("broken XML", raw.place, f"expected a page, got: {error}")
            return
        if self._is_article(page):
            yield from self._article(page, raw.place)

    def _is_article(self, page: Page) -> bool:
        if page.redirect or not page.is_wikitext:
            return False
        if page.namespace is None:
            article = self._site.is_article(page.title)
        else:
            article = page.namespace == 0
        return article and not (page.text and _REDIRECT.match(page.text))

    def _article(self, page: Page, place: str) -> Iterator[Item]:
        if not page.text:
            what = "deleted text" if page.deleted else "an empty text"
            got = "no <text>" if page.text is None else what
            message = f"expected the text of {page.title!r}, got {got}"
            yield Problem("empty", place, message, lost=page.text is None)
            return
        plain = plain_text(page.text)
        if plain.unclosed:
            message = (
                f"{page.title!r}: expected every {{{{, [[, {{|, <ref> to be closed, got one open"
            )
            yield Problem("unclosed template", place, message, lost=False)
        if not plain.text:
            message = f"expected prose in {page.title!r}, got only templates, tables or pictures"
            yield Problem("empty", place, message, lost=False)
            return
        url = self._site.url(page.title)
        yield Found(plain.text, place, title=page.title, url=url, language=self._site.language)
