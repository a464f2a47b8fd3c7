"""Whole lines, of bounded length."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from filbert.errors import DataError
from filbert.files.lines import decode_pieces, read_pieces
from filbert.files.place import Place

MOST_CHARACTERS = 1 << 26


class Line(NamedTuple):
    """A line, without its end unless that was to be kept, and its number from 1."""

    text: str
    line: int


def read_lines(
    path: Path,
    *,
    file: BinaryIO | None = None,
    keep_ends: bool = False,
    at: Callable[[int], None] | None = None,
) -> Iterator[Line]:
    """The lines of a file; DataError for one of more than MOST_CHARACTERS characters.

    file  open already, such as standard input; `path` is then its name in messages, and `at` hears
          nothing
    at    hears, before each piece of a line, how many of the stored bytes have been read
    """
    parts: list[str] = []
    size = 0
    line = 1
    pieces = (
        read_pieces(path, keep_ends=keep_ends, at=at)
        if file is None
        else decode_pieces(path, file, keep_ends=keep_ends)
    )
    for piece in pieces:
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
