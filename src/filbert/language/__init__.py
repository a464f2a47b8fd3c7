"""English and Chinese strings: normal form, script, sentences."""

from filbert.language.normal_form import normalise
from filbert.language.script import is_chinese
from filbert.language.sentences import split_sentences

__all__ = ["is_chinese", "normalise", "split_sentences"]
