"""Wikitext → the text that a reader sees."""

from dataclasses import dataclass

from filbert.corpus.wiki.brackets import without_brackets
from filbert.corpus.wiki.lines import laid_out
from filbert.corpus.wiki.links import without_external_links
from filbert.corpus.wiki.tags import LINE_BREAK, show_marks, without_raw_tags, without_tags
from filbert.corpus.wiki.tidy import decoded, tidied, without_emphasis


@dataclass(frozen=True, slots=True)
class PlainText:
    """The text of a page.

    Attributes:
        text: its prose: paragraphs and headings with a blank line between, list items as lines.
        unclosed: whether a template, link, table, reference or comment was left open; then only
            its marks are gone and the prose behind it is kept.
    """

    text: str
    unclosed: bool


def plain_text(wikitext: str) -> PlainText:
    """What a reader sees of a page, without all that is not prose.

    Away go templates (but for the few of filbert.corpus.wiki.templates, which carry prose),
    references, tables, pictures with their captions, galleries, categories, links to the same page
    in other languages, formulas, code blocks, comments and magic words; headings with nothing
    below them, and sections that only list references or links. Kept are the labels of links,
    headings, list items, what <nowiki>, <sub> and <sup> hold, and of a Chinese conversion
    -{zh-hans:…;zh-hant:…}- the simplified form.

    Time and memory are linear in the length of the text, whatever it holds.

    Args:
        wikitext: the source of a page, as MediaWiki stores it.
    """
    text = wikitext.replace("\r\n", "\n").replace(LINE_BREAK, "\n")
    text, open_tag = without_raw_tags(text)
    text, open_bracket = without_brackets(text)
    text = without_tags(without_external_links(without_emphasis(text)))
    text = tidied(decoded(text))
    text = show_marks(laid_out(text).replace(LINE_BREAK, "\n"))
    return PlainText(text, open_tag or open_bracket)
