"""A file → its lines as text, from any byte on, each with its place and what was wrong with it."""

from collections.abc import Iterator
from typing import NamedTuple

from filbert.files.encodings import HEAD_BYTES, Coding, coding_of, decode_line, whole_characters
from filbert.files.found import Problem
from filbert.files.trouble import Bomb, Truncated
from filbert.files.unpacked import Unpacked, open_plain

MOST_BYTES = 64 << 20
"""The longest line that is read."""
_NEWLINE: dict[Coding, bytes] = {"utf-16-le": b"\n\0", "utf-16-be": b"\0\n"}


class TextLine(NamedTuple):
    """A line without its end.

    Attributes:
        text: the line; "" where it could not be read.
        at: the offset of its first byte in the plain data.
        place: "line 12", or "byte 5120" where reading did not begin with the first line.
        problem: what was wrong with it.
        whole: False for what was there of a line when a compressed file broke off.
    """

    text: str
    at: int
    place: str
    problem: Problem | None
    whole: bool


class RawLine(NamedTuple):
    """A line as bytes without its end; None for one of more than MOST_BYTES."""

    raw: bytes | None
    at: int
    whole: bool


def read_text_lines(address: str, start: int = 0) -> Iterator[TextLine]:
    """The lines that begin at `start` (an offset in the plain data) or later, to the end.

    What is wrong with the whole file comes as an empty line with a problem: no text ("binary"), a
    compressed file that breaks off ("truncated") or is a bomb ("bomb"); the last two behind all
    lines that could be read. Raises Unreachable.
    """
    with open_plain(address) as stream:
        try:
            coding = coding_of(stream.peek(HEAD_BYTES))
            packed = bool(stream.packing)
            if start == 0 or packed:
                yield from _lines(stream, coding, 0, start)
                return
        except (Truncated, Bomb) as error:
            kind = "truncated" if isinstance(error, Truncated) else "bomb"
            at = stream.tell()
            place = f"byte {at}"
            yield TextLine("", max(at, start), place, Problem(kind, place, error.reason), True)
            return
    with open_plain(address, start=_step_back(start, coding)) as stream:
        yield from _lines(stream, coding, stream.tell(), start)


def _step_back(start: int, coding: Coding | None) -> int:
    """Where to begin to see whether a line begins at `start`; in UTF-16 at a whole unit."""
    if coding in _NEWLINE:
        return (start + 1) // 2 * 2 - 2
    return start - 1


def _lines(stream: Unpacked, coding: Coding | None, at: int, start: int) -> Iterator[TextLine]:
    if coding is None:
        if start == 0:
            said = "expected text in UTF-8, UTF-16 or GB18030, got something else"
            yield TextLine("", 0, "", Problem("binary", "", said), True)
        return
    newline = _NEWLINE.get(coding, b"\n")
    number = 0
    for line in raw_lines(stream, newline, at):
        number += 1
        if line.at >= start:
            place = f"byte {line.at}" if start else f"line {number}"
            text = _decode(line, coding, place)
            del line  # what may be 64 MiB is not held while others work
            yield text
            del text


def _decode(line: RawLine, coding: Coding, place: str) -> TextLine:
    if line.raw is None:
        said = f"expected a line of at most {MOST_BYTES:,} bytes, got a longer one"
        return TextLine("", line.at, place, Problem("too large", place, said), line.whole)
    raw = line.raw if line.whole else whole_characters(line.raw, coding)
    text, problem = decode_line(raw, coding, place, line.at)
    if line.at == 0:
        text = text.removeprefix("\ufeff")
    return TextLine(text.rstrip("\r"), line.at, place, problem, line.whole)


def raw_lines(stream: Unpacked, newline: bytes, at: int) -> Iterator[RawLine]:
    """The lines of a stream whose next byte has the offset `at`; a long line is not held whole.

    Where the stream breaks off, what there was of the last line comes before the error.
    """
    kept = bytearray()
    held = 0  # bytes of the line under way, kept or not

    def line(whole: bool) -> RawLine:
        raw = bytes(kept) if held <= MOST_BYTES else None
        kept.clear()  # now: whoever takes the line shall not hold it twice
        return RawLine(raw, at, whole)

    try:
        while chunk := _chunk(stream, newline):
            *ended, rest = _split(chunk, newline)
            for piece in ended:
                held += len(piece)
                if held == len(piece):
                    yield RawLine(piece if held <= MOST_BYTES else None, at, True)
                else:
                    kept += piece
                    yield line(whole=True)
                at += held + len(newline)
                held = 0
            held += len(rest)
            if held <= MOST_BYTES:
                kept += rest
            else:
                kept.clear()
    except Truncated:
        if held:
            yield line(whole=False)
        raise
    if held:
        yield line(whole=True)


def _chunk(stream: Unpacked, newline: bytes) -> bytes:
    """Some bytes; in UTF-16 whole units."""
    chunk = stream.read1()
    return chunk + stream.read(1) if len(newline) == 2 and len(chunk) % 2 else chunk


def _split(chunk: bytes, newline: bytes) -> list[bytes]:
    """The pieces between line ends; in UTF-16 only those that stand at a whole unit."""
    if len(newline) == 1:
        return chunk.split(newline)
    pieces: list[bytes] = []
    begin = end = 0
    while (end := chunk.find(newline, end)) >= 0:
        if end % 2:
            end += 1
        else:
            pieces.append(chunk[begin:end])
            begin = end = end + 2
    return [*pieces, chunk[begin:]]
