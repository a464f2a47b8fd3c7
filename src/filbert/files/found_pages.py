"""An HTML file → its main text."""

from collections.abc import Iterator

from filbert.files.found import Found, Item, Problem
from filbert.files.html import html_text
from filbert.files.trouble import Bomb, Truncated
from filbert.files.unpacked import open_plain

MOST_BYTES = 10 << 20
"""The largest page that is read."""


def read_page(address: str) -> Iterator[Item]:
    """The main text of an HTML file, with its title and language; nothing else of the page."""
    raw = bytearray()
    with open_plain(address) as stream:
        try:
            while len(raw) <= MOST_BYTES and (piece := stream.read(1 << 16)):
                raw += piece
        except (Truncated, Bomb) as error:
            # Of a page that is cut short the beginning is still text.
            kind = "truncated" if isinstance(error, Truncated) else "bomb"
            yield Problem(kind, f"byte {len(raw)}", error.reason)
    if len(raw) > MOST_BYTES:
        said = f"expected a page of at most {MOST_BYTES:,} bytes, got a larger one"
        yield Problem("too large", "", said)
        return
    page = html_text(bytes(raw))
    if page.problem is not None:
        yield page.problem
    if page.text:
        yield Found(page.text, "byte 0", title=page.title, language=page.language)
