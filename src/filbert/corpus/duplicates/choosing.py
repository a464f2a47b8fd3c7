"""Which documents stay: in order, each goes that is near to an earlier one that stays.

A crowd is a band's bucket of more than 64 documents: the same footer on a million pages. Its pairs
would be a square of that, so a member is compared with the crowd's leaders instead: the first 64
members that stay. A member unlike all of them is compared with no later leader.
"""

from collections.abc import Iterator

import numpy as np

from filbert.corpus.duplicates.leaders import Leaders, Sketch
from filbert.corpus.duplicates.plan import Plan, Step
from filbert.corpus.duplicates.proposing import CROWD, pairs_of
from filbert.corpus.duplicates.rows import Numbers, Rows, load, save
from filbert.corpus.duplicates.settings import PERMUTATIONS, least_agreeing

_CHUNK = 2048
_LOOP_CHUNK = 1 << 16


def verify(plan: Plan, step: Step) -> None:
    """Of a range of later documents: the candidates that are near, and membership of crowds."""
    pairs = pairs_of(plan, step)
    least = least_agreeing(plan.settings.threshold)
    stays = pairs[1] >= CROWD
    near = np.flatnonzero(~stays)
    chunk = max(1, min(_CHUNK, plan.memory_bytes // (16 * PERMUTATIONS)))
    with plan.sketches() as rows:
        for begin in range(0, len(near), chunk):
            places = near[begin : begin + chunk]
            numbers, index = np.unique(pairs[:, places], return_inverse=True)
            sketches = rows.take(numbers)
            left, right = index.reshape(2, -1)
            stays[places] = (sketches[left] == sketches[right]).sum(axis=1) >= least
    save(step.mark, pairs[:, stays])


def choose(plan: Plan, step: Step) -> None:
    """One pass over all that is near, in order; beside each file of pairs one of who goes."""
    scratch = step.folder / "leaders.scratch"
    with plan.sketches() as rows, Leaders(scratch, plan.memory_bytes) as leaders:
        choice = _Choice(plan.documents, rows, leaders, least_agreeing(plan.settings.threshold))
        for path in plan.files("near"):
            gone = list(choice.go_through(load(path)))
            table = np.array(gone, dtype=np.int64).reshape(-1, 2).T
            save(path.with_name(path.name.replace("near", "gone")), table)
    save(step.mark, np.zeros((0, 0)))


class _Choice:
    """What is known while the documents go by: a bit for each that goes, and the leaders."""

    def __init__(self, documents: int, rows: Rows, leaders: Leaders, least: int):
        self._gone = bytearray(documents // 8 + 1)
        self._rows = rows
        self._leaders = leaders
        self._least = least

    def go_through(self, pairs: Numbers) -> Iterator[tuple[int, int]]:
        """Give each document that goes, with the one that stays for it."""
        current, others = -1, list[int]()
        for begin in range(0, pairs.shape[1], _LOOP_CHUNK):
            laters, earliers = pairs[:, begin : begin + _LOOP_CHUNK].tolist()
            for later, other in zip(laters, earliers, strict=True):
                if later != current:
                    yield from self._decide(current, others)
                    current, others = later, []
                others.append(other)
        yield from self._decide(current, others)

    def _decide(self, document: int, others: list[int]) -> Iterator[tuple[int, int]]:
        keeper = self._keeper(document, others)
        if keeper is not None:
            self._gone[document >> 3] |= 1 << (document & 7)
            yield document, keeper

    def _keeper(self, document: int, others: list[int]) -> int | None:
        gone = self._gone
        for number, other in enumerate(others):
            if other >= CROWD:
                return self._from_crowds(document, others[number:])
            if not gone[other >> 3] & 1 << (other & 7):
                return other
        return None

    def _from_crowds(self, document: int, crowds: list[int]) -> int | None:
        own: Sketch = self._rows.take(np.array([document]))
        for crowd in crowds:
            numbers, sketches = self._leaders.of(crowd)
            agreeing = (sketches == own).sum(axis=1) >= self._least
            if agreeing.any():
                return numbers[int(agreeing.argmax())]
        for crowd in crowds:
            self._leaders.add(crowd, document, own)
        return None
