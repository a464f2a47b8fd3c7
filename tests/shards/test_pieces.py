"""How a corpus is divided into shards."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from filbert.corpus.stored_columns import RowGroup
from filbert.shards.pieces import CHARACTERS_PER_SHARD, pieces_of, size_for


def groups_of(sizes: list[int]) -> list[RowGroup]:
    return [
        RowGroup("documents-00000.parquet", number, number, 1, size)
        for number, size in enumerate(sizes)
    ]


def divided(groups: list[RowGroup], characters: int) -> list[int]:
    pieces = pieces_of(
        Path(), groups, {"documents-00000.parquet": ""}, characters, (Path(), Path())
    )
    assert [group for piece in pieces for group in piece.groups] == groups
    assert all(piece.groups for piece in pieces)
    return [piece.bytes for piece in pieces]


@given(st.lists(st.integers(1, 1000), min_size=1), st.integers(1, 5000))
def test_pieces_are_of_about_equal_text(sizes: list[int], characters: int) -> None:
    found = divided(groups_of(sizes), characters)
    count = -(-sum(sizes) // characters)
    even = sum(sizes) / count
    assert len(found) <= count
    # A group is not divided: a piece may end as much as one of them too late, the next too early.
    assert all(abs(size - even) <= 2 * max(sizes) or size in sizes for size in found)


def test_a_little_more_than_a_shard_is_two_halves() -> None:
    assert divided(groups_of([4] * 9), 32) == [20, 16]


def test_a_small_corpus_has_eight_shards_and_a_tiny_one_has_one() -> None:
    small, tiny = groups_of([1 << 20] * 40), groups_of([1000] * 10)
    assert divided(small, size_for(small)) == [5 << 20] * 8
    assert divided(tiny, size_for(tiny)) == [10_000]
    assert size_for(groups_of([1 << 30] * 2)) == CHARACTERS_PER_SHARD
