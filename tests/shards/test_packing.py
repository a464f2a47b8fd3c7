"""The bytes of a shard: all of it comes back, and two bytes a token are enough."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.shards.index import LanguageCounts, Shard
from filbert.shards.packing import Contents, Packed, pack, size_of
from filbert.shards.shard_file import ShardFile


def shard_of(contents: Contents, packed: Packed) -> Shard:
    names = {str(number): LanguageCounts(1, 1) for number in np.unique(contents.languages)}
    return Shard(
        name="shard-00000",
        tokens=len(contents.token_ids),
        documents=len(contents.document_sentences),
        sentences=len(contents.sentence_tokens),
        exceptions=packed.exceptions,
        long_sentences=packed.long_sentences,
        long_documents=packed.long_documents,
        left_out=len(contents.left_out),
        unknown=0,
        languages=names,
        stretches=[],
        sha256="",
    )


def stored(contents: Contents, vocab: int, folder: Path) -> tuple[ShardFile, int]:
    packed = pack(contents, np.bincount(contents.token_ids, minlength=vocab))
    shard = shard_of(contents, packed)
    path = folder / "shard-00000.bin"
    path.write_bytes(b"".join(section.tobytes() for section in packed.sections))
    assert path.stat().st_size == size_of(shard, vocab)
    return ShardFile(path, shard, vocab), path.stat().st_size


@st.composite
def all_contents(draw: st.DrawFn) -> tuple[Contents, int]:
    documents = draw(
        st.lists(
            st.lists(st.sampled_from([1, 2, 25, 254, 255, 256, 700]), min_size=1, max_size=4),
            min_size=1,
            max_size=5,
        )
    )
    documents += draw(st.sampled_from([[], [[1] * 255], [[1] * 256]]))
    vocab = draw(st.sampled_from([300, 65_536, 65_537, 119_547]))
    sentences = np.array([size for document in documents for size in document], np.int64)
    chance = np.random.default_rng(draw(st.integers(0, 99)))
    several = draw(st.booleans())
    return Contents(
        token_ids=chance.integers(0, vocab, sentences.sum()).astype(np.int32),
        sentence_tokens=sentences,
        document_sentences=np.array([len(document) for document in documents], np.int64),
        languages=np.arange(len(documents)).astype(np.uint8) % (3 if several else 1),
        left_out=np.array(draw(st.sampled_from([[], [0], [2, 7]])), np.int64),
    ), vocab


@settings(deadline=None, max_examples=60)
@given(all_contents())
def test_what_is_packed_comes_back(tmp_path_factory, drawn) -> None:
    contents, vocab = drawn
    file, _ = stored(contents, vocab, tmp_path_factory.mktemp("pack"))
    tokens = len(contents.token_ids)
    assert (file.token_ids(0, tokens) == contents.token_ids).all()
    middle = tokens // 3
    assert (file.token_ids(middle, tokens) == contents.token_ids[middle:]).all()
    assert (file.sentence_ends == np.cumsum(contents.sentence_tokens)).all()
    assert (file.document_sentences == contents.document_sentences).all()
    assert (file.languages == contents.languages).all()
    assert file.left_out.tolist() == contents.left_out.tolist()


def one_sentence(ids: np.ndarray) -> Contents:
    """A document of a sentence of these tokens."""
    return Contents(
        token_ids=ids,
        sentence_tokens=np.array([len(ids)]),
        document_sentences=np.array([1]),
        languages=np.zeros(1, np.uint8),
        left_out=np.zeros(0, np.int64),
    )


def test_more_different_ids_than_two_bytes_can_say(tmp_path) -> None:
    vocab = 119_547
    ids = np.random.default_rng(1).permutation(vocab).astype(np.int32)
    file, _ = stored(one_sentence(ids), vocab, tmp_path)
    assert (file.token_ids(0, vocab) == ids).all()
    assert (file.token_ids(50_000, 50_100) == ids[50_000:50_100]).all()


def test_a_token_takes_at_most_2_1_bytes(tmp_path) -> None:
    """A million tokens of 30,000 kinds, few often, many seldom, in small and large vocabularies."""
    chance = np.random.default_rng(1)
    weights = 1 / np.arange(1, 30_001)
    for vocab in (30_000, 119_547):
        kinds = chance.permutation(vocab)[: len(weights)]
        ids = chance.choice(kinds, 2**20, p=weights / weights.sum())
        sentences = np.full(2**20 // 16, 16, np.int64)
        documents = np.full(len(sentences) // 8, 8, np.int64)
        contents = Contents(
            token_ids=ids.astype(np.int32),
            sentence_tokens=sentences,
            document_sentences=documents,
            languages=np.arange(len(documents)).astype(np.uint8) % 2,
            left_out=np.zeros(0, np.int64),
        )
        _, size = stored(contents, vocab, tmp_path)
        assert size <= 2.1 * 2**20


@pytest.mark.parametrize("odd", [0, 1])
def test_an_exception_is_found_without_a_copy_of_all(tmp_path, odd) -> None:
    """With an odd number of tokens the places do not lie where whole numbers should."""
    vocab, tokens = 119_547, 2_000_000 + odd
    ids = np.random.default_rng(1).integers(0, vocab, tokens).astype(np.int32)
    file, _ = stored(one_sentence(ids), vocab, tmp_path)
    file.token_ids(0, 1)
    tracemalloc.start()
    for start in range(0, tokens, 99_991):
        assert (file.token_ids(start, start + 128) == ids[start : start + 128]).all()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100_000  # there are 900,000 exceptions


def test_a_flat_vocabulary_takes_more(tmp_path) -> None:
    """Every id equally often: a third of these tokens are exceptions, of 8 bytes more each."""
    vocab, tokens = 119_547, 2**20
    contents = Contents(
        token_ids=np.random.default_rng(1).integers(0, vocab, tokens).astype(np.int32),
        sentence_tokens=np.full(tokens // 16, 16, np.int64),
        document_sentences=np.full(tokens // 128, 8, np.int64),
        languages=np.zeros(tokens // 128, np.uint8),
        left_out=np.zeros(0, np.int64),
    )
    file, size = stored(contents, vocab, tmp_path)
    assert 4.5 < size / tokens < 4.8
    assert (file.token_ids(0, tokens) == contents.token_ids).all()
