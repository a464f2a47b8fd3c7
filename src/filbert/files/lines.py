"""A file → its lines, decoded, never more than a piece of it in memory."""

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, NamedTuple

from filbert.errors import DataError
from filbert.files.place import Place, show_path

PIECE_BYTES = 1 << 16
_HEAD_BYTES = 8192
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Piece(NamedTuple):
    """A line, or a part of a line that is longer than PIECE_BYTES; without the line's end.

    Where ends were asked to be kept, the text has it.
    """

    text: str
    line: int
    ends_line: bool


def read_pieces(
    path: Path, *, keep_ends: bool = False, at: Callable[[int], None] | None = None
) -> Iterator[Piece]:
    """The lines of a UTF-8 file, plain or gzip, in order; a long line comes in pieces.

    at  hears, before each piece, how many of the stored bytes have been read

    Raises DataError, naming the file (and the line where there is one), for a file that cannot be
    opened, is binary, is not UTF-8, or is a damaged gzip file.
    """
    try:
        with path.open("rb") as stored:
            file = _unpacked(path, stored)
            _refuse_binary(path, file)
            for piece in decode_pieces(path, file, keep_ends=keep_ends):
                if at is not None:
                    at(stored.tell())
                yield piece
    except EOFError as error:
        raise DataError(f"{show_path(path)}: the gzip file is cut short") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{show_path(path)}: expected a whole gzip file: {error}") from error
    except OSError as error:
        raise DataError(f"{show_path(path)}: cannot be read: {error.strerror or error}") from error


def has_mark(path: Path) -> bool:
    """Whether a file, plain or gzip, begins with a byte order mark."""
    with path.open("rb") as stored:
        return _unpacked(path, stored).read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8


def _unpacked(path: Path, stored: BufferedReader) -> gzip.GzipFile | BufferedReader:
    packed = path.name.lower().endswith(".gz")
    return gzip.GzipFile(fileobj=stored, mode="rb") if packed else stored


def _refuse_binary(path: Path, file: gzip.GzipFile | BufferedReader) -> None:
    head = file.peek(_HEAD_BYTES)[:_HEAD_BYTES]
    if head.startswith(_UTF16):
        raise DataError(f"{show_path(path)}: expected UTF-8 text, got UTF-16; save it as UTF-8")
    if b"\x00" in head:
        raise DataError(f"{show_path(path)}: expected UTF-8 text, got a binary file")


def decode_pieces(
    path: Path, file: gzip.GzipFile | BinaryIO, *, keep_ends: bool = False
) -> Iterator[Piece]:
    """The lines of an open file, as `read_pieces` gives them; `path` is its name in messages."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    first = True
    while raw := file.readline(PIECE_BYTES):
        ends_line = raw.endswith(b"\n")
        try:
            text = decoder.decode(raw, final=ends_line)
        except UnicodeDecodeError as error:
            raise _not_utf8(path, line, error) from error
        if first:
            text = text.removeprefix("\ufeff")
            first = False
        bare = ends_line and not keep_ends
        yield Piece(text.rstrip("\r\n") if bare else text, line, ends_line)
        line += ends_line
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise _not_utf8(path, line, error) from error


def _not_utf8(path: Path, line: int, error: UnicodeDecodeError) -> DataError:
    byte = error.object[error.start]
    return DataError(f"{Place(path, line)}: expected UTF-8 text, got the byte 0x{byte:02x}")
