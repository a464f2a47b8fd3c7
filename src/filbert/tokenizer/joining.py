"""Pieces → readable text."""

import unicodedata
from collections.abc import Iterable

_OPENING = frozenset("([{“‘《「『（【")
_CLOSING = frozenset(".,!?;:%)]}”’》」』）】。，、；：？！…")
_AFTER_APOSTROPHE = frozenset(("s", "t", "d", "m", "re", "ve", "ll"))
# What BERT takes for Chinese characters, each a word of its own (its tokenization.py).
_CHINESE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def join_pieces(tokens: Iterable[str], continuing: str) -> str:
    """Join WordPiece tokens: pieces to words, words by spaces where their script has them."""
    words: list[str] = []
    for token in tokens:
        if token.startswith(continuing) and len(token) > len(continuing):
            piece = token[len(continuing) :]
            if words:
                words[-1] += piece
            else:
                words.append(piece)
        else:
            words.append(token)
    parts: list[str] = []
    for index, word in enumerate(words):
        if index and _spaced(words, index):
            parts.append(" ")
        parts.append(word)
    return "".join(parts)


def _spaced(words: list[str], index: int) -> bool:
    """Whether a space stands between a word and the one before it."""
    before, word = words[index - 1], words[index]
    if word in _CLOSING or before in _OPENING:
        return False
    if _spaceless(before[-1:]) or _spaceless(word[:1]):
        return False
    if word == "'":
        return not (
            before.isalnum()
            and words[index + 1 : index + 2]
            and words[index + 1].lower() in _AFTER_APOSTROPHE
        )
    if before == "'" and word.lower() in _AFTER_APOSTROPHE:
        return not (index >= 2 and words[index - 2].isalnum())
    return True


def _spaceless(character: str) -> bool:
    """Whether a character is Chinese or East Asian punctuation: it is cut off without spaces.

    Kana is not: two words of kana are two only because a space stood between them.
    """
    if not character:
        return False
    if unicodedata.category(character).startswith("P"):
        return unicodedata.east_asian_width(character) in ("W", "F")
    return any(first <= ord(character) <= last for first, last in _CHINESE)
