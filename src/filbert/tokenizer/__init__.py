"""Learn WordPiece, apply any tokenizer; this room owns casing, special tokens, offsets, words."""

from filbert.tokenizer.learning import learn_wordpiece
from filbert.tokenizer.rules import Rules, SpecialIds, SpecialTokens
from filbert.tokenizer.tokenizer import Encoded, Tokenizer

__all__ = ["Encoded", "Rules", "SpecialIds", "SpecialTokens", "Tokenizer", "learn_wordpiece"]
