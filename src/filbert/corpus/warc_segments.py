"""A WARC file → stretches of plain bytes that can be read each without the others."""

import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from filbert.files import Bomb, Truncated, open_bytes, open_plain
from filbert.files.unpack import packing_of

_GZIP = b"\x1f\x8b\x08"
_READ = 1 << 16
_OUT = 1 << 20
_BEGIN = b"WARC/1."
_RATIO, _FREE = 1000, 64 << 20


class Segment:
    """One gzip member, or the whole of a file that has none, as a stream that can be put back.

    Attributes:
        at: where it begins in the file as it is stored; None where positions inside it count.
        error: (kind, message) of what stopped it before its end.
        behind: the plain bytes that have been given out.
        size: how many there are in all, where that is known beforehand.
    """

    def __init__(self, chunks: Iterator[bytes], at: int | None, size: int | None = None) -> None:
        self.at = at
        self.size = size
        self.behind = 0
        self.error: tuple[str, str] | None = None
        self._chunks = chunks
        self._have = bytearray()

    @property
    def place(self) -> int:
        """The stored byte of the member, or the byte that comes next where nothing is packed."""
        return self.behind if self.at is None else self.at

    def fill(self, size: int) -> int:
        """Get `size` bytes at hand, fewer only at the end; how many are there."""
        while len(self._have) < size:
            try:
                chunk = next(self._chunks, b"")
            except Bomb as error:
                self.error = ("bomb", error.reason)
                break
            except Truncated as error:
                self.error = ("truncated", error.reason)
                break
            if not chunk:
                break
            self._have += chunk
        return len(self._have)

    def peek(self, size: int) -> bytes:
        """The next bytes, which stay."""
        self.fill(size)
        return bytes(self._have[:size])

    def take(self, size: int) -> bytes:
        """The next bytes; fewer at the end."""
        data = self.peek(size)
        self.skip(len(data))
        return data

    def skip(self, size: int) -> int:
        """Pass over bytes, however many, in little memory; how many there were."""
        left = size
        while left and (here := min(left, self.fill(min(left, _OUT)))):
            del self._have[:here]
            self.behind += here
            left -= here
        return size - left

    def put_back(self, data: bytes) -> None:
        """Undo a take."""
        self._have[:0] = data
        self.behind -= len(data)

    def skip_line_ends(self) -> None:
        """Pass over the empty lines between records."""
        while (byte := self.peek(1)) in (b"\r", b"\n") and byte:
            self.skip(1)

    def find_record(self) -> int:
        """Pass over everything up to where a record begins, here or further on; how much it was."""
        before = self.behind
        if self.peek(len(_BEGIN)) == _BEGIN:
            return 0
        while self.fill(_READ):
            found = self._have.find(b"\n" + _BEGIN)
            if found >= 0:
                self.skip(found + 1)
                break
            # What may be the beginning of that line stays, unless nothing comes after it.
            most = len(self._have) - len(_BEGIN)
            self.skip(most if most > 0 and self.fill(_READ + 1) > _READ else len(self._have))
        return self.behind - before

    def drain(self) -> None:
        """Read to the end, so that whoever gives the chunks knows where that is."""
        while self.skip(_OUT):
            pass


def segments(address: str) -> Iterator[Segment]:
    """The members of a gzip file, damaged ones too; else one segment, decompressed."""
    with open_bytes(address) as raw:
        head = raw.read(_READ)
        packing = packing_of(head)
        raw.seek(0)
        if packing == "gzip" or (not packing and _has_member(head)):
            yield from _Members(raw).segments()
        elif not packing:
            size = raw.seek(0, 2)
            raw.seek(0)
            yield Segment(iter(lambda: raw.read(_OUT), b""), None, size)
        else:
            with open_plain(address) as plain:
                yield Segment(iter(lambda: plain.read1(_OUT), b""), None)


class _Members:
    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._data = b""
        self._at = 0  # the stored byte that _data begins at
        self._whole = True

    def segments(self) -> Iterator[Segment]:
        while self._more(len(_GZIP)):
            start = self._at
            if not self._data.startswith(_GZIP):
                if not self._find_member(start):
                    zeros = not self._trailing(start).strip(b"\0\r\n")
                    if not zeros:
                        yield self._garbage(start)
                    return
                yield self._garbage(start)
                continue
            segment = Segment(self._plain(), start)
            yield segment
            segment.drain()
            if segment.error is not None and not self._find_member(start + 1):
                return

    def _trailing(self, start: int) -> bytes:
        self._raw.seek(start)
        return self._raw.read(_READ)

    def _garbage(self, start: int) -> Segment:
        segment = Segment(iter(()), start)
        segment.error = ("garbage", "expected a gzip member or the end, got other bytes")
        return segment

    def _more(self, size: int) -> bool:
        while len(self._data) < size and (data := self._raw.read(_READ)):
            self._data += data
        return bool(self._data)

    def _plain(self) -> Iterator[bytes]:
        engine = zlib.decompressobj(wbits=31)
        given = taken = 0
        while not engine.eof:
            if not self._data and not self._more(1):
                raise Truncated("", f"the gzip member at byte {self._at - taken:,} is cut short")
            try:
                chunk = engine.decompress(self._data, _OUT)
            except zlib.error as error:
                raise Truncated("", f"expected a gzip member, got damaged data: {error}") from error
            left = engine.unused_data if engine.eof else engine.unconsumed_tail
            taken += len(self._data) - len(left)
            self._at += len(self._data) - len(left)
            self._data = left
            given += len(chunk)
            if given > _FREE and given > _RATIO * taken:
                raise Bomb("", f"{given:,} plain bytes out of {taken:,} and more to come")
            if chunk:
                yield chunk

    def _find_member(self, start: int) -> bool:
        """Go to the next gzip member from the byte `start` on that begins with a record."""
        self._raw.seek(start)
        self._data, self._at = b"", start
        while self._more(_READ):
            found = self._data.find(_GZIP)
            if found < 0:
                drop = max(len(self._data) - 2, 1)
            elif _begins_record(self._data[found : found + 4096]):
                self._drop(found)
                return True
            else:
                drop = found + 1
            self._drop(drop)
        return False

    def _drop(self, size: int) -> None:
        self._data = self._data[size:]
        self._at += size


def _has_member(head: bytes) -> bool:
    """Whether a gzip member with a record lies in a file whose first bytes are damaged."""
    places = () if _BEGIN in head else (match.start() for match in re.finditer(_GZIP, head))
    return any(_begins_record(head[place : place + 4096]) for place in places)


def _begins_record(data: bytes) -> bool:
    try:
        return zlib.decompressobj(wbits=31).decompress(data, len(_BEGIN)) == _BEGIN
    except zlib.error:
        return False
