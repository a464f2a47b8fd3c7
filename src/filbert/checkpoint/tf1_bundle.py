"""Tensors in the files of TensorFlow's Saver (V2, "tensor bundle") ↔ numpy, without TensorFlow.

`model.ckpt.index` is a sorted table: tensor name → kind, sizes, data file, place, checksum. The
values lie in `model.ckpt.data-00000-of-00002` and so on. Any names may stand here; what BERT's are
called is tf1_names.py's. Source: TensorFlow, core/util/tensor_bundle.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from filbert.checkpoint.tf1_crc32c import crc32c, mask
from filbert.checkpoint.tf1_entry import (
    NUMPY,
    kind_number,
    read_entry,
    read_header,
    write_entry,
    write_header,
)
from filbert.checkpoint.tf1_table import LONGEST_KEY, read_table, write_table
from filbert.disk import atomic_file
from filbert.errors import CheckpointError

MAX_INDEX_BYTES = 16_000_000
"""Enough for 100,000 tensors."""

_SLICE = b"\0"
"""What the key of a piece of a sliced variable begins with; no tensor's name does."""

_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"


@dataclass(frozen=True)
class BundleTensor:
    """Where one tensor lies: file, kind of number, sizes, its bytes' start and stop, checksum."""

    file: Path
    name: str
    kind: str
    sizes: tuple[int, ...]
    start: int
    stop: int
    checksum: int

    def read(self) -> np.ndarray:
        """The values, as a copy in memory, their checksum compared; BF16 as float32.

        Raises CheckpointError naming the file and the tensor where the checksum differs.
        """
        try:
            with self.file.open("rb") as file:
                file.seek(self.start)
                raw = np.fromfile(file, np.uint8, self.stop - self.start)
        except OSError as error:
            raise _unreadable(self.file, error) from error
        where = f"{self.file}: tensor {self.name!r}"
        if len(raw) != self.stop - self.start:
            raise CheckpointError(f"{where} ends early")
        found = mask(crc32c(raw))
        if found != self.checksum:
            raise CheckpointError(
                f"{where}: damaged: its checksum is {found:08x}, expected {self.checksum:08x}"
            )
        flat = raw.view(NUMPY[self.kind])
        if self.kind == "BF16":
            flat = (flat.astype(np.uint32) << 16).view(np.float32)
        return flat.reshape(self.sizes)


def data_file(index: Path, number: int, count: int) -> Path:
    """The path of one data file of an index."""
    return index.with_name(f"{index.stem}.data-{number:05d}-of-{count:05d}")


def read_bundle(index: Path) -> dict[str, BundleTensor]:
    """The tensors of an index by name; no values are read.

    Raises CheckpointError naming file and tensor for a damaged or truncated index or data file, for
    sizes and places that do not agree, and for what is refused: big-endian values, variables in
    slices, texts, compressed blocks.
    """
    try:
        length = index.stat().st_size
        if length > MAX_INDEX_BYTES:
            raise CheckpointError(
                f"{index}: expected an index of at most {MAX_INDEX_BYTES:,} bytes, got {length:,}"
            )
        with index.open("rb") as file:
            raw = file.read(length)
    except OSError as error:
        raise _unreadable(index, error) from error
    try:
        tensors = _tensors(index, raw)
    except CheckpointError as error:
        raise CheckpointError(f"{index}: {error}") from error
    _check_layout(tensors)
    return tensors


def write_bundle(prefix: Path, tensors: Mapping[str, np.ndarray]) -> Path:
    """Write PREFIX.data-00000-of-00001 and then PREFIX.index; returns the index's path.

    The bytes depend on nothing but the tensors, and are those that TensorFlow writes. Raises
    CheckpointError naming a tensor that a bundle cannot hold, FilbertError where the disk refuses.
    """
    index = prefix.with_name(prefix.name + ".index")
    named = sorted((_key(name, values), name) for name, values in tensors.items())
    entries = [(b"", write_header())]
    with atomic_file(data_file(index, 0, 1)) as draft, draft.open("wb") as file:
        start = 0
        for key, name in named:
            values = np.asarray(tensors[name])
            raw = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(-1)
            raw = raw.view(np.uint8)
            file.write(raw.data)  # not tofile, which cuts short without a word on a full disk
            entries.append((key, write_entry(values, start, mask(crc32c(raw)))))
            start += len(raw)
    with atomic_file(index) as draft:
        draft.write_bytes(write_table(entries))
    return index


def _tensors(index: Path, raw: bytes) -> dict[str, BundleTensor]:
    """The tensors of a table. Errors name no path."""
    table = read_table(raw)
    key, value = next(table, (None, b""))
    if key != b"":
        raise CheckpointError(f"expected its header first, got the key {key!r:.80}")
    files = read_header(value)
    tensors: dict[str, BundleTensor] = {}
    pieces = 0
    for key, value in table:
        if key.startswith(_SLICE):
            pieces += 1
            continue
        try:
            name = key.decode("utf-8")
        except UnicodeDecodeError as error:
            raise CheckpointError(f"the name {key!r:.80} is not UTF-8") from error
        try:
            entry = read_entry(value, files)
        except CheckpointError as error:
            if name == _OBJECTS:
                raise CheckpointError(
                    "a checkpoint of TensorFlow 2's objects, expected one of TensorFlow 1's Saver, "
                    "with names like bert/embeddings/word_embeddings"
                ) from error
            raise CheckpointError(f"tensor {name!r:.160}: {error}") from error
        file = data_file(index, entry.file, files)
        where = (entry.start, entry.stop, entry.checksum)
        tensors[name] = BundleTensor(file, name, entry.kind, entry.sizes, *where)
    if pieces:
        raise CheckpointError(f"{pieces:,} pieces of sliced variables whose names are missing")
    return tensors


def _check_layout(tensors: Mapping[str, BundleTensor]) -> None:
    """Every data file is there, holds its tensors whole, and no two tensors overlap."""
    in_order = sorted(tensors.values(), key=lambda tensor: (tensor.file, tensor.start, tensor.stop))
    for file, group in itertools.groupby(in_order, lambda tensor: tensor.file):
        try:
            length = file.stat().st_size
        except OSError as error:
            raise _unreadable(file, error) from error
        position = 0
        for tensor in group:
            if tensor.stop > length:
                raise CheckpointError(
                    f"{file}: truncated: tensor {tensor.name!r} ends at byte {tensor.stop:,}, "
                    f"the file has {length:,}"
                )
            if tensor.start < position:
                raise CheckpointError(
                    f"{file}: tensor {tensor.name!r} begins at byte {tensor.start:,}, inside of "
                    f"another that ends at {position:,}"
                )
            position = tensor.stop


def _key(name: str, values: np.ndarray) -> bytes:
    """The key of a tensor, once a bundle can hold it."""
    try:
        key = name.encode("utf-8")
        kind_number(np.asarray(values))
    except UnicodeEncodeError as error:
        raise CheckpointError(f"tensor {name!r:.160}: the name is not UTF-8") from error
    except CheckpointError as error:
        raise CheckpointError(f"tensor {name!r:.160}: {error}") from error
    if not key or key.startswith(_SLICE) or len(key) > LONGEST_KEY:
        raise CheckpointError(
            f"tensor {name!r:.160}: expected a name of 1 to {LONGEST_KEY} bytes, the first not zero"
        )
    return key


def _unreadable(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(f"{path}: cannot be read: {error.strerror or error}")
