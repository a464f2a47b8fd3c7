"""How the search is cut into steps, and how a killed one goes on.

A step is a function of files that are there and writes files whole or not at all, so any process
that sees the folder can do it, and a step whose file is there is never done again. When a phase
is through, a mark is left and what only it needed is removed.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from filbert.corpus.duplicates.rows import Numbers, Rows, bounds
from filbert.corpus.duplicates.settings import PERMUTATIONS, Duplicates, bands_for
from filbert.disk import atomic_file
from filbert.errors import DataError

FORMAT = 1
_CELLS = 256
_OURS = ("*.done", "*.table", "part-*.npy", "clusters.json", ".tmp-*")
Run = Callable[[Callable[["Step"], None], Iterable["Step"]], Iterable[object]]
"""Do a function for each step, in any order, here or elsewhere; like map."""


@dataclass(frozen=True, slots=True)
class PartSketches:
    """The .npy files of a part: a row for each document, [rows, 2] uint64 and [rows, 128] uint32.

    Attributes:
        digests: what `digest` gave.
        sketches: what `sketch` gave; not looked at where only exact duplicates are wanted.
    """

    digests: Path
    sketches: Path


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of work: plain data, so that it can be sent to another process."""

    folder: Path
    phase: str
    number: int
    begin: int
    end: int
    band: int = 0

    @property
    def mark(self) -> Path:
        """The file that says that it is done."""
        return self.folder / f"{self.phase}-{self.number:06d}.table"


@dataclass(frozen=True)
class Plan:
    """All that the steps must know, kept in the folder as plan.json."""

    folder: Path
    settings: Duplicates
    parts: list[PartSketches]
    starts: Numbers
    memory_bytes: int

    @property
    def documents(self) -> int:
        """How many documents all parts have."""
        return int(self.starts[-1])

    @property
    def bands(self) -> int:
        """How many bands the 128 numbers are cut into."""
        return bands_for(self.settings.threshold)

    @property
    def block(self) -> int:
        """How many documents a step may hold with the keys of all bands, and their sorting."""
        return max(1, self.memory_bytes // (12 * self.bands + 4 * PERMUTATIONS + 128))

    @property
    def block_starts(self) -> list[int]:
        """The number of the first document of each block."""
        return list(range(0, self.documents, self.block))

    def digests(self) -> Rows:
        """The digests of all documents."""
        return Rows.of([part.digests for part in self.parts], self.starts, 2, np.uint64)

    def sketches(self) -> Rows:
        """The MinHash numbers of all documents."""
        paths = [part.sketches for part in self.parts]
        return Rows.of(paths, self.starts, PERMUTATIONS, np.uint32)

    def files(self, phase: str) -> list[Path]:
        """What the steps of a phase have left, in order."""
        return sorted(self.folder.glob(f"{phase}-*.table"))


def open_plan(
    parts: Sequence[PartSketches], folder: Path, settings: Duplicates, memory_bytes: int
) -> Plan:
    """The plan that the folder holds if it is one for this, otherwise a new one in place of it.

    A plan for less memory is gone on with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with Rows([part.digests for part in parts], 2, np.uint64) as rows:
        starts = rows.count()
    if settings.near:
        with Rows([part.sketches for part in parts], PERMUTATIONS, np.uint32) as rows:
            _same_lengths(parts, starts, rows.count())
    said = {
        "format": FORMAT,
        "settings": asdict(settings),
        "parts": [[str(part.digests), str(part.sketches), *_stamps(part)] for part in parts],
        "starts": starts.tolist(),
    }
    file = folder / "plan.json"
    try:
        old = json.loads(file.read_text(encoding="utf-8"))
        old_memory = old.pop("memory_bytes")
    except (OSError, ValueError, KeyError, AttributeError):
        old, old_memory = None, 0
    if old == said and 0 < old_memory <= memory_bytes:
        memory_bytes = old_memory
    else:
        for left in [
            file,
            *folder.glob("*.table"),
            *folder.glob("*.npy"),
            *folder.glob("*.done"),
            *folder.glob(".tmp-*"),
        ]:
            left.unlink(missing_ok=True)
        with atomic_file(file) as draft:
            draft.write_text(json.dumps(said | {"memory_bytes": memory_bytes}), encoding="utf-8")
    return Plan(folder, settings, list(parts), starts, memory_bytes)


def load_plan(folder: Path) -> Plan:
    """The plan of a folder, as a step needs it."""
    said = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    return Plan(
        folder,
        Duplicates(**said["settings"]),
        [PartSketches(Path(part[0]), Path(part[1])) for part in said["parts"]],
        np.array(said["starts"], dtype=np.int64),
        said["memory_bytes"],
    )


def cut_ranges(
    tables: Callable[[], Iterable[npt.NDArray[Any]]], begin: int, end: int, limit: int
) -> list[tuple[int, int]]:
    """Cut the numbers from begin to end into ranges of which the sorted tables hold few enough.

    A range that still holds more than `limit` is a single number. Empty ones are left out.
    """
    edges = [begin + (end - begin) * cell // _CELLS for cell in range(_CELLS)] + [end]
    edges = sorted(set(edges))
    counts = np.zeros(len(edges) - 1, dtype=np.int64)
    for table in tables():  # one at a time: each is an open file
        low, high = bounds(table, begin, end)
        inner = np.searchsorted(table, np.array(edges[1:-1], dtype=table.dtype))
        counts += np.diff(np.concatenate([[low], inner, [high]]))
    ranges: list[tuple[int, int]] = []
    held = 0
    for low, high, count in zip(edges, edges[1:], counts.tolist(), strict=False):
        if count > limit and high - low > 1:
            ranges += cut_ranges(tables, low, high, limit)
            held = limit + 1  # nothing is added to it
        elif ranges and ranges[-1][1] == low and held + count <= limit:
            ranges[-1] = (ranges[-1][0], high)
            held += count
        elif count:
            ranges.append((low, high))
            held = count
    return ranges


def _same_lengths(parts: Sequence[PartSketches], digests: Numbers, sketches: Numbers) -> None:
    unequal = np.flatnonzero(np.diff(digests) != np.diff(sketches))
    if len(unequal):
        first = int(unequal[0])
        raise DataError(
            f"{parts[first].sketches}: expected {np.diff(digests)[first]} rows, one for each of "
            f"{parts[first].digests}, got {np.diff(sketches)[first]}"
        )


def _stamps(part: PartSketches) -> list[Any]:
    stamps: list[Any] = []
    for path in (part.digests, part.sketches):
        try:
            status = path.stat()
            stamps += [status.st_size, status.st_mtime_ns]
        except OSError:
            stamps += [None, None]
    return stamps
