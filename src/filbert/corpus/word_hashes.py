"""Words as numbers of 64 bits, and which runs of them stand in a text more than once."""

from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Hashes: TypeAlias = npt.NDArray[np.uint64]
Places: TypeAlias = npt.NDArray[np.intp]
Mask: TypeAlias = npt.NDArray[np.bool_]

MOST_TEXTS = 1 << 9
"""The most texts of a batch: their number must leave room for a hash in 64 bits."""
HASH_BITS = np.uint64(52)
SLOT = np.uint64(0xFFFF)
"""The bits of a hash that are looked up in a table before it is searched for."""

ENGLISH_STOP_WORDS = tuple(
    "the be to of and that have with a in is it for was as on he she i you".split()
)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_BASE = 0xD6E8FEB86659FD93
_HALF = np.uint64(32)


def hash_words(codes: npt.NDArray[Any], spaces: Mask, starts: Places) -> Hashes:
    """A hash of the characters of each word: their codes as the digits of a number modulo 2⁶⁴.

    The sum of a word's digits times the powers of its places in the batch, divided by the power of
    its first place (the base is odd, so it has an inverse).
    """
    if not len(starts):
        return np.empty(0, np.uint64)
    last = int(starts[-1])
    end = last + int(np.argmax(spaces[last:]))  # a line end stands behind the last text
    powers, inverses = _powers(1 << max(18, int(end).bit_length()))
    digits = (codes[:end] * ~spaces[:end]).astype(np.uint64)
    digits *= powers[:end]
    before = np.cumsum(digits)[starts - 1]  # a line end stands before the first text
    return np.diff(before, append=np.sum(digits)) * inverses[starts]


@cache
def _powers(count: int) -> tuple[Hashes, Hashes]:
    inverse = pow(_BASE, -1, 1 << 64)
    both = []
    for base in (_BASE, inverse):
        powers = np.full(count, base, dtype=np.uint64)
        powers[0] = 1
        both.append(np.multiply.accumulate(powers))
    return both[0], both[1]


def hash_runs(tokens: Hashes, texts: Places, length: int) -> tuple[Hashes, Places]:
    """The runs of so many tokens within a text: text and hash in one number; their places.

    texts: the number of each token's text, rising, below MOST_TEXTS.
    """
    count = max(0, len(tokens) - length + 1)
    runs = np.zeros(count, dtype=np.uint64)
    for place in range(length):
        runs ^= tokens[place : place + count]
        runs *= _FACTOR
        runs ^= runs >> _HALF
    places = np.flatnonzero(texts[:count] == texts[length - 1 :])
    keys = (texts[places].astype(np.uint64) << HASH_BITS) | (
        runs[places] >> (np.uint64(64) - HASH_BITS)
    )
    return keys, places


def stood_before(runs: Hashes) -> Places:
    """The places of those that are not the first of their kind, rising."""
    ordered = np.sort(runs)
    several = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(several):
        return np.empty(0, np.intp)
    # Most runs stand once: a table of 16 bits of the hash tells them, a search only the others.
    marked = np.zeros(1 << 16, dtype=np.bool_)
    marked[several & SLOT] = True
    places = np.flatnonzero(marked[runs & SLOT])
    found = np.minimum(np.searchsorted(several, runs[places]), len(several) - 1)
    places = places[several[found] == runs[places]]
    first = np.unique(runs[places], return_index=True)[1]
    return np.delete(places, first)


@cache
def stop_word_hashes() -> tuple[npt.NDArray[np.uint8], Hashes, npt.NDArray[np.uint8]]:
    """By the last 16 bits of a hash: the place of the one function word that ends so, else 0.

    And by that place the hash of the word, small, Capital or in CAPITALS, and the word's number.
    """
    forms = {
        form: number
        for number, word in enumerate(ENGLISH_STOP_WORDS)
        for form in (word, word.capitalize(), word.upper())
    }
    codes = np.frombuffer("\n".join(["", *forms, ""]).encode("ascii"), dtype=np.uint8)
    ends = codes == ord("\n")
    hashes = hash_words(codes, ends, np.flatnonzero(ends)[:-1] + 1)
    slots = np.zeros(1 << 16, dtype=np.uint8)
    slots[hashes & SLOT] = np.arange(1, len(forms) + 1)
    assert np.count_nonzero(slots) == len(forms), "two function words end in the same bits"
    return slots, np.append(np.uint64(0), hashes), np.array([0, *forms.values()], dtype=np.uint8)
