"""A file → its plain bytes, whatever it was compressed with."""

import io
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from filbert.files.opening import open_bytes
from filbert.files.trouble import Limits
from filbert.files.unpack import (
    MAGIC_BYTES,
    OUT_BYTES,
    Feed,
    packing_of,
    unpack_bzip2,
    unpack_gzip,
)
from filbert.files.unpack_zstd import unpack_zstd


class Unpacked(io.BufferedIOBase):
    """Plain bytes as a stream that is read once, from front to end.

    An error in the file (Truncated, Bomb, Unreachable) is raised only when all bytes before it
    have been given out, and then by every further call: read(n) may give fewer bytes before an
    error, and readline() a line without its end. read() without a size raises it at once.

    Attributes:
        packing: "gzip", "bzip2", "zstd", or "" for a file that is not compressed.
    """

    def __init__(self, chunks: Iterator[bytes], packing: str, raw: BinaryIO, start: int) -> None:
        super().__init__()
        self.packing = packing
        self._chunks, self._raw = chunks, raw
        self._chunk = b""
        self._at = 0
        self._behind = start
        self._error: Exception | None = None

    def tell(self) -> int:
        """The offset of the next byte in the plain data, from where reading began if packed."""
        return self._behind + self._at

    def readable(self) -> bool:
        """Yes."""
        return True

    def close(self) -> None:
        """Close the file itself."""
        if not self.closed:
            self._raw.close()
        super().close()

    def read1(self, size: int | None = -1, /) -> bytes:
        """What is at hand, at most `size` bytes."""
        if not self._ready():
            return b""
        end = len(self._chunk) if size is None or size < 0 else self._at + size
        data = self._chunk[self._at : end]
        self._at += len(data)
        return data

    def read(self, size: int | None = -1, /) -> bytes:
        """`size` bytes, or fewer at the end or before an error."""
        if size is None or size < 0:
            return b"".join(iter(self.read1, b""))
        parts: list[bytes] = []
        while size and self._ready(parts):
            parts.append(self.read1(size))
            size -= len(parts[-1])
        return b"".join(parts)

    def readline(self, size: int | None = -1, /) -> bytes:
        """A line with its end, or at most `size` bytes of it."""
        size = -1 if size is None else size
        parts: list[bytes] = []
        while self._ready(parts) and size:
            stop = self._chunk.find(b"\n", self._at) + 1 or len(self._chunk)
            data = self.read1(stop - self._at if size < 0 else min(size, stop - self._at))
            parts.append(data)
            size -= len(data) if size > 0 else 0
            if data.endswith(b"\n"):
                break
        return b"".join(parts)

    def peek(self, size: int) -> bytes:
        """The next `size` bytes (fewer at the end or before an error) without moving on."""
        before = self.tell()
        data = self.read(size)
        self._chunk, self._at = data + self._chunk[self._at :], 0
        self._behind = before
        return data

    def _ready(self, parts: Sequence[bytes] = ()) -> bool:
        """Whether there are bytes at hand, after getting some where there were none.

        An error is raised where nothing can be given out before it; else the next call raises it.
        """
        if self.closed:
            raise ValueError("read from a file that is closed")
        while self._at == len(self._chunk) and self._error is None:
            self._behind += self._at
            self._chunk, self._at = b"", 0
            try:
                self._chunk = next(self._chunks)
            except StopIteration:
                return False
            except Exception as error:
                self._error = error
        if self._at < len(self._chunk):
            return True
        if self._error is not None and not any(parts):
            raise self._error
        return False


def open_plain(
    address: str, *, start: int = 0, stop: int | None = None, limits: Limits | None = None
) -> Unpacked:
    """The plain bytes of a file, decompressed as its first bytes say (gzip, bzip2, zstd).

    Members of gzip, streams of bzip2 and frames of zstd follow one another; memory is bounded.

    Args:
        address: a path, or an address of an object store or the web (see open_bytes).
        start: the stored byte to begin at; in a compressed file where a member begins.
        stop: the stored byte to end before; None: the end of the file.
        limits: what is a bomb; None: the defaults of Limits.

    Raises Unreachable where the file cannot be opened. Reading raises Truncated where a compressed
    file is cut short, damaged or has something else behind it, and Bomb where it gives too much;
    both after all bytes before that have been given out.
    """
    if start:
        with open_bytes(address, stop=MAGIC_BYTES) as file:
            packing = packing_of(file.read(MAGIC_BYTES))
        raw = open_bytes(address, start=start, stop=stop)
    else:
        raw = open_bytes(address, stop=stop)
        packing = packing_of(raw.read(MAGIC_BYTES))
        raw.seek(0)
    feed = Feed(raw, address, limits or Limits(), start)
    chunks = _UNPACK[packing](feed)
    return Unpacked(chunks, packing, raw, 0 if packing else start)


def _as_it_is(feed: Feed) -> Iterator[bytes]:
    yield from iter(lambda: feed.more(OUT_BYTES), b"")


_UNPACK: dict[str, Callable[[Feed], Iterator[bytes]]] = {
    "": _as_it_is,
    "gzip": unpack_gzip,
    "bzip2": unpack_bzip2,
    "zstd": unpack_zstd,
}
