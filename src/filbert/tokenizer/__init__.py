"""Learn and apply WordPiece; this room owns casing, special tokens, offsets and whole words."""

from filbert.tokenizer.learning import learn_wordpiece
from filbert.tokenizer.rules import Rules, SpecialIds, SpecialTokens
from filbert.tokenizer.wordpiece import Encoded, Tokenizer

__all__ = ["Encoded", "Rules", "SpecialIds", "SpecialTokens", "Tokenizer", "learn_wordpiece"]
