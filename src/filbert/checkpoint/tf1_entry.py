"""What an index says of a checkpoint and of each tensor ↔ messages of protocol buffers.

Errors of this file name neither path nor tensor; who reads the file adds them. Source: TensorFlow,
core/protobuf/tensor_bundle.proto, core/framework/types.proto and tensor_shape.proto.
"""

import math
from typing import NamedTuple

import numpy as np

from filbert.checkpoint.tf1_proto import Message, read_message, write_fixed32, write_message
from filbert.errors import CheckpointError

MAX_AXES = 8

_VERSION = 1
_MAX_FILES = 99_999
_TEXTS = 7


class Kind(NamedTuple):
    """A kind of number: safetensors' word and numpy's."""

    word: str
    numpy: str


KINDS = {
    1: Kind("F32", "<f4"), 2: Kind("F64", "<f8"), 19: Kind("F16", "<f2"), 14: Kind("BF16", "<u2"),
    3: Kind("I32", "<i4"), 9: Kind("I64", "<i8"), 5: Kind("I16", "<i2"), 6: Kind("I8", "|i1"),
    22: Kind("U32", "<u4"), 23: Kind("U64", "<u8"), 17: Kind("U16", "<u2"), 4: Kind("U8", "|u1"),
    10: Kind("BOOL", "|b1"),
}  # fmt: skip
"""By TensorFlow's number. BF16, which numpy lacks, is read as its bits."""

NUMPY = {kind.word: kind.numpy for kind in KINDS.values()}

_NUMBERS = {kind.numpy: number for number, kind in KINDS.items() if kind.word != "BF16"}


class Entry(NamedTuple):
    """One tensor: kind of number, sizes, data file, its bytes' start and stop there, checksum."""

    kind: str
    sizes: tuple[int, ...]
    file: int
    start: int
    stop: int
    checksum: int


def read_header(raw: bytes) -> int:
    """The number of data files, once the header says nothing that we do not know."""
    header = read_message(raw)
    if header.varint(2) != 0:
        raise CheckpointError("the values are big-endian, expected little-endian")
    needs = read_message(header.text(3)).varint(2)
    if needs > _VERSION:
        raise CheckpointError(f"it needs a reader of version {needs}, this one is of {_VERSION}")
    files = header.varint(1)
    if not 1 <= files <= _MAX_FILES:
        raise CheckpointError(f"expected 1 to {_MAX_FILES:,} data files, got {_signed(files)}")
    return files


def write_header() -> bytes:
    """The header of a checkpoint in one data file."""
    return write_message([(1, 1), (3, write_message([(1, _VERSION)]))])


def read_entry(raw: bytes, files: int) -> Entry:
    """One tensor of a checkpoint in that many data files.

    Raises CheckpointError where kind, sizes and bytes do not agree, and for slices and texts.
    """
    entry = read_message(raw)
    if entry.texts.get(7):
        raise CheckpointError(
            "the variable is stored in slices (a partitioned variable), expected whole tensors; "
            "save the checkpoint again without a partitioner"
        )
    number = entry.varint(1)
    kind = KINDS.get(number)
    if kind is None:
        what = "texts" if number == _TEXTS else f"TensorFlow's kind {number}"
        raise CheckpointError(f"expected numbers ({', '.join(NUMPY)}), got {what}")
    file = entry.varint(3)
    if file >= files:
        raise CheckpointError(f"in data file {_signed(file)}, expected 0 to {files - 1}")
    sizes = _sizes(read_message(entry.text(2)))
    start, stored = _signed(entry.varint(4)), _signed(entry.varint(5))
    expected = np.dtype(kind.numpy).itemsize * math.prod(sizes)
    if start < 0 or stored != expected:
        raise CheckpointError(
            f"the sizes {list(sizes)} of {kind.word} need {expected:,} bytes, "
            f"the index gives {stored:,} from byte {start:,}"
        )
    return Entry(kind.word, sizes, file, start, start + stored, entry.fixed32(6))


def write_entry(values: np.ndarray, start: int, checksum: int) -> bytes:
    """What the index says of an array whose bytes begin at `start`."""
    shape = write_message((2, write_message([(1, size)])) for size in values.shape)
    head = write_message([(1, kind_number(values)), (2, shape), (4, start), (5, values.nbytes)])
    return head + write_fixed32(6, checksum)


def kind_number(values: np.ndarray) -> int:
    """TensorFlow's number of an array's kind. Raises CheckpointError where it has none."""
    number = _NUMBERS.get(values.dtype.newbyteorder("<").str)
    if number is None or values.ndim > MAX_AXES:
        raise CheckpointError(
            f"expected numbers in at most {MAX_AXES} axes, got {values.dtype} in {values.ndim}"
        )
    return number


def _sizes(shape: Message) -> tuple[int, ...]:
    axes = shape.texts.get(2, [])
    if shape.varint(3) or len(axes) > MAX_AXES:
        known = "unknown" if shape.varint(3) else f"{len(axes):,}"
        raise CheckpointError(f"the number of axes is {known}, expected at most {MAX_AXES}")
    sizes = tuple(_signed(read_message(axis).varint(1)) for axis in axes)
    # A size of 0 empties the tensor, but numpy multiplies the others all the same.
    if min(sizes, default=0) < 0 or math.prod(size or 1 for size in sizes) >= 2**59:
        raise CheckpointError(f"the sizes {list(sizes)} are not those of a tensor")
    return sizes


def _signed(value: int) -> int:
    """A varint as the signed number of 64 bits that it stands for."""
    return value - 2**64 if value >= 2**63 else value
