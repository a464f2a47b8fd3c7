"""zstd: walked frame by frame and block by block.

The library gives out all that its input holds, and 64 KiB of input can hold 2 GiB; its stream
reader does not say whether a frame was whole. A block gives at most 128 KiB, and its header says
where it ends: handed over one by one, blocks bound the memory and show where a file was cut.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from filbert.errors import missing_extra
from filbert.files.trouble import Bomb, Truncated
from filbert.files.unpack import Feed, is_skippable, packing_of

if TYPE_CHECKING:
    import zstandard

_HEADER_BYTES = 18  # the longest header of a frame, with its magic number
_LEAST_BYTES = 6  # the shortest
_RAW, _RUN = 0, 1  # kinds of block; 2 is compressed, 3 is reserved
_MOST_BLOCK = 128 << 10


class _Bytes:
    """The stored bytes, by exact numbers of them."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._held = b""
        self._at = 0

    def peek(self, size: int) -> bytes:
        """The next bytes, without moving on; fewer only at the end of the file."""
        while len(self._held) - self._at < size and (more := self._feed.more()):
            self._held, self._at = self._held[self._at :] + more, 0
        return self._held[self._at : self._at + size]

    def take(self, size: int) -> bytes:
        """The next bytes; Truncated where there are fewer."""
        data = self.peek(size)
        if len(data) < size:
            raise self._feed.broken("the last zstd frame is cut short")
        self._at += size
        return data

    def skip(self, size: int) -> None:
        """Move on, holding no more than a piece."""
        while size:
            self.peek(1)
            size -= len(self.take(min(size, max(1, len(self._held) - self._at))))

    def broken(self, what: str) -> Truncated:
        """The error for what comes next."""
        return self._feed.broken(what, len(self._held) - self._at)


def unpack_zstd(feed: Feed) -> Iterator[bytes]:
    """The plain bytes of all frames; skippable frames are passed over.

    Raises Bomb for a frame that asks for more memory than allowed, Truncated as all do.
    """
    try:
        import zstandard
    except ModuleNotFoundError as error:
        raise missing_extra("zstandard", "data") from error
    source = _Bytes(feed)
    while head := source.peek(8):
        if is_skippable(head) and len(head) == 8:
            source.skip(8 + int.from_bytes(head[4:], "little"))
        elif packing_of(head) == "zstd":
            try:
                yield from _frame(feed, source)
            except zstandard.ZstdError as error:
                raise source.broken(f"expected a whole zstd frame: {error}") from error
        else:
            raise source.broken(f"expected another zstd frame or the end, got {head!r}")


def _frame(feed: Feed, source: _Bytes) -> Iterator[bytes]:
    import zstandard

    if len(source.peek(_LEAST_BYTES)) < _LEAST_BYTES:
        source.take(_LEAST_BYTES)
    try:
        header_bytes = zstandard.frame_header_size(source.peek(_HEADER_BYTES))
    except zstandard.ZstdError:
        source.take(_HEADER_BYTES)  # says that it is cut short, if that is so
        raise
    header = source.take(header_bytes)
    shape = zstandard.get_frame_parameters(header)
    engine = _engine(feed, shape.window_size)
    yield from _given(feed, engine.decompress(header))
    last = False
    while not last:
        mark = source.take(3)
        last, kind, size = _block(mark)
        if size > _MOST_BLOCK:
            raise source.broken(f"expected a zstd block of at most 128 KiB, got {size:,} bytes")
        body = source.take(1 if kind == _RUN else size)
        yield from _given(feed, engine.decompress(mark + body))
    if shape.has_checksum:
        yield from _given(feed, engine.decompress(source.take(4)))


def _engine(feed: Feed, window: int) -> "zstandard.ZstdDecompressionObj":
    import zstandard

    allowed = feed.limits.window_bytes
    if window > allowed:
        raise Bomb(
            feed.address,
            f"expected a zstd frame that needs at most {allowed >> 20:,} MiB to decompress, got "
            f"one that asks for {window >> 20:,} MiB",
        )
    return zstandard.ZstdDecompressor(max_window_size=allowed).decompressobj()


def _block(mark: bytes) -> tuple[bool, int, int]:
    """Whether it is the last, its kind, its size (of a run: the plain size)."""
    number = int.from_bytes(mark, "little")
    return bool(number & 1), number >> 1 & 3, number >> 3


def _given(feed: Feed, data: bytes) -> Iterator[bytes]:
    if data:
        yield feed.give(data)
