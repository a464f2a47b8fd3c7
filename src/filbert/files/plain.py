"""Three ways to cut a plain file into texts."""

from collections.abc import Iterator
from pathlib import Path

from filbert.files.lines import read_pieces
from filbert.files.place import Place, Text
from filbert.files.whole_lines import Line, read_lines, refuse_longer

PART_CHARACTERS = 8_000
_CUT_BEHIND = " 。！？"  # Chinese has no spaces


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
    part: list[Line] = []
    size = 0
    for line in _short_lines(path):
        while part and size + len(line.text) > PART_CHARACTERS:
            cut = _best_cut(part)
            yield from _texts(path, part[:cut])
            part = part[cut:]
            size = sum(len(kept.text) + 1 for kept in part)
        part.append(line)
        size += len(line.text) + 1
    yield from _texts(path, part)


def _best_cut(part: list[Line]) -> int:
    """How many lines the next part takes: up to a blank line in its second half, else all."""
    for index in range(len(part) - 1, len(part) // 2, -1):
        if not part[index].text.strip():
            return index
    return len(part)


def _short_lines(path: Path) -> Iterator[Line]:
    """Lines of at most PART_CHARACTERS characters.

    Longer ones are cut behind a space or a Chinese full stop, if there is one. A file may hold all
    its text on one line, or be hostile: no more than a piece of it is held.
    """
    rest = ""
    for piece in read_pieces(path):
        rest += piece.text
        while len(rest) > PART_CHARACTERS:
            cut = max(rest.rfind(mark, 1, PART_CHARACTERS) for mark in _CUT_BEHIND) + 1
            cut = cut or PART_CHARACTERS
            yield Line(rest[:cut], piece.line)
            rest = rest[cut:]
        if piece.ends_line:
            yield Line(rest, piece.line)
            rest = ""
    if rest:
        yield Line(rest, piece.line)


def _texts(path: Path, lines: list[Line]) -> Iterator[Text]:
    first = next((i for i, line in enumerate(lines) if line.text.strip()), None)
    if first is not None:
        yield _text(path, lines[first:])


def _text(path: Path, lines: list[Line]) -> Text:
    return Text("\n".join(line.text for line in lines).rstrip(), Place(path, lines[0].line))
