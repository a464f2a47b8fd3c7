"""Whole lines, of bounded length."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from filbert.errors import DataError
from filbert.files.lines import read_pieces
from filbert.files.place import Place

MOST_CHARACTERS = 1 << 26


class Line(NamedTuple):
    """A line without its end, and its number from 1."""

    text: str
    line: int


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a file; DataError for one of more than MOST_CHARACTERS characters."""
    parts: list[str] = []
    size = 0
    line = 1
    for piece in read_pieces(path):
        line = piece.line
        parts.append(piece.text)
        size += len(piece.text)
        refuse_longer(size, Place(path, line), "a line")
        if piece.ends_line:
            yield Line("".join(parts), line)
            parts, size = [], 0
    if parts:
        yield Line("".join(parts), line)


def refuse_longer(characters: int, place: Place, what: str) -> None:
    """DataError if there are more than MOST_CHARACTERS characters."""
    if characters > MOST_CHARACTERS:
        raise DataError(f"{place}: {what} has more than {MOST_CHARACTERS:,} characters")
