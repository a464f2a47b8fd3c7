"""WikiExtractor's output (<doc id= url= title=> … </doc>) → texts, one an article."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from filbert.files.block import Block
from filbert.files.found import Found, Item, Problem
from filbert.files.text_lines import TextLine, read_text_lines

OPENING = re.compile(r'<doc\s+(?:[\w:-]+="[^"]*"\s*)+>\s*')
_ATTRIBUTE = re.compile(r'([\w:-]+)="([^"]*)"')
_CLOSING = "</doc>"


@dataclass(slots=True)
class _Article:
    place: str
    title: str | None
    url: str | None
    block: Block = field(default_factory=Block)


def read_extracted(address: str, start: int, stop: int | None) -> Iterator[Item]:
    """The articles whose <doc> line begins in a range, without the repeated title line.

    An article that is not closed is kept, with a note of kind "truncated".
    """
    article: _Article | None = None
    outside = start > 0  # lines before the first <doc> belong to the range before
    for line in read_text_lines(address, start):
        if line.problem:
            yield line.problem
        opened = OPENING.fullmatch(line.text)
        if opened or line.text.rstrip() == _CLOSING:
            yield from _closed(article, is_whole=not opened)
            article = None
        if opened:
            if stop is not None and line.at >= stop:
                return
            article, outside = _article(line), False
        elif article is not None:
            article.block.add(line.text, article.place)
        elif line.text.strip() not in ("", _CLOSING) and not outside:
            outside = True  # said once for all lines up to the next article
            said = 'expected <doc id="…" …> before the text of an article, got text'
            yield Problem("broken markup", line.place, said)
    yield from _closed(article, is_whole=False)


def _article(line: TextLine) -> _Article:
    found = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(line.text)}
    return _Article(line.place, found.get("title") or None, found.get("url") or None)


def _closed(article: _Article | None, *, is_whole: bool) -> Iterator[Item]:
    if article is None:
        return
    place = article.place
    if article.block.is_too_large:
        yield article.block.problem("an article")
        return
    if not is_whole:
        yield Problem("truncated", place, "expected </doc>, got none; the text is kept", lost=False)
    lines = article.block.lines
    if lines and article.title is not None and html.unescape(lines[0]).strip() == article.title:
        lines = lines[1:]
    text = "\n".join(lines).strip()
    if text:
        yield Found(text, place, title=article.title, url=article.url)
    else:
        said = "expected the text of an article, got its title alone"
        yield Problem("empty", place, said, lost=False)
