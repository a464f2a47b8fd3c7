"""English and Chinese strings: normal form, script, language, sentences, words."""

from filbert.language.identify import detect_language
from filbert.language.normal_form import normalise
from filbert.language.script import is_chinese
from filbert.language.sentences import split_sentences
from filbert.language.simplified import to_simplified
from filbert.language.words import list_words, split_words

__all__ = [
    "detect_language",
    "is_chinese",
    "list_words",
    "normalise",
    "split_sentences",
    "split_words",
    "to_simplified",
]
