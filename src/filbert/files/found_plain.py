"""Plain text → texts: a file, or the lines that begin in a range of its bytes.

A range begins and ends at places that depend on the file and on that one number alone, so that
neighbouring ranges lose and repeat no line: for a text a line at the next line; for texts between
blank lines at the next blank line; for parts of a length at the next blank line, or, where none
is near, at the next line.
"""

from collections.abc import Callable, Iterator

from filbert.files.block import Block
from filbert.files.found import Found, Item, Problem
from filbert.files.plain import PART_CHARACTERS, cut_parts, end_of_part
from filbert.files.text_lines import TextLine, read_text_lines

NEAR_BYTES = 64 << 10
"""How far behind a border a blank line is looked for."""
Lines = Iterator[TextLine]


def read_plain(address: str, start: int, stop: int | None, split: str) -> Iterator[Item]:
    """The texts of a plain file in the lines of a range; `split` as in read_texts."""
    return _SPLITS[split](read_text_lines(address, start), start, stop)


def lines_until(lines: Lines, stop: int | None) -> Lines:
    """The lines that begin before `stop`."""
    for line in lines:
        if stop is not None and line.at >= stop:
            return
        yield line


def _by_line(lines: Lines, start: int, stop: int | None) -> Iterator[Item]:
    for line in lines_until(lines, stop):
        if line.problem:
            yield line.problem
        if line.text.strip():
            yield Found(line.text, line.place)


def _by_blank_line(lines: Lines, start: int, stop: int | None) -> Iterator[Item]:
    block = Block()
    for line in _until_blank(_from_blank(lines) if start else lines, stop):
        if line.problem:
            yield line.problem
        if line.text.strip():
            block.add(line.text, line.place)
        elif _is_blank(line):
            yield from _text_of(block)
            block = Block()
    yield from _text_of(block)


def _text_of(block: Block) -> Iterator[Item]:
    if block.is_too_large:
        yield block.problem("a text before a blank line")
    elif block.lines:
        yield Found("\n".join(block.lines).rstrip(), block.place)


def _by_length(lines: Lines, start: int, stop: int | None) -> Iterator[Item]:
    problems: list[Problem] = []
    lines = _until_near_blank(_from_near_blank(lines, start) if start else lines, stop)
    for part in cut_parts(_short_lines(lines, problems)):
        yield from problems
        problems.clear()
        yield _found(part)
    yield from problems


def _short_lines(lines: Lines, problems: list[Problem]) -> Lines:
    """Lines no longer than a part; what was wrong with them is put aside."""
    for line in lines:
        if line.problem:
            problems.append(line.problem)
        begin = 0
        while len(line.text) - begin > PART_CHARACTERS:
            end = end_of_part(line.text, begin)
            yield line._replace(text=line.text[begin:end])
            begin = end
        if begin < len(line.text) or _is_blank(line):
            yield line._replace(text=line.text[begin:]) if begin else line


def _found(lines: list[TextLine]) -> Found:
    return Found("\n".join(line.text for line in lines).rstrip(), lines[0].place)


def _is_blank(line: TextLine) -> bool:
    return not line.text.strip() and line.problem is None


def _from_blank(lines: Lines) -> Lines:
    for line in lines:
        if _is_blank(line):
            yield line
            break
    yield from lines


def _until_blank(lines: Lines, stop: int | None) -> Lines:
    for line in lines:
        if stop is not None and line.at >= stop and _is_blank(line):
            return
        yield line


def _from_near_blank(lines: Lines, start: int) -> Lines:
    """From the first blank line that begins near behind `start`, if there is one, else all."""
    passed: list[TextLine] = []
    for line in lines:
        if _is_blank(line) and line.at < start + NEAR_BYTES:
            passed.clear()
        passed.append(line)
        if _is_blank(line) or line.at >= start + NEAR_BYTES:
            break
    yield from passed
    yield from lines


def _until_near_blank(lines: Lines, stop: int | None) -> Lines:
    """Up to where _from_near_blank begins for a range that starts at `stop`."""
    beyond: list[TextLine] = []
    for line in lines:
        if stop is None or line.at < stop:
            yield line
        elif line.at >= stop + NEAR_BYTES:
            return
        elif _is_blank(line):
            yield from beyond
            return
        else:
            beyond.append(line)


_SPLITS: dict[str, Callable[[Lines, int, int | None], Iterator[Item]]] = {
    "file": _by_length,
    "blank": _by_blank_line,
    "line": _by_line,
}
