"""WordPiece ids of much text: each word is encoded once, and looked up after that.

BERT's rules look at a text character by character: some are a space, a punctuation mark and (where
they are split) a Chinese character are words by themselves, whatever stands beside them. So the ids
of a text are those of the stretches between such characters, one after the other. A stretch is
encoded by the tokenizer itself, and its ids are kept as bytes: joining bytes is all that is left
to do for most text.

Nothing passes such a border: normal forms reorder only marks that follow each other, marks have no
character before them to change, letters are lower-cased one by one. Characters that BERT's
rules drop (controls, zero width) glue what stands around them and so are part of a stretch.
"""

import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat

import numpy as np
from numpy.typing import NDArray

from filbert.tokenizer.rules import Rules

Encode = Callable[[list[str]], Iterable[Sequence[int]]]

ENTRIES = 300_000
"""Stretches that are kept at most (about 60 MB); when they are reached the oldest ones stay."""

_STAYING = ENTRIES // 3
_LATIN = 1.25  # bytes a character: where there are more, words may have no spaces between them
_LONGEST = 64  # characters of a stretch that is kept: hostile text may hold longer ones

# What BERT's normaliser makes a space. Vertical tab, form feed and U+0085, which Python calls
# spaces too, it drops.
_SPACE = "\t\n\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_ASCII_MARK = "!-/:-@\\[-`{-~"
# Only the frequent ones: any other mark may stay inside a stretch.
_OTHER_MARK = "«»·–—‘’“”„†‡•…‹›、。〈〉《》「」『』【】〔〕！（），：；？［］"
_HAN = (
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b81f"
    "\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f"
)


def _stretches(alone: str) -> Callable[[str], list[str]]:
    return re.compile(f"[^{_SPACE}{alone}]++|[{alone}]").findall


# Spaces to Python, nothing to BERT: where one occurs, Python's `split` would cut too often.
_DROPPED_SPACE = re.compile("[\x0b\x0c\x1c-\x1f\x85]").search
_BETWEEN = "\0"  # stands between texts; in a text BERT drops it
_NOT_KEPT = b"?"  # the ids of nothing: they take four bytes each
_BORDER = array("i", [-1]).tobytes()
_STRETCHES = {
    False: _stretches(_ASCII_MARK + _OTHER_MARK),
    True: _stretches(_ASCII_MARK + _OTHER_MARK + _HAN),
}


class WordsCache:
    """Texts → ids, for a WordPiece tokenizer without added tokens; threads may share it."""

    def __init__(self, encode: Encode, rules: Rules):
        """Begin with nothing known.

        encode: stretches of text → the ids of each, by the tokenizer itself.
        """
        self._encode = encode
        self._stretches = _STRETCHES[rules.split_chinese]
        self._known = {_BETWEEN: _BORDER}

    def ids(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The ids of all texts in a row, int32 [tokens], and how many each has, int32 [texts].

        Raises TypeError for what is no string.
        """
        texts = list(texts)
        if not texts:
            return np.zeros(0, np.int32), np.zeros(0, np.int32)
        between = f" {_BETWEEN} "
        try:
            text = between.join(texts)
        except TypeError as error:
            raise TypeError(f"each text must be a str: {error}") from None
        if text.count(_BETWEEN) != len(texts) - 1:
            text = between.join(each.replace(_BETWEEN, "") for each in texts)
        ids = np.frombuffer(self._joined(self._parts(text)), np.int32)
        borders = np.flatnonzero(ids == -1)
        ends = np.append(borders, ids.size)
        counts = np.diff(ends, prepend=-1) - 1
        return ids[ids != -1], counts.astype(np.int32)

    def _parts(self, text: str) -> list[str]:
        """What is looked up: stretches, or what stands between spaces, which is found faster."""
        if not _DROPPED_SPACE(text) and len(text.encode("utf-8", "replace")) < _LATIN * len(text):
            return text.split()
        return self._stretches(text)

    def _joined(self, parts: list[str]) -> bytearray:
        known = self._known
        try:
            return bytearray().join(map(known.__getitem__, parts))
        except KeyError:
            learnt = self._learn(known, set(parts).difference(known))
        long = {part: ids for part, ids in learnt.items() if len(part) > _LONGEST}
        # No part is ever taken out of this dict: when it is full, another takes its place.
        known.update((part, ids) for part, ids in learnt.items() if part not in long)
        if len(known) > ENTRIES and self._known is known:
            self._known = {part: known[part] for part in list(known)[:_STAYING]}
        if not long:
            return bytearray().join(map(known.__getitem__, parts))
        found = list(map(known.get, parts, repeat(_NOT_KEPT)))
        place = -1
        for _ in range(found.count(_NOT_KEPT)):
            place = found.index(_NOT_KEPT, place + 1)
            found[place] = long[parts[place]]
        return bytearray().join(found)

    def _learn(self, known: dict[str, bytes], parts: set[str]) -> dict[str, bytes]:
        """The ids of new parts and of their stretches; new stretches are encoded, all at once."""
        stretches = {part: self._stretches(part) for part in parts}
        unseen = list(set(chain.from_iterable(stretches.values())).difference(known))
        learnt = dict(zip(unseen, map(_as_bytes, self._encode(unseen)), strict=True))
        for part in parts:
            learnt[part] = b"".join(
                [learnt[each] if each in learnt else known[each] for each in stretches[part]]
            )
        return learnt


def _as_bytes(ids: Sequence[int]) -> bytes:
    return array("i", ids).tobytes()
