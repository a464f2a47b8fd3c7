"""Sentence ends and partners of rows: right, of another document, another one in each epoch."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.batch import Row
from filbert.corpus import Document
from filbert.errors import DataError
from filbert.shards import Mixture, Paired, ShardReader, read_batches, write_shards
from filbert.shards.signposts import Breaks, Counts, Signposts
from filbert.tasks import Pretrain
from filbert.tokenizer import Tokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz"
HAN = "山水云林冬夏花石车轮铁机油钢面包"
TOKENIZER = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "。", *LETTERS, *HAN])


def document(number: int, sentences: int, language: str = "en", longest: int = 9) -> Document:
    """Its sentences are of single letters, or of Chinese characters; a few are very long."""
    chance = np.random.default_rng((number, sentences))
    text, ends = "", []
    for _ in range(sentences):
        size = 300 if chance.random() < 0.02 else int(chance.integers(1, longest))
        letters = chance.choice(list(LETTERS if language == "en" else HAN), size)
        text += "".join(letters) + "。" if language == "zh" else " ".join(letters) + " . "
        ends.append(len(text))
    return Document(text, "made", str(number), language=language, sentence_ends=ends)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred documents of 1 to 40 sentences, every fifth of them Chinese."""
    path = tmp_path_factory.mktemp("partners") / "shards"
    chance = np.random.default_rng(0)
    documents = (
        document(number, int(chance.integers(1, 41)), "zh" if number % 5 == 0 else "en")
        for number in range(200)
    )
    write_shards(documents, TOKENIZER, path)
    return path


@pytest.fixture(scope="module")
def reader(folder: Path) -> ShardReader:
    return ShardReader(folder, max_tokens=32)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=900), st.data())
def test_signposts_know_every_end(sizes: list[int], data: st.DataObject) -> None:
    array = np.array(sizes)
    large = array > 255
    counts = Counts(np.where(large, 0, array).astype(np.uint8), array[large].astype(np.uint32))
    signposts, ends = Signposts(counts), np.cumsum(array)
    assert signposts.total == ends[-1]
    start = data.draw(st.integers(0, int(ends[-1]) - 1))
    stop = data.draw(st.integers(start + 1, int(ends[-1])))
    thing = int(np.searchsorted(ends, start, side="right"))
    first = int(ends[thing - 1]) if thing else 0
    assert signposts.thing_at(start, counts) == (thing, first, ends[thing])
    number = data.draw(st.integers(0, len(sizes)))
    assert signposts.start_of(number, counts) == (ends[number - 1] if number else 0)
    last = int(np.searchsorted(ends, stop))
    assert signposts.ends_between(start, stop, counts).tolist() == ends[thing : last + 1].tolist()


def test_a_document_is_found_from_any_of_its_tokens() -> None:
    sentences = Counts(np.array([3, 0, 2, 5, 1], np.uint8), np.array([400], np.uint32))
    documents = Counts(np.array([2, 1, 2], np.uint8), np.zeros(0, np.uint32))
    breaks = Breaks(sentences, documents)
    assert breaks.totals == (411, 5)
    for token, expected in [(0, (0, 0, 403)), (402, (0, 0, 403)), (403, (1, 403, 405)),
                            (405, (2, 405, 411)), (410, (2, 405, 411))]:  # fmt: skip
        assert breaks.document_at(token, sentences, documents) == expected
    assert breaks.sentence_ends(1, 300, sentences).tolist() == [3, 300]


def test_sentence_ends_stand_behind_the_stops_and_at_the_rows_end(reader: ShardReader) -> None:
    stops = {TOKENIZER.ids_batch(["."])[0][0], TOKENIZER.ids_batch(["。"])[0][0]}
    cut = 0
    for index in range(len(reader)):
        ids, ends = reader.row(index).token_ids, reader.sentence_ends(index)
        assert ends.dtype == np.int32
        behind = [place + 1 for place, token in enumerate(ids.tolist()) if token in stops]
        if behind[-1:] != [len(ids) - 1]:  # a sentence longer than a row goes on in the next one
            behind.append(len(ids) - 1)
            cut += 1
        assert ends.tolist() == behind
    assert cut > 5


def test_documents_are_the_rows_that_place_says(reader: ShardReader) -> None:
    places = [reader.place(index) for index in range(len(reader))]
    keys = [(place.shard, place.document) for place in places]
    for index, place in enumerate(places):
        found = reader.document(index)
        same = [number for number, key in enumerate(keys) if key == keys[index]]
        assert same == list(range(found.first, found.stop))
        assert reader.language(index) == place.language
    assert {place.language for place in places} == {"en", "zh"}


def text_of(reader: ShardReader) -> dict[bytes, int]:
    return {reader.row(n).token_ids[1:-1].tobytes(): n for n in range(len(reader))}


def test_partners_are_of_other_documents_in_the_same_language(reader: ShardReader) -> None:
    paired, numbers = Paired(reader), text_of(reader)
    assert paired.digest == reader.digest
    assert len(paired.lengths) == len(reader)
    for index in range(len(reader)):
        row, plain = paired.row_at(index, 3, 1), reader.row(index)
        assert row.token_ids.tolist() == plain.token_ids.tolist()
        assert row.origin == plain.origin
        assert row.sentence_ends is not None
        assert row.sentence_ends.tolist() == reader.sentence_ends(index).tolist()
        assert row.partner is not None
        assert row.partner_ends is not None
        partner = numbers[row.partner.tobytes()]
        own = reader.document(index)
        assert not own.first <= partner < own.stop
        assert reader.language(partner) == reader.language(index)
        assert row.partner_ends.tolist() == (reader.sentence_ends(partner) - 1).tolist()
        assert len(row.partner_ends) > 1
        assert row.partner_ends[-1] == len(row.partner)


def partner_of(paired: Paired, index: int, seed: int, epoch: int) -> bytes:
    partner = paired.row_at(index, seed, epoch).partner
    assert partner is not None
    return partner.tobytes()


def test_seed_and_epoch_choose_another_partner(reader: ShardReader) -> None:
    paired = Paired(reader)
    rows = range(0, len(reader), 7)
    base = [partner_of(paired, index, 1, 0) for index in rows]
    assert base == [partner_of(Paired(reader), index, 1, 0) for index in rows]
    for seed, epoch in ((2, 0), (1, 1)):
        other = [partner_of(paired, index, seed, epoch) for index in rows]
        assert np.mean([a == b for a, b in zip(base, other, strict=True)]) < 0.1
    same = paired.row(5).partner
    assert same is not None
    assert partner_of(paired, 5, 0, 0) == same.tobytes()


def test_every_row_of_another_document_is_as_likely(tmp_path: Path) -> None:
    documents = [document(number, 6 + 4 * number, longest=5) for number in range(6)]
    write_shards(documents, TOKENIZER, tmp_path / "shards")
    reader = ShardReader(tmp_path / "shards", max_tokens=16)
    paired, numbers = Paired(reader), text_of(reader)
    own = reader.document(0)
    fit = [n for n in range(own.stop, len(reader)) if len(reader.sentence_ends(n)) > 1]
    draws = 40 * len(fit)
    drawn = [numbers[partner_of(paired, 0, 1, epoch)] for epoch in range(draws)]
    counts = np.array([drawn.count(number) for number in fit])
    assert counts.sum() == draws
    freedom = len(fit) - 1
    assert ((counts - 40) ** 2 / 40).sum() < freedom + 5 * np.sqrt(2 * freedom)


def test_ranks_and_batches_change_no_partner(reader: ShardReader) -> None:
    def seen(batch_tokens: int, world: int) -> dict[tuple[int, int, int], bytes]:
        found = {}
        for rank in range(world):
            stream = read_batches(
                Paired(reader), batch_tokens=batch_tokens, seed=5, rank=rank, world=world
            )
            epoch = 0
            for rows, state in islice(stream, 10_000):
                for row in rows:
                    assert row.partner is not None
                    found[epoch, *row.origin] = row.partner.tobytes()
                epoch = state.epoch
                if epoch == 2:
                    break
        return found

    alone = seen(100, 1)
    assert len(alone) == 2 * len(reader)
    assert seen(1000, 1) == alone
    assert seen(333, 3) == alone


def test_in_a_mixture_the_partner_is_of_the_rows_own_source(
    reader: ShardReader, tmp_path: Path
) -> None:
    chinese = [document(1000 + number, 12, "zh") for number in range(20)]
    write_shards(chinese, TOKENIZER, tmp_path / "other")
    other = ShardReader(tmp_path / "other", max_tokens=32)
    mixture = Mixture([(Paired(reader), 1.0), (Paired(other), 1.0)])
    texts = [text_of(reader), text_of(other)]
    seen: list[list[Row]] = [[], []]
    for rows, _ in islice(read_batches(mixture, batch_tokens=400, seed=1), 60):
        for row in rows:
            number = row.origin[0] >> 20
            assert row.partner is not None
            assert row.partner.tobytes() in texts[number]
            seen[number].append(row)
    assert min(map(len, seen)) > 300
    # A row that comes again in the same epoch of the mixture is in a later one of its own source.
    again: dict[tuple[int, int], list[Row]] = {}
    for row in seen[1]:
        again.setdefault(row.origin, []).append(row)
    twice = [rows for rows in again.values() if len(rows) > 1]
    assert len(twice) > 10
    assert all(len({row.epoch for row in rows}) == len(rows) for rows in twice)
    assert any(
        row.partner.tobytes() != rows[0].partner.tobytes()
        for rows in twice
        for row in rows[1:]
        if row.partner is not None and rows[0].partner is not None
    )
    task = Pretrain(max_tokens=32).with_tokenizer(TOKENIZER)
    masks = [
        [task.batch([row], 1, 0).targets["positions"].tolist() for row in rows[:2]]
        for rows in twice
    ]
    assert sum(one != other for one, other in masks) > len(masks) / 2


def test_sentence_ends_alone_need_no_second_document(tmp_path: Path) -> None:
    write_shards([document(0, 30)], TOKENIZER, tmp_path / "shards")
    reader = ShardReader(tmp_path / "shards", max_tokens=32)
    row = Paired(reader, partners=False).row_at(0, 1, 0)
    assert row.sentence_ends is not None
    assert row.partner is None
    with pytest.raises(DataError, match=r"expected rows of two documents or more, got .* of one"):
        Paired(reader)


def test_documents_of_one_sentence_make_no_pairs(tmp_path: Path) -> None:
    write_shards([document(n, 1) for n in range(9)], TOKENIZER, tmp_path / "shards")
    reader = ShardReader(tmp_path / "shards", max_tokens=320)
    with pytest.raises(DataError, match="was the corpus built with sentence breaks"):
        Paired(reader, partners=False)


def test_a_language_with_one_document_takes_what_there_is(tmp_path: Path) -> None:
    documents = [document(0, 9, "zh"), *(document(n, 9) for n in range(1, 9))]
    write_shards(documents, TOKENIZER, tmp_path / "shards")
    reader = ShardReader(tmp_path / "shards", max_tokens=32)
    row = Paired(reader).row_at(0, 1, 0)
    assert reader.language(0) == "zh"
    assert row.partner is not None
    assert reader.language(text_of(reader)[row.partner.tobytes()]) == "en"
