"""What came out: for each part who goes, and the clusters for the report."""

import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from filbert.corpus.duplicates.equal import look_up
from filbert.corpus.duplicates.plan import Plan, Step
from filbert.corpus.duplicates.rows import Numbers, load, save, span
from filbert.disk import atomic_file

EXACT, NEAR = 0, 1
DROPPED = np.dtype([("row", "<i8"), ("kept_part", "<i4"), ("kept_row", "<i8"), ("kind", "u1")])
"""A document that goes: its row, the part and row of the one that stays for it, EXACT or NEAR."""

_LARGEST = 20
_SHOWN = 5
_BYTES_A_COUNT = 32

Place = tuple[int, int]
"""A document: part and row."""


@dataclass(frozen=True)
class Cluster:
    """A document that stays, and the first of those that go for it.

    Attributes:
        keeper: part and row.
        size: how many documents it stands for, itself included.
        members: up to 5 of them, with "exact" or "near".
    """

    keeper: Place
    size: int
    members: list[tuple[int, int, Literal["exact", "near"]]]


@dataclass(frozen=True)
class FoundDuplicates:
    """All duplicates.

    Attributes:
        parts: for each part a .npy file of records `DROPPED`, sorted by row.
        exact: how many documents go because the same text came before.
        near: how many go because a text came before that is nearly equal.
        sizes: how many clusters there are of each size (2 and more).
        largest: the 20 largest clusters, the largest first.
    """

    parts: list[Path]
    exact: int
    near: int
    sizes: dict[int, int]
    largest: list[Cluster] = field(default_factory=list)


def write_part(plan: Plan, step: Step) -> None:
    """Of a part: the documents that go, sorted by row."""
    pieces = [
        _dropped(plan, step.begin, begin, min(step.end, begin + plan.block))
        for begin in range(step.begin, step.end, plan.block)
    ]
    with atomic_file(step.mark.with_suffix(".npy")) as draft, draft.open("wb") as file:
        np.save(file, np.concatenate([np.empty(0, DROPPED), *pieces]), allow_pickle=False)
    save(step.mark, np.zeros((0, 0)))


def _dropped(plan: Plan, start: int, begin: int, end: int) -> npt.NDArray[Any]:
    """The records of documents begin to end, of the part that starts at start."""
    none = np.empty((2, 0), np.int64)
    first = begin // plan.block
    blocks = range(first, (end - 1) // plan.block + 1)
    files = [plan.folder / f"same-{block:06d}.table" for block in blocks]
    same = np.concatenate([none, *(span(file, begin, end) for file in files)], axis=1)
    gone = np.concatenate([none, *(span(file, begin, end) for file in plan.files("gone"))], axis=1)
    # The first of equal ones may itself have gone for one that is near; that one stays for all.
    for file in plan.files("gone"):
        same[1] = look_up(load(file), same[1])
    numbers = np.concatenate([same, gone], axis=1)
    kinds = np.repeat(
        [EXACT if plan.settings.exact else NEAR, NEAR], [same.shape[1], gone.shape[1]]
    )
    order = np.argsort(numbers[0], kind="stable")
    parts = np.searchsorted(plan.starts, numbers[1], side="right") - 1
    records = np.empty(len(order), DROPPED)
    records["row"] = numbers[0][order] - start
    records["kept_part"] = parts[order]
    records["kept_row"] = (numbers[1] - plan.starts[parts])[order]
    records["kind"] = kinds[order]
    return records


def count_clusters(plan: Plan, step: Step) -> None:
    """The sizes of all clusters and the largest ones: clusters.json."""
    sizes: dict[int, int] = {}
    largest: list[tuple[int, int]] = []
    stride = max(1024, plan.memory_bytes // _BYTES_A_COUNT)
    for begin in range(0, plan.documents, stride):
        end = min(plan.documents, begin + stride)
        counts = np.zeros(end - begin, dtype=np.int64)
        for _, keepers, _ in _records(plan):
            inside = keepers[(keepers >= begin) & (keepers < end)] - begin
            np.add.at(counts, inside, 1)
        for size, number in zip(*np.unique(counts[counts > 0], return_counts=True), strict=True):
            sizes[int(size) + 1] = sizes.get(int(size) + 1, 0) + int(number)
        top = np.argsort(-counts, kind="stable")[:_LARGEST]
        found = [(int(counts[place]), -(begin + int(place))) for place in top if counts[place]]
        largest = heapq.nlargest(_LARGEST, largest + found)
    members: dict[int, list[tuple[int, int, str]]] = {-keeper: [] for _, keeper in largest}
    kinds = [0, 0]
    for part, keepers, records in _records(plan):
        counted = np.bincount(records["kind"], minlength=2)
        kinds = [kinds[EXACT] + int(counted[EXACT]), kinds[NEAR] + int(counted[NEAR])]
        _show(members, part, keepers, records)
    said = {
        "exact": kinds[EXACT],
        "near": kinds[NEAR],
        "sizes": sorted(sizes.items()),
        "largest": [[_place(plan, -k), size + 1, members[-k]] for size, k in largest],
    }
    with atomic_file(plan.folder / "clusters.json") as draft:
        draft.write_text(json.dumps(said), encoding="utf-8")
    save(step.mark, np.zeros((0, 0)))


def _records(plan: Plan) -> Iterator[tuple[int, Numbers, npt.NDArray[Any]]]:
    """Part by part, a piece at a time: the keepers' numbers, and the records."""
    stride = max(1024, plan.memory_bytes // 8 // DROPPED.itemsize)
    for part, path in enumerate(_part_files(plan)):
        table = np.load(path, mmap_mode="r")
        for begin in range(0, len(table), stride):
            records = np.array(table[begin : begin + stride])
            yield part, plan.starts[records["kept_part"]] + records["kept_row"], records


def _part_files(plan: Plan) -> list[Path]:
    return [path.with_suffix(".npy") for path in plan.files("part")]


def _show(
    members: dict[int, list[tuple[int, int, str]]],
    part: int,
    keepers: Numbers,
    records: npt.NDArray[Any],
) -> None:
    wanted = np.array([keeper for keeper, shown in members.items() if len(shown) < _SHOWN])
    for place in np.flatnonzero(np.isin(keepers, wanted)).tolist():
        shown = members[int(keepers[place])]
        if len(shown) < _SHOWN:
            kind = "exact" if records["kind"][place] == EXACT else "near"
            shown.append((part, int(records["row"][place]), kind))


def _place(plan: Plan, number: int) -> Place:
    part = int(np.searchsorted(plan.starts, number, side="right")) - 1
    return part, number - int(plan.starts[part])


def load_results(plan: Plan) -> FoundDuplicates:
    """What the steps have left."""
    said = json.loads((plan.folder / "clusters.json").read_text(encoding="utf-8"))
    return FoundDuplicates(
        _part_files(plan),
        said["exact"],
        said["near"],
        dict(said["sizes"]),
        [
            Cluster((keeper[0], keeper[1]), size, [(m[0], m[1], m[2]) for m in members])
            for keeper, size, members in said["largest"]
        ],
    )
