"""Files of tensors (safetensors) ↔ numpy, with every size checked before memory is taken.

The header is read here and not by the library, so that a damaged file is refused with its name and
the tensor's. BF16, which numpy lacks, becomes float32 without loss.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from filbert.errors import CheckpointError

MAX_HEADER_BYTES = 16_000_000
"""Enough for 100,000 tensors; parsed, a header takes some twenty times its bytes."""

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
        with self.file.open("rb") as file:
            file.seek(self.start)
            flat = np.fromfile(file, dtype=_NUMPY[self.kind], count=count)
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
    where = f"{path}: tensor {name!r}"
    if not isinstance(value, dict):
        raise CheckpointError(f"{where}: expected dtype, shape and data_offsets, got {value!r:.80}")
    kind: Any = value.get("dtype")
    sizes: Any = value.get("shape")
    offsets: Any = value.get("data_offsets")
    if not isinstance(kind, str) or kind not in BYTES:
        raise CheckpointError(f"{where}: dtype {kind!r:.40} is not one of {', '.join(BYTES)}")
    if not _whole_numbers(sizes) or not _whole_numbers(offsets) or len(offsets) != 2:
        raise CheckpointError(f"{where}: shape {sizes!r:.80} or data_offsets {offsets!r:.80} wrong")
    expected = BYTES[kind]
    for size in sizes:
        expected *= size
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
