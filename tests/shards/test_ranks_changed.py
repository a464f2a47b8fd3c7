"""Plain shards read by changing numbers of ranks and workers: no row lost, repeated or moved."""

from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.batch import Row
from filbert.corpus import Document
from filbert.shards import ReadState, ShardReader, read_batches, write_shards
from filbert.tokenizer import SpecialTokens, Tokenizer

WORDS = ["the", "cat", "sat", "on", "mat"]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> ShardReader:
    """Some 60 rows of 3 to 8 tokens, in several shards."""
    folder = tmp_path_factory.mktemp("plain") / "shards"
    texts = [" ".join(WORDS[: 1 + n % 5]) + " cat" * (n % 11) for n in range(40)]
    documents = [Document(text, "a.txt", f"line {n}") for n, text in enumerate(texts)]
    write_shards(documents, Tokenizer([*SpecialTokens().all, *WORDS]), folder,
                 characters_per_shard=300)  # fmt: skip
    found = ShardReader(folder, max_tokens=8)
    assert len(found.contents.shards) > 2
    return found


def read_together(
    reader: ShardReader, state: ReadState, ranks: int, workers: int, batch_tokens: int, seed: int
):
    """The global batches, as so many ranks with so many workers each read their shares of them."""
    world = ranks * workers
    streams = [
        read_batches(
            reader, batch_tokens=batch_tokens, seed=seed, state=state, rank=rank, world=world
        )
        for rank in range(world)
    ]
    for shares in zip(*streams, strict=True):
        assert len({(after, after.key) for _, after in shares}) == 1
        rows = [rows for rows, _ in shares]
        total = sum(map(len, rows))
        yield [rows[place % world][place // world] for place in range(total)], shares[0][1]


def origins(rows: list[Row]) -> list[tuple[int, int]]:
    return [row.origin for row in rows]


CHANGES = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 30)), min_size=1, max_size=8
)


@settings(deadline=None, max_examples=60)
@given(CHANGES, st.integers(1, 200), st.integers(-5, 99), st.data())
def test_a_change_of_ranks_and_workers_loses_and_repeats_no_row(
    reader: ShardReader,
    changes: list[tuple[int, int, int]],
    batch_tokens: int,
    seed: int,
    data: st.DataObject,
) -> None:
    """A few batches by so many, then by others, and by the last for more than two epochs in all."""
    count = len(reader)
    begun = data.draw(st.integers(0, count))
    state = ReadState(0, begun)
    seen: list[tuple[int, int]] = []
    for number, (ranks, workers, batches) in enumerate(changes):
        stop = None if number == len(changes) - 1 else batches
        for rows, after in islice(
            read_together(reader, state, ranks, workers, batch_tokens, seed), stop
        ):
            seen += origins(rows)
            state = after
            if stop is None and state.epoch > 2:
                break
    alone = read_batches(reader, batch_tokens=1, seed=seed)
    order = [origin for rows, _ in islice(alone, begun + len(seen)) for origin in origins(rows)]
    assert seen == order[begun:]
    every = sorted(reader.row(index).origin for index in range(count))
    for first in range(0, count * (len(order) // count), count):
        assert sorted(order[first : first + count]) == every
    assert len(order) >= 3 * count


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 200), st.integers(1, 200), st.integers(1, 4))
def test_the_order_of_rows_follows_from_the_place_alone(
    reader: ShardReader, place: int, batch_tokens: int, ranks: int
) -> None:
    """Whatever the batches before and after: from any cursor on the same rows come."""
    epoch, position = divmod(place, len(reader))
    whole = read_batches(reader, batch_tokens=1, seed=3)
    expected = [origins(rows)[0] for rows, _ in islice(whole, place + 40)][place:]
    got: list[tuple[int, int]] = []
    for rows, _ in read_together(reader, ReadState(epoch, position), ranks, 2, batch_tokens, 3):
        got += origins(rows)
        if len(got) >= 40:
            break
    assert got[:40] == expected
