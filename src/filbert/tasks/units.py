"""What is tagged: the words of a text, cut into tokens, with the characters behind each.

A unit is a word as the tokenizer cuts words ("don't" has three, each Chinese character is one), or,
where the data are tagged character by character, a character. Files say their own words: each is
tokenised by itself, so that a word's tokens are its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filbert.tokenizer import Tokenizer

Characters = tuple[int, int]


@dataclass(frozen=True)
class Units:
    """A text's tokens, and the units that they make.

    token_ids  int32 [tokens]
    unit_of    int32 [tokens], rising from 0 by steps of one
    spans      int32 [units, 2], the characters of each
    """

    token_ids: NDArray[np.int32]
    unit_of: NDArray[np.int32]
    spans: NDArray[np.int32]


def units_of(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    words: Sequence[Sequence[Characters] | None],
    *,
    characters: bool,
) -> list[Units]:
    """The units of each text; all are tokenised in one go.

    words       the characters of a text's own words, where it has some
    characters  whether each character, but for spaces, is a unit

    What the tokenizer drops, such as a control character, is no unit.
    """
    pieces = [_pieces(text, own, characters) for text, own in zip(texts, words, strict=True)]
    known = list(
        dict.fromkeys(text[a:b] for text, cut in zip(texts, pieces, strict=True) for a, b in cut)
    )
    encoded = dict(zip(known, tokenizer.encode_batch(known, specials=False), strict=True))
    found = []
    for text, cut in zip(texts, pieces, strict=True):
        ids, units, spans = [], [], []
        count = 0
        for start, stop in cut:
            word = encoded[text[start:stop]]
            if not len(word):
                continue
            ids.append(word.token_ids)
            if characters:
                units.append(np.full(len(word), count, np.int32))
                spans.append(np.array([[start, stop]], np.int32))
                count += 1
                continue
            # A tokenizer's words within this one, numbered on.
            _, first, which = np.unique(word.word_ids, return_index=True, return_inverse=True)
            units.append((which + count).astype(np.int32))
            last = np.append(first[1:], len(word)) - 1
            its = np.stack((word.offsets[first, 0], word.offsets[last, 1]), axis=1) + start
            spans.append(its.astype(np.int32))
            count += len(first)
        found.append(
            Units(
                np.concatenate(ids) if ids else np.zeros(0, np.int32),
                np.concatenate(units) if units else np.zeros(0, np.int32),
                np.concatenate(spans) if spans else np.zeros((0, 2), np.int32),
            )
        )
    return found


def _pieces(text: str, words: Sequence[Characters] | None, characters: bool) -> list[Characters]:
    """What is tokenised by itself."""
    if characters:
        inside = [(0, len(text))] if words is None else words
        return [
            (place, place + 1)
            for start, stop in inside
            for place in range(start, stop)
            if not text[place].isspace()
        ]
    return [(0, len(text))] if words is None else list(words)
