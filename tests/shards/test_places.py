"""Where a row comes from: right, and without a pass over shards or documents."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.corpus import Document
from filbert.errors import DataError
from filbert.shards import ShardReader, write_shards
from filbert.shards.index import LanguageCounts, Shard, Stretch
from filbert.shards.packing import Contents, pack
from filbert.shards.shard_file import ShardFile
from filbert.tokenizer import SpecialTokens, Tokenizer


@settings(deadline=None, max_examples=60)
@given(st.lists(st.booleans(), min_size=1, max_size=30), st.data())
def test_the_way_back_counts_what_was_left_out(tmp_path_factory, kept, data) -> None:
    """Documents with a token (True) or none, cut into stretches of files anyhow."""
    kept += [True]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(kept) - 1), max_size=4)))
    bounds = [0, *cuts, len(kept)]
    stretches = [
        Stretch(f"file-{number}", 10 * number, stop - start)
        for number, (start, stop) in enumerate(pairwise(bounds))
    ]
    rows = [(s.file, s.first + row) for s in stretches for row in range(s.documents)]
    documents = sum(kept)
    contents = Contents(
        token_ids=np.zeros(documents, np.int32),
        sentence_tokens=np.ones(documents, np.int64),
        document_sentences=np.ones(documents, np.int64),
        languages=np.zeros(documents, np.uint8),
        left_out=np.flatnonzero(~np.array(kept)),
    )
    path = tmp_path_factory.mktemp("way") / "shard-00000.bin"
    packed = pack(contents, np.array([documents]))
    path.write_bytes(b"".join(section.tobytes() for section in packed.sections))
    counts = {"": LanguageCounts(documents, documents)}
    shard = Shard("shard-00000", documents, documents, documents, 0, 0, 0,
                  len(contents.left_out), 0, counts, stretches, "")  # fmt: skip
    file = ShardFile(path, shard, 1)
    file.check()
    expected = [row for row, stays in zip(rows, kept, strict=True) if stays]
    assert [file.origin_of(document) for document in range(documents)] == expected


@pytest.fixture
def reader(tmp_path: Path) -> ShardReader:
    tokenizer = Tokenizer([*SpecialTokens().all, "cat"])
    documents = [Document("cat " * (1 + n % 9), "a.txt", "", language=["en", "fr"][n % 2])
                 for n in range(60)]  # fmt: skip
    write_shards(documents, tokenizer, tmp_path / "shards", characters_per_shard=60)
    found = ShardReader(tmp_path / "shards", max_tokens=5)
    assert len(found.contents.shards) > 9
    return found


class Asked(Sequence[int]):
    """Counts what is asked for, and is never read through."""

    def __init__(self, values: Sequence[int]):
        self._values = values
        self.asked = 0

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index):
        assert isinstance(index, int)
        self.asked += 1
        return self._values[index]

    def __iter__(self) -> Iterator[int]:
        raise AssertionError("read through")


def test_a_row_is_found_by_a_few_looks(
    reader: ShardReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = reader.place(0)
    firsts = Asked(reader._table.first_rows)
    reader._table = replace(reader._table, first_rows=firsts)

    def again(_: ShardFile) -> None:
        raise AssertionError("counted again")

    monkeypatch.setattr(ShardFile, "sentence_ends", property(again))
    assert reader.place(0) == first
    assert reader.number_of(0, 1) == 1
    assert firsts.asked < 30


def test_every_row_has_its_number_and_place(reader: ShardReader) -> None:
    for number in range(len(reader)):
        shard, row = reader.row(number).origin
        assert reader.number_of(shard, row) == number
        place = reader.place(number)
        assert (place.shard, place.row) == (reader.contents.shards[shard].name, row)
        assert place.language == ["en", "fr"][place.file_row % 2]
    for shard, row in ((-1, 0), (len(reader.contents.shards), 0), (0, -1), (0, 10**9)):
        with pytest.raises(DataError, match="is not in 0…"):
            reader.number_of(shard, row)
