"""Learn WordPiece, apply any tokenizer; this room owns casing, special tokens, offsets, words."""

from filbert.tokenizer.counting import WordCounter
from filbert.tokenizer.learning import Learnt, learn_from_counts, learn_wordpiece
from filbert.tokenizer.rules import Rules, SpecialIds, SpecialTokens
from filbert.tokenizer.tokenizer import Encoded, Tokenizer

__all__ = [
    "Encoded",
    "Learnt",
    "Rules",
    "SpecialIds",
    "SpecialTokens",
    "Tokenizer",
    "WordCounter",
    "learn_from_counts",
    "learn_wordpiece",
]
