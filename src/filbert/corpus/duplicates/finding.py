"""The search for duplicates, phase by phase."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filbert.corpus.duplicates.choosing import choose, verify
from filbert.corpus.duplicates.equal import digest_ranges, find_equal, settle_equal, sort_digests
from filbert.corpus.duplicates.plan import PartSketches, Plan, Run, Step, load_plan, open_plan
from filbert.corpus.duplicates.proposing import document_ranges, key_ranges, propose, write_keys
from filbert.corpus.duplicates.results import (
    FoundDuplicates,
    count_clusters,
    load_results,
    write_part,
)
from filbert.corpus.duplicates.settings import Duplicates
from filbert.disk import atomic_file
from filbert.errors import SettingsError
from filbert.progress import Progress, Stage, quiet

_LEAST_MEMORY = 1 << 16
Ranges = Sequence[tuple[int, int] | tuple[int, int, int]]

_WORK: dict[str, Callable[[Plan, Step], None]] = {
    "sorted": sort_digests,
    "equal": find_equal,
    "same": settle_equal,
    "keys": write_keys,
    "proposed": propose,
    "near": verify,
    "chosen": choose,
    "part": write_part,
    "counted": count_clusters,
}
_NO_LONGER_NEEDED = {
    "same": ("sorted", "copies", "equal"),
    "proposed": ("keys", "owners"),
    "near": ("pairs", "proposed"),
    "chosen": ("near",),
    "counted": ("same", "gone"),
}
"""What may go once a phase is through."""


def find_duplicates(
    parts: Sequence[PartSketches],
    folder: Path,
    settings: Duplicates,
    *,
    memory_bytes: int,
    run: Run = map,
    progress: Progress | None = None,
) -> FoundDuplicates:
    """Find the documents that an earlier document makes superfluous.

    Documents are taken in order, part by part and row by row. One goes if a document before it has
    the same text, or if one before it *that stays* is near to it: some band of their sketches is
    the same, and of the 128 numbers as many agree as `least_agreeing` says (see `settings`). So
    nothing goes whose near twin goes as well, and neither the number of workers nor the memory nor
    the cut into parts changes the result.

    Args:
        parts: the files of digests and sketches, one row for each document.
        folder: for this search alone; must be seen by all workers. A killed search is gone on with
            where the same is asked for, otherwise what it left is removed.
        settings: what counts as a duplicate.
        memory_bytes: how much a step may hold in arrays, 64 KiB at least; with several workers each
            holds that much. The choice itself holds a bit a document besides, and a few KiB for
            each crowd.
        run: maps a function over steps, like `map`; both can be pickled, the order is free, and
            each call must be done when its result comes.
        progress: where to report to; silent by default.

    Raises DataError for files that are no such arrays or not of one length, SettingsError for too
    little memory.
    """
    if memory_bytes < _LEAST_MEMORY:
        raise SettingsError(f"memory_bytes: expected {_LEAST_MEMORY} or more, got {memory_bytes}")
    progress = progress or quiet()
    plan = open_plan(parts, Path(folder), settings, memory_bytes)
    blocks = [(begin, min(plan.documents, begin + plan.block)) for begin in plan.block_starts]
    phases: list[tuple[str, Run, Callable[[], Ranges]]] = [
        ("sorted", run, lambda: blocks),
        ("equal", run, lambda: digest_ranges(plan)),
        ("same", run, lambda: blocks),
    ]
    if settings.near:
        phases += [
            ("keys", run, lambda: blocks),
            ("proposed", run, lambda: key_ranges(plan)),
            ("near", run, lambda: document_ranges(plan)),
            ("chosen", map, lambda: [(0, plan.documents)]),
        ]
    ends = list(zip(plan.starts[:-1].tolist(), plan.starts[1:].tolist(), strict=True))
    phases += [
        ("part", run, lambda: ends),
        ("counted", map, lambda: [(0, plan.documents)]),
    ]
    with progress.stage("duplicates", total=len(phases), unit="phases") as stage:
        for number, (phase, mapped, ranges) in enumerate(phases):
            _phase(plan, phase, mapped, ranges, _Share(stage, number))
    return load_results(plan)


@dataclass(frozen=True, slots=True)
class _Share:
    """Shows which share of a phase is done, behind all phases before it."""

    stage: Stage
    before: int

    def show(self, share: float) -> None:
        self.stage.update(self.before + share)


def _phase(
    plan: Plan,
    phase: str,
    run: Run,
    ranges: Callable[[], Ranges],
    share: _Share,
) -> None:
    """Do what is left of a phase."""
    done = plan.folder / f"{phase}.done"
    if not done.exists():
        steps = [
            Step(plan.folder, phase, number, begin, end, *band)
            for number, (*band, begin, end) in enumerate(ranges())
        ]
        left = [step for step in steps if not step.mark.exists()]
        for number, _ in enumerate(run(do_step, left), start=len(steps) - len(left) + 1):
            share.show(number / len(steps))
        with atomic_file(done) as draft:
            draft.touch()
    for files in _NO_LONGER_NEEDED.get(phase, ()):
        for path in plan.files(files):
            path.unlink(missing_ok=True)
    share.show(1)


def do_step(step: Step) -> None:
    """Do one step; what it needs beside itself is in its folder."""
    _WORK[step.phase](load_plan(step.folder), step)
