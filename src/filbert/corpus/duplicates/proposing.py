"""Candidates: documents whose sketches agree in all numbers of a band."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from filbert.corpus.duplicates.plan import Plan, Step, cut_ranges
from filbert.corpus.duplicates.rows import Numbers, bounds, load, save, span
from filbert.corpus.duplicates.settings import PERMUTATIONS

LARGEST_BUCKET = 64
"""Up to so many documents all pairs are looked at; more are a crowd (see `choosing`)."""

CROWD = 1 << 62
"""Added to the name of a crowd, so that it is never taken for a document."""

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_READ_ROWS = 4096
_BYTES_A_KEY = 128
_BYTES_A_PAIR = 96


def write_keys(plan: Plan, step: Step) -> None:
    """Of a block: the keys of its bands, each band sorted, without the copies of others."""
    stays = np.ones(step.end - step.begin, dtype=np.bool_)
    same = load(step.folder / f"same-{step.number:06d}.table")[0]
    stays[same - step.begin] = False
    places = np.flatnonzero(stays).astype(np.uint32)
    keys = np.empty((plan.bands, len(places)), dtype=np.uint64)
    filled = 0
    with plan.sketches() as rows:
        for begin in range(step.begin, step.end, _READ_ROWS):
            end = min(step.end, begin + _READ_ROWS)
            sketches = rows.slice(begin, end)[stays[begin - step.begin : end - step.begin]]
            keys[:, filled : filled + len(sketches)] = _band_keys(sketches, plan.bands)
            filled += len(sketches)
    owners = np.empty((plan.bands, len(places)), dtype=np.uint32)
    for band in range(plan.bands):
        order = np.argsort(keys[band], kind="stable")
        keys[band] = keys[band][order]
        owners[band] = places[order]
    save(step.folder / f"owners-{step.number:06d}.table", owners)
    save(step.mark, keys)


def _band_keys(sketches: npt.NDArray[np.uint32], bands: int) -> npt.NDArray[np.uint64]:
    numbers = sketches.reshape(len(sketches), bands, PERMUTATIONS // bands).astype(np.uint64)
    keys = np.zeros((len(sketches), bands), dtype=np.uint64)
    for place in range(numbers.shape[2]):
        keys ^= numbers[:, :, place]
        keys *= _FACTOR
        keys ^= keys >> _HALF
    return keys.T


def key_ranges(plan: Plan) -> list[tuple[int, int, int]]:
    """For each band: ranges of the key, each small enough to be sorted at once."""
    ranges = []
    for band in range(plan.bands):

        def tables(band: int = band) -> Iterator[npt.NDArray[np.uint64]]:
            return (load(path)[band] for path in plan.files("keys"))

        found = cut_ranges(tables, 0, 1 << 64, _most_keys(plan))
        ranges += [(band, begin, end) for begin, end in found]
    return ranges


def _most_keys(plan: Plan) -> int:
    return max(2 * LARGEST_BUCKET, plan.memory_bytes // 2 // _BYTES_A_KEY)


def _most_pairs(plan: Plan) -> int:
    return max(LARGEST_BUCKET**2, plan.memory_bytes // 2 // _BYTES_A_PAIR)


def propose(plan: Plan, step: Step) -> None:
    """Of a range of one band's keys: the pairs that share one, and the crowds' members.

    Written in pieces, each sorted by the later document, under names with the step's number.
    """
    pieces = (
        _one_crowd(plan, step) if step.end - step.begin == 1 else _all_buckets(plan, step)
    )  # one key alone may be that of more documents than fit: its crowd is written as it is read
    for number, piece in enumerate(pieces):
        save(step.folder / f"pairs-{step.number:06d}-{number:04d}.table", piece)
    save(step.mark, np.zeros((0, 0)))


def _read(plan: Plan, step: Step) -> Iterator[tuple[npt.NDArray[np.uint64], Numbers]]:
    """Keys and documents of the range, block by block."""
    for start, path in zip(plan.block_starts, plan.files("keys"), strict=True):
        keys = load(path)[step.band]
        low, high = bounds(keys, step.begin, step.end)
        owners = load(path.with_name(path.name.replace("keys", "owners")))[step.band, low:high]
        yield np.array(keys[low:high]), owners.astype(np.int64) + start


def _one_crowd(plan: Plan, step: Step) -> Iterator[Numbers]:
    total = sum(len(numbers) for _, numbers in _read(plan, step))
    if total <= _most_keys(plan):
        yield from _all_buckets(plan, step)
        return
    name = None
    held: list[Numbers] = []
    for _, numbers in _read(plan, step):
        if name is None and len(numbers):
            name = _crowd_name(plan, step, numbers[0])
        held.append(numbers)
        if sum(map(len, held)) >= _most_pairs(plan):
            yield np.stack([np.concatenate(held), np.full(sum(map(len, held)), name)])
            held = []
    if sum(map(len, held)):
        yield np.stack([np.concatenate(held), np.full(sum(map(len, held)), name)])


def _all_buckets(plan: Plan, step: Step) -> Iterator[Numbers]:
    read = list(_read(plan, step))
    keys = np.concatenate([keys for keys, _ in read])
    numbers = np.concatenate([numbers for _, numbers in read])
    del read
    order = np.argsort(keys, kind="stable")  # blocks are in order, so members stay in order
    keys, numbers = keys[order], numbers[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    sizes = np.diff(np.concatenate([starts, [len(keys)]]))
    yield from _pairs(plan, numbers, starts, sizes)
    crowds = np.flatnonzero(sizes > LARGEST_BUCKET)
    if len(crowds):
        members = np.repeat(sizes > LARGEST_BUCKET, sizes)
        names = _crowd_name(plan, step, numbers[starts[crowds]])
        yield _by_later(numbers[members], np.repeat(names, sizes[crowds]))


def _pairs(
    plan: Plan, numbers: Numbers, starts: npt.NDArray[np.intp], sizes: npt.NDArray[np.intp]
) -> Iterator[Numbers]:
    """All pairs of the small buckets, as many at a time as may be held."""
    limit = _most_pairs(plan)
    held: list[tuple[Numbers, Numbers]] = []
    count = 0
    for size in np.unique(sizes[(sizes > 1) & (sizes <= LARGEST_BUCKET)]):
        left, right = np.triu_indices(size, 1)
        buckets = starts[sizes == size]
        stride = max(1, limit // len(left))
        for begin in range(0, len(buckets), stride):
            members = numbers[buckets[begin : begin + stride, None] + np.arange(size)]
            if held and count + len(members) * len(left) > limit:
                yield _by_later(*map(np.concatenate, zip(*held, strict=True)))
                held, count = [], 0
            held.append((members[:, right].ravel(), members[:, left].ravel()))
            count += len(held[-1][0])
    if held:
        yield _by_later(*map(np.concatenate, zip(*held, strict=True)))


def _crowd_name(plan: Plan, step: Step, first: Numbers) -> Numbers:
    """The same whatever the blocks and ranges: the first member and the band."""
    name: Numbers = CROWD + first * plan.bands + step.band
    return name


def _by_later(later: Numbers, other: Numbers) -> Numbers:
    order = np.argsort(later, kind="stable")
    return np.stack([later[order], other[order]])


def document_ranges(plan: Plan) -> list[tuple[int, int]]:
    """Ranges of the later document with few enough pairs to be held at once."""
    return cut_ranges(
        lambda: (load(path)[0] for path in plan.files("pairs")),
        0,
        plan.documents,
        _most_pairs(plan),
    )


def pairs_of(plan: Plan, step: Step) -> Numbers:
    """All candidates of a range of later documents, sorted, each once, crowds behind pairs."""
    held = [span(path, step.begin, step.end) for path in plan.files("pairs")]
    pairs = np.concatenate([np.empty((2, 0), np.int64), *held], axis=1)
    del held
    pairs = pairs[:, np.lexsort((pairs[1], pairs[0]))]
    new = np.ones(pairs.shape[1], dtype=np.bool_)
    new[1:] = (np.diff(pairs[0]) != 0) | (np.diff(pairs[1]) != 0)
    return pairs[:, new]
