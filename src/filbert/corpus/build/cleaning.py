"""Raw texts → clean documents, or the rules that drop them."""

from collections.abc import Sequence
from dataclasses import dataclass

from filbert.corpus.build.settings import CorpusSettings
from filbert.corpus.document import Document
from filbert.corpus.rules import broken_rules
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


def clean(
    found: Sequence[Found], sources: Sequence[str], settings: CorpusSettings
) -> list[Document | Dropped]:
    """What becomes of each text, in order; a document comes with its sentences if they are asked.

    In this order: normal form, language, simplified characters, rules, sentences. A text that is
    too long is dropped as it came: to bring it into normal form takes its memory several times
    over.
    """
    quality = settings.thresholds()
    longest = quality.max_characters
    texts, languages = [], []
    for item in found:
        text = "" if longest and len(item.text) > longest else normalise(item.text)
        language = _language(text, item.language)
        if settings.simplified and language == "zh":
            text = to_simplified(text)
        texts.append(text)
        languages.append(language)
    rules = broken_rules(texts, languages, quality)
    results: list[Document | Dropped] = []
    for item, source, text, language, rule in zip(
        found, sources, texts, languages, rules, strict=True
    ):
        if longest and len(item.text) > longest:
            results.append(Dropped("long", item.text))
        elif rule is not None:
            results.append(Dropped(rule, text))
        else:
            results.append(_document(item, source, text, language, settings))
    return results


def _document(
    found: Found, source: str, text: str, language: str, settings: CorpusSettings
) -> Document:
    title = normalise(found.title).replace("\n", " ") if found.title else None
    if title and settings.simplified and language == "zh":
        title = to_simplified(title)
    ends = [end for _, end in split_sentences(text)] if settings.sentences else []
    return Document(
        text, source, found.place, found.label, title or None, found.url, language, ends
    )


def _language(text: str, said: str | None) -> str:
    language, score = detect_language(text)
    if said and score < _SURE:
        # "zh-Hant", "en_GB": what stands before the country or the script.
        said = said.replace("_", "-").partition("-")[0].lower()
        return said if said.isalpha() and language != said else language
    return language or _UNKNOWN
