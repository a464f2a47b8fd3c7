"""As much of protocol buffers as a checkpoint's index needs: varints and the fields of a message.

Errors of this file name no path; who reads the file adds it. Source: the encoding of protocol
buffers, https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from filbert.errors import CheckpointError

_VARINT, _FIXED64, _TEXT, _FIXED32 = 0, 1, 2, 5

_Value = TypeVar("_Value", int, bytes)


@dataclass
class Message:
    """The fields of one message, by their number and the way they are written."""

    varints: dict[int, list[int]] = field(default_factory=dict)
    fixed32s: dict[int, list[int]] = field(default_factory=dict)
    texts: dict[int, list[bytes]] = field(default_factory=dict)

    def varint(self, number: int) -> int:
        """The unsigned value of a field that may stand there once; 0 where it does not."""
        return _once(self.varints, number, 0)

    def fixed32(self, number: int) -> int:
        """The same for a field of four bytes."""
        return _once(self.fixed32s, number, 0)

    def text(self, number: int) -> bytes:
        """The bytes of a field that may stand there once, a message within, say."""
        return _once(self.texts, number, b"")


def read_varint(raw: bytes, place: int, end: int) -> tuple[int, int]:
    """The unsigned number of up to 64 bits at `place`, and the place behind it."""
    value = 0
    for index in range(10):
        if place + index >= end:
            raise CheckpointError(f"a number at byte {place:,} does not end")
        octet = raw[place + index]
        value |= (octet & 0x7F) << (7 * index)
        if octet < 0x80:
            if value >= 2**64:
                break
            return value, place + index + 1
    raise CheckpointError(f"a number at byte {place:,} has more than 64 bits")


def write_varint(value: int) -> bytes:
    """An unsigned number as seven bits a byte, the lowest first."""
    octets = bytearray()
    while value >= 0x80:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*octets, value])


def read_message(raw: bytes) -> Message:
    """The fields of a message, those of unknown numbers too. Raises CheckpointError if damaged."""
    message = Message()
    place = 0
    while place < len(raw):
        tag, place = read_varint(raw, place, len(raw))
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, place = read_varint(raw, place, len(raw))
            message.varints.setdefault(number, []).append(value)
        elif kind in (_FIXED32, _FIXED64):
            octets, place = _take(raw, place, 4 if kind == _FIXED32 else 8)
            if kind == _FIXED32:
                message.fixed32s.setdefault(number, []).append(int.from_bytes(octets, "little"))
        elif kind == _TEXT:
            length, place = read_varint(raw, place, len(raw))
            octets, place = _take(raw, place, length)
            message.texts.setdefault(number, []).append(octets)
        else:
            raise CheckpointError(f"field {number} of a message is of the unknown kind {kind}")
    return message


def write_message(fields: Iterable[tuple[int, int | bytes | None]]) -> bytes:
    """A message of (number, value): bytes as they are, numbers as varints, 0 and None left out."""
    return b"".join(
        write_varint(number << 3 | _TEXT) + write_varint(len(value)) + value
        if isinstance(value, bytes)
        else write_varint(number << 3 | _VARINT) + write_varint(value)
        for number, value in fields
        if value is not None and value != 0
    )


def write_fixed32(number: int, value: int) -> bytes:
    """One field of four bytes."""
    return write_varint(number << 3 | _FIXED32) + value.to_bytes(4, "little")


def _take(raw: bytes, place: int, length: int) -> tuple[bytes, int]:
    if length > len(raw) - place:
        raise CheckpointError(f"a message ends {place + length - len(raw):,} bytes early")
    return raw[place : place + length], place + length


def _once(fields: dict[int, list[_Value]], number: int, default: _Value) -> _Value:
    values = fields.get(number, [default])
    if len(values) != 1:
        raise CheckpointError(f"field {number} of a message stands there {len(values)} times")
    return values[0]
