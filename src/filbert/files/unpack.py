"""Compressed chunks of bytes → plain chunks, never more than a piece at a time."""

import bz2
import contextlib
import zlib
from collections.abc import Generator, Iterator
from typing import BinaryIO, Protocol

from filbert.files.trouble import Bomb, Limits, Truncated, Unreachable

IN_BYTES = 1 << 16
OUT_BYTES = 1 << 20
_GZIP = b"\x1f\x8b\x08"
_BZ2_BLOCKS = (b"\x31\x41\x59\x26\x53\x59", b"\x17\x72\x45\x38\x50\x90")
_ZSTD = b"\x28\xb5\x2f\xfd"
MAGIC_BYTES = 10


def packing_of(head: bytes) -> str:
    """What a file is compressed with, by its first bytes: "gzip", "bzip2", "zstd" or ""."""
    if head.startswith(_GZIP):
        return "gzip"
    if head[:3] == b"BZh" and head[3:4].isdigit() and head[3:4] != b"0":
        if any(block.startswith(head[4:MAGIC_BYTES]) for block in _BZ2_BLOCKS):
            return "bzip2"
    if head.startswith(_ZSTD) or is_skippable(head):
        return "zstd"
    return ""


def is_skippable(head: bytes) -> bool:
    """Whether a zstd frame that holds no data begins here."""
    return head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5


class Feed:
    """The stored bytes in pieces, with what is needed to judge and name them.

    Attributes:
        address: the file, for messages.
        limits: how far it may be followed.
        taken: how many stored bytes have been read.
        given: how many plain bytes have come out.
    """

    def __init__(self, raw: BinaryIO, address: str, limits: Limits, start: int = 0) -> None:
        self.address, self.limits = address, limits
        self.taken = self.given = 0
        self._raw, self._start = raw, start

    def more(self, size: int = IN_BYTES) -> bytes:
        """The next stored bytes; b"" at the end of the file."""
        try:
            data = self._raw.read(size)
        except OSError as error:
            raise Unreachable(self.address, f"cannot be read: {error.strerror or error}") from error
        self.taken += len(data)
        return data

    def give(self, data: bytes) -> bytes:
        """Count plain bytes; Bomb where there are far too many."""
        self.given += len(data)
        limits = self.limits
        if self.given > limits.free_bytes and self.given > limits.ratio * self.taken:
            raise Bomb(
                self.address,
                f"expected at most {limits.ratio:,} plain bytes for each stored byte, got "
                f"{self.given:,} bytes out of {self.taken:,} "
                f"({self.given // max(1, self.taken):,} : 1) and more to come",
            )
        return data

    def broken(self, what: str, unread: int = 0) -> Truncated:
        """The error for what was found here, `unread` bytes before the last that was read."""
        at = self._start + self.taken - unread
        return Truncated(self.address, f"{what} (at stored byte {at:,}, {self.given:,} plain)")


class _Member(Protocol):
    """A gzip member or a bzip2 stream under way.

    Attributes:
        damage: what was found behind the bytes that the last step gave.
    """

    damage: Exception | None

    def step(self, data: bytes) -> bytes:
        """Some plain bytes, at most OUT_BYTES, from `data` and what is left of earlier data."""

    def left(self) -> bytes | None:
        """None until the member is whole; then what came behind it."""


class _Gzip:
    def __init__(self) -> None:
        self._engine = zlib.decompressobj(wbits=31)
        self.damage: Exception | None = None

    def step(self, data: bytes) -> bytes:
        data = self._engine.unconsumed_tail + data
        before = self._engine.copy()
        try:
            return self._engine.decompress(data, OUT_BYTES)
        except zlib.error as error:  # it keeps what it had found up to there for itself
            self.damage = error
            return _up_to_damage(before, data)

    def left(self) -> bytes | None:
        return self._engine.unused_data if self._engine.eof else None


class _Bzip2:
    def __init__(self) -> None:
        self._engine = bz2.BZ2Decompressor()
        self.damage: Exception | None = None

    def step(self, data: bytes) -> bytes:
        try:
            return self._engine.decompress(data, OUT_BYTES)
        except OSError as error:
            self.damage = error
            return b""

    def left(self) -> bytes | None:
        return self._engine.unused_data if self._engine.eof else None


def _up_to_damage(engine: "zlib._Decompress", data: bytes) -> bytes:
    """What comes out before the error, byte for byte."""
    out: list[bytes] = []
    size = 0
    with contextlib.suppress(zlib.error):
        for place in range(len(data)):
            out.append(engine.decompress(data[place : place + 1]))
            size += len(out[-1])
            if size >= OUT_BYTES:
                break
    return b"".join(out)


def unpack_gzip(feed: Feed) -> Iterator[bytes]:
    """Members one after another (a WARC has one for each record), zeros between them allowed."""
    data = feed.more()
    while data:
        data = yield from _member(feed, _Gzip(), data, "gzip member")
        data = data.lstrip(b"\0")
        while len(data) < len(_GZIP) and (more := feed.more()):
            data = (data + more).lstrip(b"\0")
        if data and not data.startswith(_GZIP):
            raise _garbage(feed, data, "gzip member")


def unpack_bzip2(feed: Feed) -> Iterator[bytes]:
    """Streams one after another, as a multistream dump of Wikipedia has them."""
    data = feed.more()
    while data:
        data = yield from _member(feed, _Bzip2(), data, "bzip2 stream")
        while len(data) < MAGIC_BYTES and (more := feed.more()):
            data += more
        if data and packing_of(data) != "bzip2":
            raise _garbage(feed, data, "bzip2 stream")


def _member(feed: Feed, member: _Member, data: bytes, what: str) -> Generator[bytes, None, bytes]:
    """The plain bytes of one member; what was read behind it."""
    while True:
        plain = member.step(data)
        data = b""
        if plain:
            yield feed.give(plain)
        if member.damage:
            raise feed.broken(
                f"expected a whole {what}, got damaged data: {member.damage}"
            ) from member.damage
        rest = member.left()
        if rest is not None:
            return rest
        if len(plain) < OUT_BYTES:
            data = feed.more()
            if not data:
                raise feed.broken(f"the last {what} is cut short")


def _garbage(feed: Feed, data: bytes, what: str) -> Truncated:
    return feed.broken(f"expected another {what} or the end, got {data[:8]!r}", len(data))
