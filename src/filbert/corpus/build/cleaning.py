"""A raw text → a clean document, or the rule that drops it."""

from dataclasses import dataclass

from filbert.corpus.build.settings import CorpusSettings
from filbert.corpus.document import Document
from filbert.corpus.rules import broken_rule
from filbert.files import Found
from filbert.language import detect_language, normalise, split_sentences, to_simplified

_SURE = 0.5
"""Below this the language that the source names is believed rather than the model."""
_UNKNOWN = "und"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A text that does not stay, and why."""

    rule: str
    text: str


def clean(found: Found, source: str, settings: CorpusSettings) -> Document | Dropped:
    """The document that a text becomes, without its sentences (see `with_sentences`).

    In this order: normal form, language, simplified characters, rules. A text that is too
    long is dropped as it came: to bring it into normal form takes its memory several times over.
    """
    quality = settings.thresholds()
    if quality.max_characters and len(found.text) > quality.max_characters:
        return Dropped("long", found.text)
    text = normalise(found.text)
    title = normalise(found.title).replace("\n", " ") if found.title else None
    language = _language(text, found.language)
    if settings.simplified and language == "zh":
        text = to_simplified(text)
        title = to_simplified(title) if title else title
    rule = broken_rule(text, language, quality)
    if rule is not None:
        return Dropped(rule, text)
    sentence_ends = [end for _, end in split_sentences(text)] if settings.sentences else []
    return Document(
        text, source, found.place, found.label, title or None, found.url, language, sentence_ends
    )


def _language(text: str, said: str | None) -> str:
    language, score = detect_language(text)
    if said and score < _SURE:
        # "zh-Hant", "en_GB": what stands before the country or the script.
        said = said.replace("_", "-").partition("-")[0].lower()
        return said if said.isalpha() and language != said else language
    return language or _UNKNOWN
