"""A sorted table of keys and values: the form of LevelDB, in which TensorFlow keeps its index.

Blocks of entries, then a block of blocks' places, then a footer of 48 bytes. An entry says how many
bytes of its key are those of the key before; behind each block stand its compression and checksum.
Errors of this file name no path; who reads the file adds it. Source:
https://github.com/google/leveldb/blob/main/doc/table_format.md
"""

from collections.abc import Iterable, Iterator

from filbert.checkpoint.tf1_crc32c import crc32c, mask
from filbert.checkpoint.tf1_proto import read_varint, write_varint
from filbert.errors import CheckpointError

MAX_ENTRIES = 100_000
LONGEST_KEY = 512
"""In bytes. Both bounds keep a small hostile table, whose keys repeat each other, a small one."""

_MAGIC = 0xDB4775248B80FB57.to_bytes(8, "little")
_FOOTER = 48
_TRAILER = 5
_BLOCK_BYTES = 262_144
_RESTART_EVERY = 16

Entry = tuple[bytes, bytes]


def read_table(raw: bytes) -> Iterator[Entry]:
    """The entries of a table, keys rising. Every block is read once and its checksum compared.

    Raises CheckpointError for whatever a whole table of at most MAX_ENTRIES does not have.
    """
    end = len(raw) - _FOOTER
    if end < 0 or raw[-8:] != _MAGIC:
        raise CheckpointError(
            f"not the index of a TensorFlow checkpoint: expected the number {_MAGIC.hex()} at its "
            f"end, got {raw[-8:].hex() or 'nothing'} (truncated, or of another format)"
        )
    meta, place = _read_handle(raw, end, end + 40)
    index, _ = _read_handle(raw, place, end + 40)
    _read_block(raw, meta, 0, end)
    count, stop, last = 0, 0, None
    for _, value in _entries(_read_block(raw, index, 0, end)):
        handle, _ = _read_handle(value, 0, len(value))
        # Blocks lie one behind the other, so that none is read twice.
        block = _read_block(raw, handle, stop, end)
        stop = sum(handle) + _TRAILER
        for key, content in _entries(block):
            count += 1
            if count > MAX_ENTRIES:
                raise CheckpointError(f"more than {MAX_ENTRIES:,} entries")
            if last is not None and key <= last:
                raise CheckpointError(f"key {key!r:.80} stands behind {last!r:.80}: not sorted")
            last = key
            yield key, content


def write_table(entries: Iterable[Entry]) -> bytes:
    """A table of entries whose keys rise; byte for byte what TensorFlow writes of them."""
    raw = bytearray()
    places = _Block(restart_every=1)
    block, handle, last = _Block(), b"", b""
    for key, value in entries:
        if handle:
            places.add(_key_between(last, key), handle)
            handle = b""
        block.add(key, value)
        last = key
        if block.size >= _BLOCK_BYTES:
            handle, block = block.append_to(raw), _Block()
    if block.count:
        handle = block.append_to(raw)
    meta = _Block().append_to(raw)
    if handle:
        places.add(_key_behind(last), handle)
    footer = meta + places.append_to(raw)
    return bytes(raw) + footer.ljust(_FOOTER - len(_MAGIC), b"\0") + _MAGIC


def _read_handle(raw: bytes, place: int, end: int) -> tuple[tuple[int, int], int]:
    """Where a block begins and how long it is; and the place behind the two numbers."""
    offset, place = read_varint(raw, place, end)
    size, place = read_varint(raw, place, end)
    return (offset, size), place


def _read_block(raw: bytes, handle: tuple[int, int], start: int, end: int) -> bytes:
    """The block's bytes, trailer cut off, if it lies between start and end and is undamaged."""
    offset, size = handle
    stop = offset + size
    if offset < start or stop + _TRAILER > end:
        raise CheckpointError(
            f"a block should lie from byte {offset:,} to {stop:,}, expected it between {start:,} "
            f"and {end - _TRAILER:,}"
        )
    stored = int.from_bytes(raw[stop + 1 : stop + _TRAILER], "little")
    found = mask(crc32c(raw[offset : stop + 1]))
    if stored != found:
        raise CheckpointError(
            f"damaged: the block at byte {offset:,} has the checksum {found:08x}, "
            f"expected {stored:08x}"
        )
    if raw[stop] != 0:
        name = "with snappy" if raw[stop] == 1 else f"in the unknown way {raw[stop]}"
        raise CheckpointError(
            f"the block at byte {offset:,} is compressed {name}, expected it as TensorFlow's Saver "
            "writes it: not compressed"
        )
    return raw[offset:stop]


def _entries(block: bytes) -> Iterator[Entry]:
    """The entries of one block; the restart points at its end serve searches only."""
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise CheckpointError(f"a block of {len(block):,} bytes with {restarts:,} restart points")
    place, key = 0, b""
    while place < end:
        shared, place = read_varint(block, place, end)
        fresh, place = read_varint(block, place, end)
        length, place = read_varint(block, place, end)
        if shared > len(key) or fresh + length > end - place:
            raise CheckpointError(
                f"an entry takes {shared:,} bytes of a key of {len(key):,} and {fresh + length:,} "
                f"of the {end - place:,} left in its block"
            )
        if shared + fresh > LONGEST_KEY:
            raise CheckpointError(
                f"a name of {shared + fresh:,} bytes, expected at most {LONGEST_KEY}"
            )
        key = key[:shared] + block[place : place + fresh]
        place += fresh
        yield key, block[place : place + length]
        place += length


class _Block:
    """A block in the making."""

    def __init__(self, restart_every: int = _RESTART_EVERY) -> None:
        self.raw = bytearray()
        self.restarts = [0]
        self.count = 0
        self.last = b""
        self.restart_every = restart_every

    @property
    def size(self) -> int:
        """Its bytes, were it finished now, without the trailer."""
        return len(self.raw) + 4 * (len(self.restarts) + 1)

    def add(self, key: bytes, value: bytes) -> None:
        """Append one entry."""
        shared = _shared(self.last, key)
        if self.count and self.count % self.restart_every == 0:
            self.restarts.append(len(self.raw))
            shared = 0
        for length in (shared, len(key) - shared, len(value)):
            self.raw += write_varint(length)
        self.raw += key[shared:] + value
        self.count += 1
        self.last = key

    def append_to(self, raw: bytearray) -> bytes:
        """Append it, finished, to the table; returns its handle."""
        handle = write_varint(len(raw)) + write_varint(self.size)
        block = bytes(self.raw)
        for number in (*self.restarts, len(self.restarts)):
            block += number.to_bytes(4, "little")
        block += b"\0"
        raw += block + mask(crc32c(block)).to_bytes(4, "little")
        return handle


def _key_between(last: bytes, following: bytes) -> bytes:
    """A short key from `last` on and before `following`; `last` where none is shorter."""
    place = _shared(last, following)
    if place < len(last) and last[place] + 1 < following[place]:
        return last[:place] + bytes([last[place] + 1])
    return last


def _key_behind(last: bytes) -> bytes:
    """A short key from `last` on."""
    place = len(last) - len(last.lstrip(b"\xff"))
    return last if place == len(last) else last[:place] + bytes([last[place] + 1])


def _shared(one: bytes, other: bytes) -> int:
    """How many bytes two keys begin with alike."""
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return place
    return min(len(one), len(other))
