"""Where the rows of so many tokens begin: cut once, kept beside the shards, mapped into memory.

rows-128.bin    for max_tokens 128: uint32 [rows], the place in its shard at which each row begins;
                then int32 [rows], its tokens, special tokens not included
rows-128.json   how many rows each shard has, of which shards this is true, the SHA-256
"""

import hashlib
import json
import os
import shutil
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from filbert.disk import atomic_file, sha256_of
from filbert.errors import DataError, FilbertError
from filbert.shards.cutting import SPECIALS_A_ROW, cut_rows
from filbert.shards.index import ShardSet
from filbert.shards.opening import readable
from filbert.shards.shard_file import ShardFile

_FORMAT = 2
_START, _LENGTH = np.dtype("<u4"), np.dtype("<i4")
_ROW_BYTES = _START.itemsize + _LENGTH.itemsize
_COPIED_BYTES = 1 << 22


@dataclass(frozen=True, eq=False)
class RowTable:
    """The rows of a set of shards, numbered through all of them.

    starts      uint32 [rows]
    lengths     int32 [rows]
    first_rows  the first row of each shard, and behind them the number of all rows
    path        the file that is mapped, or would be
    """

    starts: NDArray[Any]
    lengths: NDArray[Any]
    first_rows: Sequence[int]
    path: Path

    def shard_of(self, row: int) -> int:
        """The place of a row's shard in the set."""
        return bisect_right(self.first_rows, row) - 1


@dataclass(frozen=True, eq=False)
class Cut:
    """What is to be cut, and how.

    open_shard: gives a shard by its number. before: called once, if anything has to be cut.
    """

    contents: ShardSet
    folder: Path
    max_tokens: int
    open_shard: Callable[[int], ShardFile]
    before: Callable[[], None]

    def stamp(self) -> str:
        """Which files these are, without reading them, and how long the rows."""
        digest = hashlib.sha256(f"{_FORMAT} {self.max_tokens} {self.contents.digest}".encode())
        for shard in self.contents.shards:
            path = self.folder / shard.file
            with readable(path):
                found = path.stat()
            digest.update(f" {found.st_size} {found.st_mtime_ns}".encode())
        return digest.hexdigest()

    def into(self, file: IO[bytes], aside: IO[bytes]) -> list[int]:
        """Cut shard by shard; never more than one shard's rows in memory. The rows of each."""
        rows = []
        for number in range(len(self.contents.shards)):
            shard = self.open_shard(number)
            shard.check()
            row_tokens = self.max_tokens - SPECIALS_A_ROW
            starts, lengths = cut_rows(shard.document_ends, shard.sentence_ends, row_tokens)
            file.write(starts.astype(_START).tobytes())
            aside.write(lengths.astype(_LENGTH).tobytes())
            rows.append(len(starts))
        aside.seek(0)
        shutil.copyfileobj(aside, file, _COPIED_BYTES)
        return rows


def row_table(cut: Cut, *, verify: bool) -> RowTable:
    """The table beside the shards, or in the user's cache, or else in memory.

    One that is there is taken if it is of these very files (their sizes and times of change too)
    and, if that is asked for, has the checksum that it had; else it is made.
    """
    stamp = cut.stamp()
    name = f"rows-{cut.max_tokens}.bin"
    places = [cut.folder / name, *(cache / f"{stamp[:32]}-{name}" for cache in _caches())]
    for place in places:
        if (found := _open(place, cut, stamp, verify)) is not None:
            return found
    cut.before()
    for place in places:
        try:
            _make(place, cut, stamp)
        except DataError:
            raise
        except (FilbertError, OSError):  # a read-only or full disk: on to the next place
            continue
        if (found := _open(place, cut, stamp, verify)) is not None:
            return found
    return _hold(cut, places[0])


def _caches() -> list[Path]:
    """The user's cache folder, if there is a user with a home."""
    if root := os.environ.get("XDG_CACHE_HOME"):
        return [Path(root) / "filbert" / "rows"]
    with suppress(RuntimeError):
        return [Path.home() / ".cache" / "filbert" / "rows"]
    return []


def _open(place: Path, cut: Cut, stamp: str, verify: bool) -> RowTable | None:
    try:
        said = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
        rows = [int(number) for number in said["rows"]]
        if said["stamp"] != stamp or len(rows) != len(cut.contents.shards) or min(rows) < 1:
            return None
        if place.stat().st_size != sum(rows) * _ROW_BYTES:
            return None
        if verify and said["sha256"] != sha256_of(place):
            return None
        raw = np.memmap(place, np.uint8, "r")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return _table(raw, rows, place)


def _make(place: Path, cut: Cut, stamp: str) -> None:
    with atomic_file(place) as draft:
        with draft.open("wb") as file, tempfile.TemporaryFile(dir=place.parent) as aside:
            rows = cut.into(file, aside)
        sha256 = sha256_of(draft)
    with atomic_file(place.with_suffix(".json")) as draft:
        said = {"stamp": stamp, "sha256": sha256, "rows": rows}
        draft.write_text(json.dumps(said), encoding="utf-8")


def _hold(cut: Cut, place: Path) -> RowTable:
    """The table in memory."""
    file = BytesIO()
    rows = cut.into(file, BytesIO())
    return _table(np.frombuffer(file.getbuffer(), np.uint8), rows, place)


def _table(raw: NDArray[np.uint8], rows: Sequence[int], place: Path) -> RowTable:
    total = sum(rows)
    return RowTable(
        starts=np.frombuffer(raw, _START, total),
        lengths=np.frombuffer(raw, _LENGTH, total, total * _START.itemsize),
        first_rows=list(accumulate(rows, initial=0)),
        path=place,
    )
