"""Files of tensors (safetensors) ↔ numpy, with every size checked before memory is taken.

The header is read here and not by the library, so that a damaged file is refused with its name and
the tensor's. BF16, which numpy lacks, becomes float32 without loss.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from filbert.errors import CheckpointError

MAX_HEADER_BYTES = 16_000_000
"""Enough for 100,000 tensors; parsed, a header takes some twenty times its bytes."""

LONGEST_NAME = 512
"""In letters: messages and tables hold names."""

BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip
_NUMPY = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
FLOATS = ("F64", "F32", "F16", "BF16")

_AT_ONCE = 1_000_000
"""Numbers that are rounded at a time, so that little memory is taken beside the tensor."""


@dataclass(frozen=True)
class StoredTensor:
    """Where one tensor lies: file, kind of number, sizes, and its bytes from `start` to `stop`."""

    file: Path
    name: str
    kind: str
    sizes: tuple[int, ...]
    start: int
    stop: int

    def read(self) -> np.ndarray:
        """The values, as a copy in memory; BF16 as float32."""
        count = (self.stop - self.start) // BYTES[self.kind]
        try:
            with self.file.open("rb") as file:
                file.seek(self.start)
                flat = np.fromfile(file, dtype=_NUMPY[self.kind], count=count)
        except OSError as error:
            raise CheckpointError(
                f"{self.file}: cannot be read: {error.strerror or error}"
            ) from error
        if len(flat) != count:
            raise CheckpointError(f"{self.file}: tensor {self.name!r} ends early")
        if self.kind == "BF16":
            flat = (flat.astype(np.uint32) << 16).view(np.float32)
        return flat.reshape(self.sizes)


def read_header(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a .safetensors file by name; no values are read.

    Raises CheckpointError naming file and tensor where sizes, offsets and the file's length do not
    agree: a truncated file, an absurd header, overlapping tensors.
    """
    try:
        length = path.stat().st_size
        with path.open("rb") as file:
            first = file.read(8)
            header_bytes = int.from_bytes(first, "little")
            if len(first) < 8 or header_bytes > min(MAX_HEADER_BYTES, length - 8):
                raise CheckpointError(
                    f"{path}: not a whole safetensors file: its header should be {header_bytes:,} "
                    f"bytes, the file has {length:,} (truncated, or of another format)"
                )
            raw = file.read(header_bytes)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    header = _parse(path, raw)
    header.pop("__metadata__", None)
    data_start = 8 + header_bytes
    stored = {name: _entry(path, name, value, data_start) for name, value in header.items()}
    _check_layout(path, stored, data_start, length)
    return stored


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a .safetensors file, in memory. Raises CheckpointError as read_header does."""
    return {name: stored.read() for name, stored in read_header(Path(path)).items()}


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write a .safetensors file whose bytes depend on nothing but the tensors.

    Raises CheckpointError naming the file where the disk refuses (full, no rights).
    """
    import safetensors
    from safetensors.numpy import save_file

    ordered = {name: np.asarray(tensors[name], order="C") for name in sorted(tensors)}
    try:
        save_file(ordered, path, metadata={"format": "pt"})
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path} could not be written: {error}") from error


def encode(values: np.ndarray, kind: str, where: str) -> np.ndarray:
    """Floats as numbers of another kind, rounded to the nearest; BF16 as the uint16 of its bits.

    Raises CheckpointError where a number is too large for that kind.
    """
    if kind != "BF16":
        if values.dtype == np.dtype(_NUMPY[kind]):
            return values
        with np.errstate(over="ignore"):
            found: np.ndarray = values.astype(_NUMPY[kind], order="C")
        too_large = np.isinf(found).sum() > np.isinf(values).sum()
    else:
        found = np.empty(values.shape, "<u2")
        flat, out = np.ravel(values), found.reshape(-1)
        for start in range(0, flat.size, _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            out[part] = _bfloat16(flat[part].astype(np.float32, copy=False))
        too_large = ((found & 0x7FFF) == 0x7F80).sum() > np.isinf(values).sum()
    if too_large:
        raise CheckpointError(f"{where}: holds a number that is too large for {kind}")
    return found


def _bfloat16(values: np.ndarray) -> np.ndarray:
    """float32 → the upper 16 bits, to the nearest, halves to even."""
    bits = values.view(np.uint32)
    upper = bits >> 16
    # A NaN keeps its upper bits, and must not become infinity; what wraps round is a NaN, too.
    kept = np.where(upper & 0x7F, upper, upper | 0x40)
    rounded = (bits + 0x7FFF + (upper & 1)) >> 16
    return np.where(np.isnan(values), kept, rounded).astype(np.uint16)


def stream_tensors(
    path: Path,
    tensors: Mapping[str, tuple[str, tuple[int, ...]]],
    read: Callable[[str], np.ndarray],
) -> None:
    """Write a .safetensors file one tensor at a time, so that only one is in memory.

    tensors: name → kind and sizes. read: name → its bytes, as an array in that kind's form.
    Raises CheckpointError naming the file where the disk refuses.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    # The widest numbers first, so that each tensor begins at a multiple of its number's bytes.
    names = sorted(tensors, key=lambda name: (-BYTES[tensors[name][0]], name))
    start = 0
    for name in names:
        kind, sizes = tensors[name]
        stop = start + BYTES[kind] * math.prod(sizes)
        header[name] = {"dtype": kind, "shape": list(sizes), "data_offsets": [start, stop]}
        start = stop
    raw = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    raw += b" " * (-len(raw) % 8)
    try:
        with path.open("wb") as file:
            file.write(len(raw).to_bytes(8, "little") + raw)
            for name in names:
                file.write(np.ascontiguousarray(read(name)).data)
    except OSError as error:
        raise CheckpointError(f"{path} could not be written: {error.strerror or error}") from error


def _parse(path: Path, raw: bytes) -> dict[str, Any]:
    def refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name stands there twice")
        return found

    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=refuse_twice)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: the safetensors header is not valid: {error}") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: the safetensors header is not a table of tensors")
    return header


def _entry(path: Path, name: str, value: object, data_start: int) -> StoredTensor:
    where = f"{path}: tensor {name!r:.160}"
    if len(name) > LONGEST_NAME:
        raise CheckpointError(
            f"{where}: a name of {len(name):,} letters, expected at most {LONGEST_NAME}"
        )
    if not isinstance(value, dict):
        raise CheckpointError(f"{where}: expected dtype, shape and data_offsets, got {value!r:.80}")
    kind: Any = value.get("dtype")
    sizes: Any = value.get("shape")
    offsets: Any = value.get("data_offsets")
    if not isinstance(kind, str) or kind not in BYTES:
        raise CheckpointError(f"{where}: dtype {kind!r:.40} is not one of {', '.join(BYTES)}")
    if not _whole_numbers(sizes) or not _whole_numbers(offsets) or len(offsets) != 2:
        raise CheckpointError(f"{where}: shape {sizes!r:.80} or data_offsets {offsets!r:.80} wrong")
    # A size of 0 empties the tensor, but numpy multiplies the others all the same.
    if 0 in sizes and math.prod(size or 1 for size in sizes) >= 2**59:
        raise CheckpointError(f"{where}: shape {sizes!r:.80} is not that of a tensor")
    expected = BYTES[kind] * math.prod(sizes)
    if offsets[1] - offsets[0] != expected:
        raise CheckpointError(
            f"{where}: shape {sizes!r:.80} of {kind} needs {expected:,} bytes, "
            f"data_offsets give {offsets[1] - offsets[0]:,}"
        )
    return StoredTensor(
        path, name, kind, tuple(sizes), data_start + offsets[0], data_start + offsets[1]
    )


def _whole_numbers(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= 8
        and all(type(number) is int and 0 <= number < 2**62 for number in value)
    )


def _check_layout(
    path: Path, stored: Mapping[str, StoredTensor], data_start: int, length: int
) -> None:
    """Tensors lie end to end and fill the file: no hole, no overlap, nothing behind."""
    position = data_start
    for name, tensor in sorted(stored.items(), key=lambda item: (item[1].start, item[1].stop)):
        if tensor.stop > length:
            raise CheckpointError(
                f"{path}: truncated: tensor {name!r} ends at byte {tensor.stop:,}, "
                f"the file has {length:,}"
            )
        if tensor.start != position:
            raise CheckpointError(
                f"{path}: tensor {name!r} begins at byte {tensor.start:,}, expected {position:,}"
            )
        position = tensor.stop
    if position != length:
        raise CheckpointError(
            f"{path}: {length - position:,} bytes behind the last tensor, expected none"
        )
