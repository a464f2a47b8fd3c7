"""Three ways to cut a plain file into texts."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from filbert.files.lines import read_pieces
from filbert.files.place import Place, Text
from filbert.files.whole_lines import Line, read_lines, refuse_longer

PART_CHARACTERS = 8_000
_CUT_BEHIND = " 。！？"  # Chinese has no spaces


class HasText(Protocol):
    """A line, whatever else is known of it."""

    @property
    def text(self) -> str:
        """The line without its end."""


_Line = TypeVar("_Line", bound=HasText)


def by_line(path: Path) -> Iterator[Text]:
    """A text a line; lines without text are passed over."""
    for line in read_lines(path):
        if line.text.strip():
            yield Text(line.text, Place(path, line.line))


def by_blank_line(path: Path) -> Iterator[Text]:
    """A text between blank lines."""
    block: list[Line] = []
    size = 0
    for line in read_lines(path):
        if line.text.strip():
            block.append(line)
            size += len(line.text) + 1
            refuse_longer(size, Place(path, block[0].line), "a text without a blank line")
        elif block:
            yield _text(path, block)
            block, size = [], 0
    if block:
        yield _text(path, block)


def by_length(path: Path) -> Iterator[Text]:
    """The whole file, cut into parts of at most PART_CHARACTERS characters."""
    for part in cut_parts(_short_lines(path)):
        yield _text(path, part)


def cut_parts(lines: Iterable[_Line]) -> Iterator[list[_Line]]:
    """Lines in parts of at most PART_CHARACTERS characters, each beginning with a line with text.

    The lines are no longer than a part. A part ends at a blank line in its second half, else at
    the last line that fits.
    """
    part: list[_Line] = []
    size = 0
    for line in lines:
        while part and size + len(line.text) > PART_CHARACTERS:
            cut = _best_cut(part)
            yield from _from_text(part[:cut])
            part = part[cut:]
            size = sum(len(kept.text) + 1 for kept in part)
        part.append(line)
        size += len(line.text) + 1
    yield from _from_text(part)


def _best_cut(part: Sequence[HasText]) -> int:
    """How many lines the next part takes: up to a blank line in its second half, else all."""
    for index in range(len(part) - 1, len(part) // 2, -1):
        if not part[index].text.strip():
            return index
    return len(part)


def _from_text(lines: list[_Line]) -> Iterator[list[_Line]]:
    first = next((i for i, line in enumerate(lines) if line.text.strip()), None)
    if first is not None:
        yield lines[first:]


def _short_lines(path: Path) -> Iterator[Line]:
    """Lines of at most PART_CHARACTERS characters.

    A file may hold all its text on one line, or be hostile: no more than a piece of it is held.
    """
    rest = ""
    for piece in read_pieces(path):
        rest += piece.text
        begin = 0
        while len(rest) - begin > PART_CHARACTERS:
            end = end_of_part(rest, begin)
            yield Line(rest[begin:end], piece.line)
            begin = end
        rest = rest[begin:]
        if piece.ends_line:
            yield Line(rest, piece.line)
            rest = ""
    if rest:
        yield Line(rest, piece.line)


def end_of_part(text: str, begin: int) -> int:
    """Where to cut a line that is too long: behind a space or a Chinese full stop, if there is."""
    most = begin + PART_CHARACTERS
    cut = max(text.rfind(mark, begin + 1, most) for mark in _CUT_BEHIND) + 1
    return cut or most


def _text(path: Path, lines: list[Line]) -> Text:
    return Text("\n".join(line.text for line in lines).rstrip(), Place(path, lines[0].line))
