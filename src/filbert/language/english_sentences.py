"""Where English sentences end: nupunkt's decisions, asked for once each.

nupunkt decides about a period by the word before it, what stands between, and the word after it.
So only the places where a sentence may end are looked at, nupunkt is shown the few words around
such a place, and its answer is kept:
- After ! and ?, and after the period of an ordinary word (letters that are no abbreviation and no
  numeral), which always ends a sentence, the answer hangs on the marks around the gap alone
  (`." A`). nupunkt is asked once for each such gap, with other words around it.
- Elsewhere (Mr. · 3. · . . . · ?!) it is asked about the words as they are: from the word with the
  mark to the first word without one.
The cuts are those of nupunkt on the whole text; the tests compare them. Only where words with marks
go on for thousands of characters may there be others.
"""

import re
from functools import cache
from typing import Any

from filbert.errors import missing_extra

_ENTRIES = 65_536  # of each dict of answers; a full one is emptied
_LONGEST = 200  # characters of what is kept: no answer about a page without spaces

# nupunkt's time grows with the square of what has no spaces (code, tables): that much is shown to
# it at a time. No sentence is so long.
_AT_ONCE = 5_000

# A mark that may end a sentence for nupunkt; with `next`, where a word follows after a space. What
# only closing marks follow, to the end of the text, ends there whatever nupunkt says.
_CLOSING = r"[\"')\]}”’»*]{0,3}"
_MARK = re.compile(
    rf"[.!?…](?:(?<!…){_CLOSING}\s{{1,3}}(?=(?P<next>[\"'“‘(\[]{{0,2}}[^\W_]))"
    rf"|(?=[\s)\";}}\]*:@({{\[!?”»'’])(?!{_CLOSING}\s{{0,3}}\Z))"
)
# From such a mark on: its word, further words with marks, the word after them, and the space there.
_KNOT = re.compile(r"\S*+(?:\s++[^\s.!?…]*+[.!?…]\S*+)*+(?:\s++\S++)?+(?P<more>\s++\S?)?+")
_SPACED_ELLIPSIS = re.compile(r"\.\s+\.")  # nupunkt looks at the word before it too
_LAST_SPACE = re.compile(r".*\s", re.DOTALL)
# The list numbers that nupunkt passes over begin a line and have at most 12 characters.
_LINE_START = re.compile(r"\n[ \t]*\Z")
_BEFORE = 13

_ORDINARY = re.compile(r"(?:.*[\s(\[{\"])?(['‘“’]?[^\W\d_]{2,}(?:[-'’][^\W\d_]+)*)", re.DOTALL)
_ROMAN = re.compile("[ivxlc]{1,6}", re.IGNORECASE)


def english_cuts(text: str) -> list[int]:
    """The offsets, in characters, at which the next sentence begins, of one paragraph.

    They may lie on the other side of the space between two sentences than nupunkt's own.
    """
    return _decider().cuts(text)


class _Decider:
    """nupunkt's model with what it has decided; threads may share it."""

    def __init__(self, model: Any):
        self._model = model
        self._abbreviations = model.abbreviations
        self._collocations = frozenset(first for first, _ in model.parameters.collocations)
        self._gaps: dict[str, int] = {}
        self._ordinary: dict[str, bool] = {"": "." not in self._collocations}
        self._knots: dict[str, tuple[int, ...]] = {}

    def cuts(self, text: str) -> list[int]:
        cuts: list[int] = []
        done = 0  # where the next word begins, or the space before it
        search, rfind = _MARK.search, text.rfind
        ordinary, gaps = self._ordinary.get, self._gaps.get
        while match := search(text, done):
            place = match.start()
            after = match["next"]
            if after:
                begin = max(rfind(" ", done, place) + 1, done)
                word = text[begin:place]
                if text[place] != "." or ordinary(word) or self._is_ordinary(word):
                    gap = match[0] + after
                    cut = gaps(gap)
                    if cut is None:
                        cut = self._cut_at_gap(gap)
                    if cut:
                        cuts.append(place + cut)
                    done = match.end()
                    continue
            done = self._knot(text, done, place, cuts)
        return cuts

    def _is_ordinary(self, word: str) -> bool:
        """Whether a period ends a sentence after this word, whatever comes next."""
        known = self._ordinary.get(word)
        if known is not None:
            return known
        match = _ORDINARY.fullmatch(word)
        token = match[1].lower() if match else ""
        bare = token.lstrip("'‘“’")
        known = not (
            match is None
            or token in self._collocations
            or bare in self._collocations
            or not self._abbreviations.isdisjoint((token, bare, bare.rsplit("-", 1)[-1]))
            or _ROMAN.fullmatch(bare)
        )
        _keep(self._ordinary, word, known)
        return known

    def _cut_at_gap(self, gap: str) -> int:
        """Where the next sentence begins in a mark, a gap and a letter; 0 where it does not."""
        before = "so word"
        spans = list(self._model.span_tokenize(f"{before}{gap}ord after"))
        cut = spans[1][0] - len(before) if len(spans) > 1 else 0
        _keep(self._gaps, gap, cut)
        return cut

    def _knot(self, text: str, done: int, place: int, cuts: list[int]) -> int:
        """Add the cuts of the words around a mark; returns where the first word after them ends."""
        begin = _word_start(text, done, place)
        if begin == place and _SPACED_ELLIPSIS.match(text, place):
            begin = _word_start(text, done, done + len(text[done:place].rstrip()))
        begin = max(begin, place - _AT_ONCE)
        match = _KNOT.match(text, place, place + _AT_ONCE)
        assert match is not None
        end = match.start("more") if match["more"] else match.end()
        before = _before(text, begin)
        knot = f"{before}{text[begin : match.end()]}"
        found = self._knots.get(knot)
        if found is None:
            spans = list(self._model.span_tokenize(knot))
            found = tuple(start - len(before) for start, _ in spans[1:])
            _keep(self._knots, knot, found)
        cuts.extend(begin + cut for cut in found)
        return end


def _word_start(text: str, done: int, place: int) -> int:
    space = _LAST_SPACE.match(text, done, place)
    return space.end() if space else done


def _before(text: str, begin: int) -> str:
    """What nupunkt is shown before a word, so that it knows whether this begins a line, or all."""
    near = text[max(0, begin - _BEFORE) : begin]
    if len(near) < _BEFORE and not near.strip():
        return near
    line = _LINE_START.search(near)
    return f"so{line[0]}" if line else "so "


def _keep(answers: dict[str, Any], key: str, answer: Any) -> None:
    if len(key) <= _LONGEST:
        if len(answers) >= _ENTRIES:
            answers.clear()
        answers[key] = answer


@cache
def _decider() -> _Decider:
    return _Decider(_nupunkt().load("default"))


def _nupunkt() -> Any:
    try:
        import nupunkt
    except ImportError as error:
        raise missing_extra("nupunkt", "data") from error
    return nupunkt
