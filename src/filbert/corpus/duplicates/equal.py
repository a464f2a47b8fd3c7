"""Equal documents: digests sorted block by block, then range by range of the digest."""

import numpy as np
import numpy.typing as npt

from filbert.corpus.duplicates.plan import Plan, Step, cut_ranges
from filbert.corpus.duplicates.rows import Numbers, load, save, span

_BYTES_A_DIGEST = 96  # three numbers, twice while they are put together, and the sorting


def sort_digests(plan: Plan, step: Step) -> None:
    """Of a block: who is equal to an earlier one of it, and the others sorted by digest."""
    with plan.digests() as rows:
        digests = rows.slice(step.begin, step.end)
    numbers = np.arange(step.begin, step.end, dtype=np.int64)
    order, first = _firsts(digests[:, 0], digests[:, 1])
    save(step.folder / f"copies-{step.number:06d}.table", _copies(numbers[order], first))
    heads = order[first == np.arange(len(order))]
    table = np.stack([*digests[heads].T, numbers[heads].astype(np.uint64)])
    save(step.mark, table)


def digest_ranges(plan: Plan) -> list[tuple[int, int]]:
    """Ranges of the digest's first number, each small enough to be sorted at once."""
    limit = max(1, plan.memory_bytes // _BYTES_A_DIGEST)
    return cut_ranges(lambda: (load(path)[0] for path in plan.files("sorted")), 0, 1 << 64, limit)


def find_equal(plan: Plan, step: Step) -> None:
    """Of a range of digests: who is equal to a document of an earlier block."""
    heads = np.concatenate(
        [span(path, step.begin, step.end) for path in plan.files("sorted")], axis=1
    )
    order, first = _firsts(heads[0], heads[1])
    save(step.mark, _copies(heads[2].astype(np.int64)[order], first))


def settle_equal(plan: Plan, step: Step) -> None:
    """Of a block: every equal document with the very first of its kind."""
    copies = np.array(load(step.folder / f"copies-{step.number:06d}.table"))
    others = [span(path, step.begin, step.end) for path in plan.files("equal")]
    across = _sorted(np.concatenate([np.empty((2, 0), np.int64), *others], axis=1))
    copies[1] = look_up(across, copies[1])
    save(step.mark, _sorted(np.concatenate([copies, across], axis=1)))


def look_up(pairs: Numbers, numbers: Numbers) -> Numbers:
    """What the sorted pairs say of these numbers; a number that they do not hold is itself."""
    if not pairs.shape[1]:
        return numbers
    places = np.minimum(np.searchsorted(pairs[0], numbers), pairs.shape[1] - 1)
    found: Numbers = np.where(pairs[0][places] == numbers, pairs[1][places], numbers)
    return found


def _firsts(
    high: npt.NDArray[np.uint64], low: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The order by digest, the earlier document first, and for each place that of its first."""
    order = np.lexsort((low, high))
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (np.diff(high[order]) != 0) | (np.diff(low[order]) != 0)
    first = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
    return order, first


def _copies(numbers: Numbers, first: npt.NDArray[np.intp]) -> Numbers:
    is_copy = first != np.arange(len(first))
    return _sorted(np.stack([numbers[is_copy], numbers[first[is_copy]]]))


def _sorted(pairs: Numbers) -> Numbers:
    return pairs[:, np.argsort(pairs[0], kind="stable")]
