"""Rows, packs, and batches by tokens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filbert.batch import Packed, Row, batches_by_tokens, pack, split, unpack
from filbert.errors import DataError


def row_of(ids: list[int], second: int = 0) -> Row:
    segments = np.zeros(len(ids), np.uint8)
    segments[len(ids) - min(second, len(ids)) :] = 1
    return Row(np.array(ids, np.int32), segments)


rows = st.lists(
    st.builds(
        row_of, st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=40), st.integers(0, 40)
    ),
    min_size=1,
    max_size=20,
)


@given(rows)
def test_unpack_undoes_pack(given_rows: list[Row]) -> None:
    packed = pack(given_rows)
    back = unpack(packed)
    assert len(back) == len(given_rows)
    for before, after in zip(given_rows, back, strict=True):
        assert (before.token_ids == after.token_ids).all()
        assert (before.segments == after.segments).all()


@given(rows)
def test_starts_lengths_and_positions_agree_with_the_rows(given_rows: list[Row]) -> None:
    packed = pack(given_rows)
    assert packed.lengths.tolist() == [len(row) for row in given_rows]
    assert packed.starts.tolist() == [0, *packed.ends[:-1].tolist()]
    assert packed.positions.tolist() == [place for row in given_rows for place in range(len(row))]
    assert packed.ends[-1] == packed.token_ids.size
    assert packed.token_ids.dtype == np.int32


@given(rows)
def test_split_gives_each_sequence_its_own_part(given_rows: list[Row]) -> None:
    packed = pack(given_rows)
    parts = split(np.arange(packed.token_ids.size), packed)
    assert [len(part) for part in parts] == [len(row) for row in given_rows]


@given(st.lists(st.integers(1, 300), max_size=80), st.integers(1, 400))
def test_batches_hold_every_index_once_and_the_limit(lengths: list[int], limit: int) -> None:
    batches = batches_by_tokens(lengths, limit)
    assert sorted(int(i) for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        sizes = [lengths[i] for i in batch]
        assert sum(sizes) <= limit or len(sizes) == 1
        assert sizes == sorted(sizes, reverse=True)


def test_bad_rows_and_packs_are_refused() -> None:
    with pytest.raises(DataError, match="at least one row"):
        pack([])
    with pytest.raises(DataError, match="tokens ≥ 1"):
        Row(np.zeros(0, np.int32), np.zeros(0, np.uint8))
    with pytest.raises(DataError, match=r"segments need the shape .*\(2,\).*got \(3,\)"):
        Row(np.zeros(2, np.int32), np.zeros(3, np.uint8))
    with pytest.raises(DataError, match="over 1 tokens; got 2"):
        split(np.zeros(2), pack([row_of([1])]))
    with pytest.raises(DataError, match="at least 1; got 0"):
        batches_by_tokens([1], 0)


def test_a_pack_without_targets_has_none() -> None:
    assert Packed(np.zeros(1, np.int32), np.zeros(1, np.uint8), np.ones(1, np.int32)).targets == {}
