"""The parts' .npy files as one long table, read in pieces; and the files that steps leave."""

import mmap
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from filbert.disk import atomic_file
from filbert.errors import DataError

_OPEN_FILES = 200
_HEAD = 32

Numbers = npt.NDArray[np.int64]


class Rows:
    """Rows of several .npy files of one width, numbered through.

    Read by seeking, not mapped: what was read counts as memory of the process only while it is in
    use, and no more than 200 files are open. Not safe for threads; a step makes its own.
    """

    def __init__(self, paths: Sequence[Path], width: int, kind: type[np.generic]):
        self._paths = paths
        self._width = width
        self._kind = np.dtype(kind)
        self._files: OrderedDict[int, tuple[BinaryIO, int]] = OrderedDict()
        self.starts: Numbers = np.zeros(len(paths) + 1, dtype=np.int64)

    @classmethod
    def of(
        cls, paths: Sequence[Path], starts: Numbers, width: int, kind: type[np.generic]
    ) -> "Rows":
        """The table whose lengths are known."""
        rows = cls(paths, width, kind)
        rows.starts = starts
        return rows

    def count(self) -> Numbers:
        """Read how long each file is: where each begins, and the end of all.

        Raises DataError for a file that is missing, broken or of another shape.
        """
        lengths = [self._header(path) for path in self._paths]
        self.starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return self.starts

    def __enter__(self) -> "Rows":
        return self

    def __exit__(self, *_: object) -> None:
        for file, _start in self._files.values():
            file.close()
        self._files.clear()

    def slice(self, begin: int, end: int) -> npt.NDArray[Any]:
        """Rows begin to end."""
        pieces = []
        part = int(np.searchsorted(self.starts, begin, side="right")) - 1
        while begin < end:
            stop = min(end, int(self.starts[part + 1]))
            pieces.append(self._read(part, begin - int(self.starts[part]), stop - begin))
            begin, part = stop, part + 1
        joined = b"".join(pieces)
        return np.frombuffer(joined, dtype=self._kind).reshape(-1, self._width)

    def take(self, numbers: Numbers) -> npt.NDArray[Any]:
        """The rows of these numbers, which are best sorted."""
        parts = np.searchsorted(self.starts, numbers, side="right") - 1
        places = numbers - self.starts[parts]
        joined = b"".join(
            self._read(part, place, 1)
            for part, place in zip(parts.tolist(), places.tolist(), strict=True)
        )
        return np.frombuffer(joined, dtype=self._kind).reshape(-1, self._width)

    def _read(self, part: int, row: int, count: int) -> bytes:
        file, start = self._open(part)
        size = self._width * self._kind.itemsize
        file.seek(start + row * size)
        data = file.read(count * size)
        if len(data) != count * size:
            raise DataError(
                f"{self._paths[part]}: expected {row + count} rows of {size} bytes, it ends before"
            )
        return data

    def _open(self, part: int) -> tuple[BinaryIO, int]:
        found = self._files.get(part)
        if found:
            self._files.move_to_end(part)
            return found
        if len(self._files) >= _OPEN_FILES:
            self._files.popitem(last=False)[1][0].close()
        path = self._paths[part]
        self._header(path)
        file = path.open("rb", buffering=0)
        found = file, path.stat().st_size - self._bytes(part)
        self._files[part] = found
        return found

    def _bytes(self, part: int) -> int:
        rows = int(self.starts[part + 1] - self.starts[part])
        return rows * self._width * self._kind.itemsize

    def _header(self, path: Path) -> int:
        """The number of rows of a file, from its head and its size."""
        try:
            table = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path}: expected an array in NumPy's format: {error}") from error
        if table.ndim != 2 or table.shape[1] != self._width or table.dtype != self._kind:
            raise DataError(
                f"{path}: expected rows of {self._width} numbers ({self._kind}), "
                f"got {table.dtype} of shape {table.shape}"
            )
        return len(table)


def save(path: Path, table: npt.NDArray[Any]) -> None:
    """Write a table of a step whole or not at all.

    Raw numbers behind a head of 32 bytes (kind of number, rows, columns): a search opens such files
    hundreds of thousands of times, and NumPy's own head takes ten times as long to read.
    """
    head = np.array([ord(table.dtype.char), *table.shape, 0], dtype=np.int64)
    with atomic_file(path) as draft, draft.open("wb") as file:
        file.write(head.tobytes())
        np.ascontiguousarray(table).tofile(file)


def load(path: Path) -> npt.NDArray[Any]:
    """A table that a step left, mapped: only what is looked at is read."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    kind, rows, columns, _ = np.frombuffer(mapped, np.int64, 4).tolist()
    return np.frombuffer(mapped, chr(kind), rows * columns, offset=_HEAD).reshape(rows, columns)


def span(path: Path, begin: int, end: int) -> npt.NDArray[Any]:
    """Those columns of a table whose first row, sorted, is at least begin and less than end."""
    table = load(path)
    low, high = bounds(table[0], begin, end)
    return np.array(table[:, low:high])


def bounds(ordered: npt.NDArray[Any], begin: int, end: int) -> tuple[int, int]:
    """Where the numbers from begin (with) to end (without) stand in sorted ones."""
    last = np.array(end - 1, dtype=ordered.dtype)  # the end itself may be 2 ** 64
    low = np.searchsorted(ordered, np.array(begin, dtype=ordered.dtype), side="left")
    return int(low), int(np.searchsorted(ordered, last, side="right"))
