"""Several sources as one stream: exact shares, every row in its turn, resumable, any ranks."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.batch import Row
from filbert.errors import DataError, SettingsError
from filbert.shards import Mixture, ReadState, read_batches


class Source:
    """Rows that hold nothing but their number."""

    def __init__(self, rows: int, mark: int, length: int = 1):
        self.lengths = np.full(rows, length, np.int32)
        self._mark = mark

    def row(self, index: int) -> Row:
        size = int(self.lengths[index])
        return Row(np.full(size, self._mark, np.int32), np.zeros(size, np.uint8), (0, index))


def read(mixture: Mixture, rows: int, *, seed: int = 1, state: ReadState | None = None):
    """(source's mark, row of the source) for so many rows."""
    stream = read_batches(mixture, batch_tokens=1, seed=seed, state=state)
    return [(int(row.token_ids[0]), row.origin[1]) for (row,), _ in islice(stream, rows)]


patient = settings(deadline=None, max_examples=10)
SIZES = st.lists(st.tuples(st.integers(60, 900), st.floats(0.1, 9)), min_size=1, max_size=4)


@patient
@given(SIZES, st.integers(0, 99))
def test_each_thousand_rows_have_the_exact_shares(sizes, seed) -> None:
    mixture = Mixture([(Source(rows, mark), weight) for mark, (rows, weight) in enumerate(sizes)])
    seen = read(mixture, 3000, seed=seed)
    total = sum(weight for _, weight in sizes)
    for block in range(3):
        counts = Counter(mark for mark, _ in seen[1000 * block : 1000 * (block + 1)])
        for mark, (_, weight) in enumerate(sizes):
            assert abs(counts[mark] - 1000 * weight / total) < 1
            assert counts[mark] == round(1000 * mixture.shares[mark])


@patient
@given(SIZES, st.integers(0, 99))
def test_a_source_gives_all_its_rows_before_any_again(sizes, seed) -> None:
    mixture = Mixture([(Source(rows, mark), weight) for mark, (rows, weight) in enumerate(sizes)])
    seen = read(mixture, 2500, seed=seed)
    for mark, (rows, _) in enumerate(sizes):
        mine = [row for owner, row in seen if owner == mark]
        for first in range(0, len(mine), rows):
            turn = mine[first : first + rows]
            assert len(set(turn)) == len(turn)
            if len(turn) == rows:
                assert sorted(turn) == list(range(rows))


def test_an_epoch_is_all_rows_in_whole_thousands() -> None:
    mixture = Mixture([(Source(1500, 0), 1), (Source(700, 1), 1)])
    assert len(mixture.lengths) == 3000
    states = [state for _, state in islice(read_batches(mixture, batch_tokens=1, seed=2), 3001)]
    assert states[2998] == ReadState(0, 2999)
    assert states[2999:] == [ReadState(1, 0), ReadState(1, 1)]


@patient
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=6),
    st.integers(1, 60),
    st.integers(0, 9),
)
def test_a_change_of_ranks_loses_and_repeats_no_row(worlds, batch_tokens, seed) -> None:
    """A few batches with so many ranks, then with so many others, and so on."""
    mixture = Mixture([(Source(90, 0, 3), 1), (Source(40, 1, 5), 2)])
    plain = read_batches(mixture, batch_tokens=batch_tokens, seed=seed)
    state = None
    for world in worlds:
        ranks = [
            read_batches(
                mixture, batch_tokens=batch_tokens, seed=seed, state=state, rank=r, world=world
            )
            for r in range(world)
        ]
        for _ in range(4):
            expected, after = next(plain)
            parts = [next(rank) for rank in ranks]
            assert {part[1] for part in parts} == {after}
            got = [(row.token_ids[0], row.origin) for part in parts for row in part[0]]
            assert sorted(got) == sorted((row.token_ids[0], row.origin) for row in expected)
            state = after


@patient
@given(st.integers(0, 4000), st.integers(0, 9))
def test_it_goes_on_from_any_place(rows, seed) -> None:
    mixture = Mixture([(Source(300, 0), 5), (Source(2000, 1), 1)])
    epoch, position = divmod(rows, len(mixture.lengths))
    on = read(mixture, 20, seed=seed, state=ReadState(epoch, position))
    assert on == read(mixture, rows + 20, seed=seed)[rows:]


def test_origins_of_two_sources_differ() -> None:
    mixture = Mixture([(Source(5, 0), 1), (Source(5, 1), 1)])
    origins = {mixture.row(index).origin for index in range(10)}
    assert len(origins) == 10


def test_lengths_are_asked_for_by_number() -> None:
    mixture = Mixture([(Source(3, 0, 7), 1), (Source(2, 1, 9), 1)])
    assert mixture.lengths[np.array([0, 4, 2, 3])].tolist() == [7, 9, 7, 9]
    assert int(mixture.lengths[4]) == 9


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf")])
def test_weights_that_cannot_be_are_refused(weight) -> None:
    with pytest.raises(SettingsError, match="weight 1: expected a number above 0"):
        Mixture([(Source(3, 0), 1), (Source(3, 1), weight)])


def test_a_weight_that_gives_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="weight 1: 1 of 10001 is less than one row in 1000"):
        Mixture([(Source(3, 0), 10_000), (Source(3, 1), 1)])


def test_sources_without_rows_are_refused() -> None:
    with pytest.raises(DataError, match="source 0: expected at least one row"):
        Mixture([(Source(0, 0), 1)])
    with pytest.raises(DataError, match="at least one source"):
        Mixture([])


def test_a_state_of_another_seed_or_mixture_is_refused() -> None:
    mixture = Mixture([(Source(30, 0), 1), (Source(30, 1), 1)])
    _, state = next(read_batches(mixture, batch_tokens=4, seed=1))
    next(read_batches(mixture, batch_tokens=4, seed=1, state=state))
    with pytest.raises(DataError, match="of another order of rows: its key is"):
        read_batches(mixture, batch_tokens=4, seed=2, state=state)
    other = Mixture([(Source(30, 0), 1), (Source(30, 1), 2)])
    with pytest.raises(DataError, match="of another order of rows: its key is"):
        read_batches(other, batch_tokens=4, seed=1, state=state)
