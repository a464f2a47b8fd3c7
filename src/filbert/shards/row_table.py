"""Where the rows of so many tokens begin: cut once, kept beside the shards, mapped into memory.

rows-128.bin    uint32 [rows], the place in its shard at which each row begins; then
int32 [rows], its tokens, special tokens not included
rows-128.json   how many rows each shard has, and of which shards this is true
"""

import hashlib
import json
import os
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filbert.disk import atomic_file
from filbert.errors import FilbertError
from filbert.shards.cutting import cut_rows
from filbert.shards.index import ShardSet
from filbert.shards.packing import ShardFile

_FORMAT = 1
_START, _LENGTH = np.dtype("<u4"), np.dtype("<i4")


@dataclass(frozen=True, eq=False)
class RowTable:
    """The rows of a set of shards, numbered through all of them.

    starts   uint32 [rows], mapped
    lengths  int32 [rows], mapped
    """

    starts: NDArray[Any]
    lengths: NDArray[Any]
    first_rows: Sequence[int]

    def shard_of(self, row: int) -> int:
        """The place of a row's shard in the set."""
        return bisect_right(self.first_rows, row) - 1


def row_table(
    contents: ShardSet,
    folder: Path,
    row_tokens: int,
    open_shard: Callable[[int], ShardFile],
    before_cutting: Callable[[], None],
) -> RowTable:
    """The table beside the shards, or the user's cache where that cannot be written.

    One that is there is taken if it is of these very files (their sizes and times of change too);
    else it is made, shard by shard, after before_cutting has been called.
    """
    stamp = _stamp(contents, folder)
    places = [folder / f"rows-{row_tokens}.bin", _cache() / f"{stamp[:32]}-{row_tokens}.bin"]
    for place in places:
        if (found := _open(place, stamp)) is not None:
            return found
    before_cutting()
    error: Exception | None = None
    for place in places:
        try:
            _make(place, contents, row_tokens, open_shard, stamp)
        except FilbertError as failed:
            if isinstance(failed.__cause__, OSError):
                error = failed
                continue
            raise
        if (found := _open(place, stamp)) is not None:
            return found
    raise FilbertError(f"{folder}: no place for the table of rows: {error}") from error


def _stamp(contents: ShardSet, folder: Path) -> str:
    """What the files are, without reading them."""
    digest = hashlib.sha256(f"{_FORMAT} {contents.digest}".encode())
    for shard in contents.shards:
        found = (folder / shard.file).stat()
        digest.update(f" {found.st_size} {found.st_mtime_ns}".encode())
    return digest.hexdigest()


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "filbert" / "rows"


def _open(place: Path, stamp: str) -> RowTable | None:
    try:
        said = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
        if said["stamp"] != stamp:
            return None
        rows = [int(number) for number in said["rows"]]
        total = sum(rows)
        if place.stat().st_size != total * (_START.itemsize + _LENGTH.itemsize):
            return None
        starts = np.memmap(place, _START, "r", shape=(total,))
        lengths = np.memmap(place, _LENGTH, "r", total * _START.itemsize, (total,))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return RowTable(starts, lengths, np.concatenate(([0], np.cumsum(rows)[:-1])).tolist())


def _make(
    place: Path,
    contents: ShardSet,
    row_tokens: int,
    open_shard: Callable[[int], ShardFile],
    stamp: str,
) -> None:
    """Cut shard by shard; never more than one shard's rows in memory."""
    rows = []
    lengths_aside = place.with_name(f".tmp-{os.getpid()}-lengths-{place.name}")
    try:
        with atomic_file(place) as draft, draft.open("wb") as file:
            with lengths_aside.open("wb") as aside:
                for number in range(len(contents.shards)):
                    shard = open_shard(number)
                    starts, lengths = cut_rows(shard.document_ends, shard.sentence_ends, row_tokens)
                    file.write(starts.astype(_START).tobytes())
                    aside.write(lengths.astype(_LENGTH).tobytes())
                    rows.append(len(starts))
            with lengths_aside.open("rb") as aside:
                while piece := aside.read(1 << 22):
                    file.write(piece)
    finally:
        lengths_aside.unlink(missing_ok=True)
    with atomic_file(place.with_suffix(".json")) as draft:
        draft.write_text(json.dumps({"stamp": stamp, "rows": rows}), encoding="utf-8")
