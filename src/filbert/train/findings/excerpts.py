"""Parts of texts, short enough to be kept: what stands around an error."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_ERRORS = 30
"""So many of the worst errors are kept."""
CHARACTERS = 600
"""So many characters of a text."""
LABEL_CHARACTERS = 120
ELLIPSIS = "…"
_GAP = " … "
_WIDEST = 200  # characters of one part that is looked at

Characters = tuple[int, int]
Mark = tuple[int, int, str, str]
"""(start, end, label, kind), as filbert.report takes it."""


@dataclass(frozen=True)
class Excerpt:
    """A text, or the parts of it that matter.

    pieces  (start, end, where it begins in `text`) of each part, in characters of the whole text
    """

    text: str
    pieces: tuple[tuple[int, int, int], ...]

    def marks(self, marks: Iterable[Mark]) -> tuple[Mark, ...]:
        """Marks of the whole text as they lie in this one; those that are not in it are left out.

        One that is cut keeps its first part.
        """
        found = []
        for start, end, label, kind in marks:
            for first, last, at in self.pieces:
                begin, stop = max(start, first), min(end, last)
                if begin < stop:
                    found.append((begin - first + at, stop - first + at, label, kind))
                    break
        return tuple(found)


def excerpt(text: str, focus: Sequence[Characters] = (), limit: int = CHARACTERS) -> Excerpt:
    """What stands around the parts in focus, the first ones first; without any, the beginning.

    At most `limit` characters, and a few for ellipses.
    """
    if len(text) <= limit:
        return Excerpt(text, ((0, len(text), 0),))
    kept: list[Characters] = []
    used = 0
    for start, end in focus:
        end = min(end, start + _WIDEST)
        if used + end - start > limit // 2 and kept:
            break
        kept.append((start, end))
        used += end - start
    if not kept:
        return Excerpt(text[:limit] + ELLIPSIS, ((0, limit, 0),))
    around = max(0, limit - used) // (2 * len(kept))
    windows: list[list[int]] = []
    for start, end in sorted((max(0, s - around), min(len(text), e + around)) for s, e in kept):
        if windows and start <= windows[-1][1]:
            windows[-1][1] = max(windows[-1][1], end)
        else:
            windows.append([start, end])
    found = ELLIPSIS if windows[0][0] else ""
    pieces = []
    for number, (start, end) in enumerate(windows):
        found += _GAP if number else ""
        pieces.append((start, end, len(found)))
        found += text[start:end]
    return Excerpt(found + (ELLIPSIS if windows[-1][1] < len(text) else ""), tuple(pieces))


def brief(text: object, characters: int = LABEL_CHARACTERS) -> str:
    """A label or another short text, cut where it is none."""
    whole = str(text)
    return whole if len(whole) <= characters else whole[: characters - 1] + ELLIPSIS


@dataclass(frozen=True)
class Where:
    """Which example of the dev set.

    number  counted from 1
    place   in its file, without the folders; empty: it came from memory
    """

    number: int
    place: str = ""

    @classmethod
    def of(cls, example: Mapping[str, Any], index: int) -> "Where":
        """Of an example by its index."""
        place = str(example.get("place") or "").replace("\\", "/")
        return cls(index + 1, brief(place.rpartition("/")[2]))
