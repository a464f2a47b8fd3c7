"""The leaders of crowds: those that were lately asked for in memory, the others on the disk."""

import sqlite3
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from filbert.corpus.duplicates.settings import PERMUTATIONS

MOST_LEADERS = 64
_BYTES_A_LEADER = 4 * PERMUTATIONS + 64
_BYTES_A_CROWD = 400
_PAGES_KB = 4096

Sketch: TypeAlias = npt.NDArray[np.uint32]


@dataclass(slots=True)
class _Crowd:
    numbers: list[int]
    sketches: Sketch
    changed: bool = False

    @property
    def bytes(self) -> int:
        """In memory, about."""
        return _BYTES_A_CROWD + _BYTES_A_LEADER * len(self.sketches)


class Leaders:
    """By crowd: the documents that lead it, with their sketches; a crowd of nobody has none.

    Half of a crawl may be in crowds, so what is kept of them must not be all in memory. The
    database is a scratch file: nothing of it is worth a flush, and it goes at the end.
    """

    def __init__(self, path: Path, memory_bytes: int):
        """path: of the scratch file. memory_bytes: for the crowds that are held."""
        self._path = path
        self._left = memory_bytes
        self._held: OrderedDict[int, _Crowd] = OrderedDict()
        self._database: sqlite3.Connection | None = None

    def __enter__(self) -> "Leaders":
        return self

    def __exit__(self, *_: object) -> None:
        if self._database is not None:
            self._database.close()
            self._path.unlink(missing_ok=True)

    def of(self, crowd: int) -> tuple[list[int], Sketch]:
        """The leaders of a crowd and their sketches, [leaders, 128]."""
        found = self._crowd(crowd)
        return found.numbers, found.sketches[: len(found.numbers)]

    def add(self, crowd: int, document: int, sketch: Sketch) -> None:
        """Take a document with its sketch, [1, 128], among the leaders, up to 64 of them."""
        found = self._crowd(crowd)
        if len(found.numbers) == MOST_LEADERS:
            return
        if len(found.numbers) == len(found.sketches):  # twice the room
            self._left += found.bytes
            more = np.repeat(sketch, max(1, len(found.sketches)), axis=0)
            found.sketches = np.concatenate([found.sketches, more])
            self._left -= found.bytes
        found.sketches[len(found.numbers)] = sketch
        found.numbers.append(document)
        found.changed = True
        self._make_room()

    def _crowd(self, crowd: int) -> _Crowd:
        found = self._held.get(crowd)
        if found is None:
            found = self._held[crowd] = self._stored(crowd)
            self._left -= found.bytes
            self._make_room()
        self._held.move_to_end(crowd)
        return found

    def _make_room(self) -> None:
        while self._left < 0 and len(self._held) > 1:
            crowd, oldest = self._held.popitem(last=False)
            self._left += oldest.bytes
            if oldest.changed:
                self._store(crowd, oldest)

    def _store(self, crowd: int, leaders: _Crowd) -> None:
        if self._database is None:
            self._database = self._scratch()
        numbers = np.array(leaders.numbers, np.int64).tobytes()
        sketches = leaders.sketches[: len(leaders.numbers)].tobytes()
        self._database.execute("REPLACE INTO leaders VALUES (?, ?, ?)", (crowd, numbers, sketches))

    def _stored(self, crowd: int) -> _Crowd:
        if self._database is not None:
            query = "SELECT numbers, sketches FROM leaders WHERE crowd = ?"
            row = self._database.execute(query, (crowd,)).fetchone()
            if row is not None:
                numbers = np.frombuffer(row[0], np.int64).tolist()
                sketches = np.frombuffer(row[1], np.uint32).reshape(-1, PERMUTATIONS)
                return _Crowd(numbers, sketches.copy())
        return _Crowd([], np.empty((0, PERMUTATIONS), np.uint32))

    def _scratch(self) -> sqlite3.Connection:
        self._path.unlink(missing_ok=True)
        database = sqlite3.connect(self._path, isolation_level=None)
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_PAGES_KB}"):
            database.execute(f"PRAGMA {setting}")
        database.execute(
            "CREATE TABLE leaders (crowd INTEGER PRIMARY KEY, numbers BLOB, sketches BLOB)"
        )
        return database
