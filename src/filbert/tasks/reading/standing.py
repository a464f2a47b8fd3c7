"""Where an answer stands in its passage, though its file says another place or writes it otherwise.

Found are: the same text elsewhere, the nearest to the place that is said; and the same letters and
digits under other punctuation, spaces, case or width, as "(nba)" for "ＮＢＡ". Whole words alone
are taken: "art" does not stand in "party", nor "5" in "2.5".
"""

import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

NOWHERE = -1
"""The start of an answer that does not stand in its passage: it can be scored, not learnt from."""

How = Literal["as said", "elsewhere", "otherwise", "nowhere"]
"""Where it is said to stand; in another place; written otherwise; not at all."""

_MOST = 10_000
"""So many places are looked at."""
_SPACELESS = "\u0e00"
"""From here on scripts have no spaces between words, but for Korean's, or are Chinese."""
_KEPT = "%#@&"


@dataclass(frozen=True)
class Standing:
    """The characters of an answer in its passage; NOWHERE, NOWHERE: it does not stand there."""

    start: int
    end: int
    how: How


def find_answer(text: str, start: int | None, context: str) -> Standing:
    """Where an answer stands; `start` is where its file says, None or less than 0: it does not.

    Of several places the nearest to `start`; where none is said, the first of those in which the
    text is the same, and of those in which it is written otherwise only one that has no second.
    """
    said = start if start is not None and start >= 0 else None
    if said is not None and context.startswith(text, said):
        return Standing(said, said + len(text), "as said")
    same = [
        (at, at + len(text))
        for at in _places(text, context)
        if _is_whole(context, at, at + len(text))
    ]
    if same:
        return Standing(*_nearest(same, said), "as said" if start is None else "elsewhere")
    alike = list(_written_otherwise(text, context))
    if len(alike) == 1 or (alike and said is not None):
        return Standing(*_nearest(alike, said), "otherwise")
    return Standing(NOWHERE, NOWHERE, "nowhere")


def _nearest(places: Sequence[tuple[int, int]], said: int | None) -> tuple[int, int]:
    return min(places, key=lambda place: abs(place[0] - (said or 0)))


def _places(text: str, context: str) -> Iterator[int]:
    at, count = context.find(text), 0
    while at >= 0 and count < _MOST:
        yield at
        at, count = context.find(text, at + 1), count + 1


def _written_otherwise(text: str, context: str) -> Iterator[tuple[int, int]]:
    """The places with the same letters and digits, and what stands around both."""
    letters, own = _letters(text)
    if len(letters) < 2:  # one alone says too little
        return
    folded, places = _letters_of_passage(context)
    for at in _places(letters, folded):
        last = at + len(letters) - 1
        # A character may have several letters (ﬁ): it is taken whole or not at all.
        begins = at == 0 or places[at - 1] != places[at]
        ends = last + 1 == len(folded) or places[last + 1] != places[last]
        start, end = places[at], places[last] + 1
        if begins and ends and _is_whole(context, start, end):
            yield _with_marks(text, own[0], own[-1] + 1, context, start, end)


def _letters(text: str) -> tuple[str, "array[int]"]:
    """Letters and digits, without case, width and ligatures; and the place of each in the text.

    What is left out between two digits is a space: "3.5" is not "35".
    """
    letters: list[str] = []
    places = array("l")
    gap = -1
    for at, character in enumerate(text):
        for letter in unicodedata.normalize("NFKD", character).casefold():
            if unicodedata.category(letter)[0] in "PZC" and letter not in _KEPT:
                gap = at
                continue
            if gap >= 0 and letters and letters[-1].isdigit() and letter.isdigit():
                letters.append(" ")
                places.append(gap)
            gap = -1
            letters.append(letter)
            places.append(at)
    return "".join(letters), places


_letters_of_passage = lru_cache(maxsize=1)(_letters)


def _with_marks(
    text: str, first: int, behind: int, context: str, start: int, end: int
) -> tuple[int, int]:
    """A place with those marks around it that the answer has around its own letters, too."""
    while first and start and _is_mark(text[first - 1], context[start - 1]):
        first, start = first - 1, start - 1
    while behind < len(text) and end < len(context) and _is_mark(text[behind], context[end]):
        behind, end = behind + 1, end + 1
    return start, end


def _is_mark(mine: str, theirs: str) -> bool:
    """Whether two characters are the same mark, whatever their width."""
    same = unicodedata.normalize("NFKC", mine) == unicodedata.normalize("NFKC", theirs)
    return same and not mine.isspace()


def _is_whole(context: str, start: int, end: int) -> bool:
    return not (_goes_on(context, start) or _goes_on(context, end))


def _goes_on(context: str, at: int) -> bool:
    """Whether a word, a number or a character goes on over this place."""
    before, behind = context[max(0, at - 2) : at], context[at : at + 2]
    if not before or not behind:
        return False
    if unicodedata.combining(behind[0]):
        return True
    if before[-1].isalnum() and behind[0].isalnum():
        return before[-1] < _SPACELESS and behind[0] < _SPACELESS
    around = (before[-2:-1], before[-1], behind[0], behind[1:])
    return (around[0].isdigit() and around[1] in ".," and around[2].isdigit()) or (
        around[1].isdigit() and around[2] in ".," and around[3].isdigit()
    )
