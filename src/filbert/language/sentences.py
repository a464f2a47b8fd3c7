"""Where sentences end."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from filbert.errors import SettingsError
from filbert.language.chinese_sentences import chinese_cuts
from filbert.language.english_sentences import english_cuts
from filbert.language.paragraphs import paragraphs
from filbert.language.script import is_chinese

LANGUAGES = ("en", "zh")


def split_sentences(text: str, language: str | None = None) -> list[tuple[int, int]]:
    """The sentences of a text as character spans (start, end), in order, without overlap.

    Every character that is no space lies in exactly one span, and no span begins or ends with a
    space. A blank line always ends a sentence. English ("en") is cut by nupunkt; a single line end
    means nothing there, since English text is often wrapped. Chinese ("zh") is cut by filbert's
    own rule, and every line end is an end. Without a language each paragraph is looked at alone.

    Raises SettingsError for another language, ExtraError where nupunkt is not installed.
    """
    if language is not None and language not in LANGUAGES:
        raise SettingsError(f"language: expected one of en, zh or none, got {language!r}")
    spans = []
    for start, end in paragraphs(text):
        paragraph = text[start:end]
        chinese = language == "zh" or (language is None and is_chinese(paragraph))
        cuts = chinese_cuts(paragraph) if chinese else english_cuts(paragraph)
        spans += [(start + first, start + last) for first, last in _between(paragraph, cuts)]
    return spans


def _between(text: str, cuts: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The pieces of the text between the cuts, without the spaces at their ends."""
    for start, end in pairwise([0, *cuts, len(text)]):
        piece = text[start:end]
        body = piece.rstrip()
        if body:
            end = start + len(body)
            if piece[0].isspace():
                start = end - len(body.lstrip())
            yield start, end
