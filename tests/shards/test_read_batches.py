"""The stream of batches: each row once an epoch, exact resume, any number of ranks."""

from collections import Counter
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.batch import Row
from filbert.errors import DataError, SettingsError
from filbert.shards import ReadState, read_batches
from filbert.shards.permutation import Permutation


class Source:
    """Rows that hold nothing but their number."""

    def __init__(self, lengths: list[int]):
        self.lengths = np.array(lengths, np.int32)

    def row(self, index: int) -> Row:
        size = int(self.lengths[index])
        return Row(np.full(size, index, np.int32), np.zeros(size, np.uint8), (0, index))


def numbers(rows: list[Row]) -> list[int]:
    return [row.origin[1] for row in rows]


# Speed is not what these tests are about, and the machine may be busy.
patient = settings(deadline=None)

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=60)
TOKENS = st.integers(1, 80)


@patient
@given(LENGTHS, TOKENS, st.integers(-(2**40), 2**40))
def test_an_epoch_holds_each_row_once(lengths: list[int], batch_tokens: int, seed: int) -> None:
    seen: list[list[int]] = [[], []]
    epoch = 0
    for rows, state in read_batches(Source(lengths), batch_tokens=batch_tokens, seed=seed):
        assert rows
        assert sum(map(len, rows)) <= batch_tokens or len(rows) == 1
        seen[epoch] += numbers(rows)
        epoch = state.epoch
        if epoch == 2:
            break
        assert state.position == len(seen[epoch])
    assert sorted(seen[0]) == sorted(seen[1]) == list(range(len(lengths)))


@patient
@given(LENGTHS, TOKENS, st.integers(0, 99))
def test_batches_are_as_full_as_they_can_be(
    lengths: list[int], batch_tokens: int, seed: int
) -> None:
    stream = read_batches(Source(lengths), batch_tokens=batch_tokens, seed=seed)
    sizes = []
    for rows, state in stream:
        sizes.append((sum(map(len, rows)), len(rows[0])))
        if state.epoch:
            break
    for (size, _), (_, following) in pairwise(sizes):
        assert size + following > batch_tokens


@patient
@given(LENGTHS, TOKENS, st.integers(0, 99), st.integers(0, 30))
def test_resuming_equals_going_on(
    lengths: list[int], batch_tokens: int, seed: int, stop: int
) -> None:
    source = Source(lengths)
    whole = list(islice(read_batches(source, batch_tokens=batch_tokens, seed=seed), stop + 12))
    state = whole[stop - 1][1] if stop else ReadState()
    rest = read_batches(source, batch_tokens=batch_tokens, seed=seed, state=state)
    for (rows, after), (expected, expected_after) in zip(rest, whole[stop:], strict=False):
        assert numbers(rows) == numbers(expected)
        assert after == expected_after


@patient
@given(LENGTHS, TOKENS, st.integers(0, 99), st.integers(1, 5))
def test_ranks_share_the_global_batch(
    lengths: list[int], batch_tokens: int, seed: int, world: int
) -> None:
    source = Source(lengths)
    alone = read_batches(source, batch_tokens=batch_tokens, seed=seed)
    ranks = [
        read_batches(source, batch_tokens=batch_tokens, seed=seed, rank=rank, world=world)
        for rank in range(world)
    ]
    for (rows, state), *shares in islice(zip(alone, *ranks, strict=False), 12):
        assert {after for _, after in shares} == {state}
        for rank, (share, _) in enumerate(shares):
            assert numbers(share) == numbers(rows)[rank::world]


def test_a_change_of_world_keeps_the_global_batches() -> None:
    source = Source([3, 7, 2, 9, 4, 4, 8, 1, 6, 5] * 20)

    def run(world: int, state: ReadState, steps: int) -> tuple[list[Counter], ReadState]:
        streams = [
            read_batches(source, batch_tokens=64, seed=5, state=state, rank=rank, world=world)
            for rank in range(world)
        ]
        batches = []
        for shares in islice(zip(*streams, strict=True), steps):
            batches.append(Counter(n for rows, _ in shares for n in numbers(rows)))
            state = shares[0][1]
        return batches, state

    whole, _ = run(1, ReadState(), 50)
    first, state = run(4, ReadState(), 13)
    then, state = run(2, state, 20)
    last, _ = run(3, state, 17)
    assert first + then + last == whole


def test_long_batches_reach_over_the_fetched_rows() -> None:
    source = Source([1] * 5000)
    rows, state = next(read_batches(source, batch_tokens=3000, seed=1))
    assert len(set(numbers(rows))) == 3000
    assert state == ReadState(0, 3000)


def test_seed_and_epoch_change_the_order() -> None:
    source = Source([1] * 50)
    first, second = (
        numbers(r) for r, _ in islice(read_batches(source, batch_tokens=50, seed=1), 2)
    )
    other, _ = next(read_batches(source, batch_tokens=50, seed=2))
    again, _ = next(read_batches(source, batch_tokens=50, seed=1))
    assert first == numbers(again)
    assert first != second
    assert first != numbers(other)


def test_the_order_is_the_same_for_ever() -> None:
    # Written down: a change of the permutation would break the resuming of every stored run.
    order = Permutation(10, seed=1, epoch=0)(np.arange(10))
    assert order.tolist() == [6, 1, 5, 0, 7, 8, 3, 9, 4, 2]


def test_the_end_of_an_epoch_may_be_a_state() -> None:
    source = Source([1, 2, 3])
    at_end = read_batches(source, batch_tokens=3, seed=0, state=ReadState(0, 3))
    at_begin = read_batches(source, batch_tokens=3, seed=0, state=ReadState(1, 0))
    (rows, state), (expected, expected_state) = next(at_end), next(at_begin)
    assert (numbers(rows), state) == (numbers(expected), expected_state)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch_tokens": 0}, SettingsError, "batch_tokens: expected 1 or more, got 0"),
        ({"rank": 2, "world": 2}, SettingsError, "rank 2 and world 2"),
        ({"rank": -1}, SettingsError, "rank -1"),
        ({"world": 0}, SettingsError, "world 0"),
        ({"state": ReadState(0, 4)}, DataError, "position 4"),
        ({"state": ReadState(0, -1)}, DataError, "position -1"),
        ({"state": ReadState(-1, 0)}, DataError, "epoch -1"),
    ],
)
def test_numbers_that_cannot_be_are_refused_at_once(
    options: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_batches(Source([1, 2, 3]), **{"batch_tokens": 8, "seed": 0, **options})


def test_a_source_without_rows_is_refused() -> None:
    with pytest.raises(DataError, match="at least one row, got none"):
        read_batches(Source([]), batch_tokens=8, seed=0)


@patient
@given(st.integers(1, 3000), st.integers(), st.integers(0, 2**31))
def test_a_permutation_is_one(size: int, seed: int, epoch: int) -> None:
    order = Permutation(size, seed, epoch)(np.arange(size))
    assert sorted(order.tolist()) == list(range(size))


@patient
@given(st.integers(1, 2**40), st.integers(0, 99), st.data())
def test_a_place_is_known_without_the_others(size: int, seed: int, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=20))
    order = Permutation(size, seed, 0)
    together = order(np.array(places))
    assert ((together >= 0) & (together < size)).all()
    assert together.tolist() == [int(order(np.array([place]))[0]) for place in places]


def test_orders_are_uniform() -> None:
    # Where thing 0 of a few lands, and what follows it, over many seeds: all about equally often.
    for size in (2, 3, 5):
        orders = np.array([Permutation(size, s, 0)(np.arange(size)) for s in range(2000)])
        for place in range(size):
            counts = np.bincount(orders[:, place], minlength=size)
            assert (np.abs(counts / 2000 - 1 / size) < 0.05).all(), (size, place, counts)
    # No order left in a large one: neighbours do not correlate.
    order = Permutation(100_000, 3, 1)(np.arange(100_000)).astype(float)
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.02
    assert abs(np.corrcoef(order, np.arange(100_000))[0, 1]) < 0.02
