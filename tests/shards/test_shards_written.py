"""Writing shards and reading them back: nothing lost, nothing twice, damage named."""

import json
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.corpus import Document
from filbert.disk import atomic_file
from filbert.errors import DataError, FilbertError, SettingsError
from filbert.shards import ShardReader, read_batches, row_table, write_shards, writing
from filbert.shards.cutting import cut_rows
from filbert.tokenizer import SpecialTokens, Tokenizer

WORDS = ["the", "cat", "sat", "on", "mat", "##s", ".", "中", "文"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer([*SpecialTokens().all, *WORDS])


def plain(text: str) -> Document:
    return Document(text, "book.txt", "line 1")


def text(*sentences: str) -> Document:
    ends = np.cumsum([len(sentence) + 1 for sentence in sentences]) - 1
    return Document(
        " ".join(sentences), "book.txt", "line 1", sentence_ends=[int(end) for end in ends]
    )


@pytest.fixture
def folder(tokenizer: Tokenizer, tmp_path: Path) -> Path:
    documents = [text("the cats sat.", "the mat."), text("中文."), text("cat " * 30)]
    write_shards(documents, tokenizer, tmp_path / "shards", characters_per_shard=24)
    return tmp_path / "shards"


def spans(reader: ShardReader) -> list[list[str]]:
    return [reader.tokenizer.tokens(reader.row(i).token_ids) for i in range(len(reader))]


def test_rows_are_whole_sentences_of_one_document(folder: Path) -> None:
    reader = ShardReader(folder, max_tokens=8)
    rows = spans(reader)
    assert rows[:3] == [
        ["[CLS]", "the", "cat", "##s", "sat", ".", "[SEP]"],
        ["[CLS]", "the", "mat", ".", "[SEP]"],
        ["[CLS]", "中", "文", ".", "[SEP]"],
    ]
    assert rows[3:] == [["[CLS]", *["cat"] * 6, "[SEP]"]] * 5
    lengths = np.asarray(reader.lengths)
    assert lengths.tolist() == [len(row) for row in rows]
    assert lengths.dtype == np.int32
    assert [reader.row(i).origin for i in range(8)] == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (1, 3), (1, 4),
    ]  # fmt: skip


def test_longer_rows_take_more_sentences(folder: Path) -> None:
    rows = spans(ShardReader(folder, max_tokens=10))
    assert rows[0] == ["[CLS]", "the", "cat", "##s", "sat", ".", "the", "mat", ".", "[SEP]"]


def test_an_epoch_of_batches_holds_every_row(folder: Path) -> None:
    reader = ShardReader(folder, max_tokens=8)
    seen = []
    for rows, state in read_batches(reader, batch_tokens=16, seed=0):
        seen += [(row.origin, row.token_ids.tolist()) for row in rows]
        if state.epoch:
            break
    expected = [reader.row(index) for index in range(len(reader))]
    assert sorted(seen) == [(row.origin, row.token_ids.tolist()) for row in expected]


def test_index_says_what_is_there(folder: Path, tokenizer: Tokenizer) -> None:
    index = json.loads((folder / "shards.json").read_text())
    assert index["format"] == 2
    assert index["vocab_size"] == tokenizer.vocab_size
    assert index["tokenizer"] == tokenizer.digest
    assert (index["tokens"], index["documents"], index["sentences"]) == (41, 3, 4)
    assert [shard["tokens"] for shard in index["shards"]] == [11, 30]
    tokens = np.fromfile(folder / "shard-00000.bin", "<u2", count=11)
    assert tokenizer.tokens(tokens)[:3] == ["the", "cat", "##s"]


def test_a_large_vocabulary_takes_two_bytes_too(tmp_path: Path) -> None:
    size = 65_537
    vocab = [*SpecialTokens().all, *(f"w{number}" for number in range(size - 5))]
    written = write_shards([plain(f"w{size - 6} w0")], Tokenizer(vocab), tmp_path / "shards")
    reader = ShardReader(tmp_path / "shards", max_tokens=8)
    assert reader.row(0).token_ids.tolist() == [2, size - 1, 5, 3]
    assert written.shards[0].exceptions == 0


def test_special_tokens_in_a_text_are_text(tokenizer: Tokenizer, tmp_path: Path) -> None:
    write_shards([plain("the [SEP] cat [MASK]")], tokenizer, tmp_path / "shards")
    row = ShardReader(tmp_path / "shards", max_tokens=32).row(0).token_ids
    assert (row[1:-1] != tokenizer.special_ids.sep).all()
    assert (row[1:-1] != tokenizer.special_ids.mask).all()


def test_text_after_the_last_sentence_end_is_kept(tokenizer: Tokenizer, tmp_path: Path) -> None:
    write_shards(
        [Document("cat. mat", "book.txt", "line 1", sentence_ends=[4])],
        tokenizer,
        tmp_path / "shards",
    )
    assert spans(ShardReader(tmp_path / "shards", max_tokens=8)) == [
        ["[CLS]", "cat", ".", "mat", "[SEP]"]
    ]


def test_documents_without_tokens_are_left_out(tokenizer: Tokenizer, tmp_path: Path) -> None:
    written = write_shards([plain("  "), plain("cat"), plain("")], tokenizer, tmp_path / "shards")
    assert written.documents == 1
    reader = ShardReader(tmp_path / "shards", max_tokens=8)
    assert reader.place(0).file_row == 1  # the way back counts the empty one before it


def test_languages_and_the_way_back(tokenizer: Tokenizer, tmp_path: Path) -> None:
    said = ["en", "zh", None, "en"]
    documents = [
        Document(text, "book.txt", f"line {n}", language=said[n])
        for n, text in enumerate(["the cat", "中 文 中", "sat", "mat on mat"])
    ]
    written = write_shards(documents, tokenizer, tmp_path / "shards", characters_per_shard=8)
    assert {name: (c.documents, c.tokens) for name, c in written.languages.items()} == {
        "en": (2, 5),
        "zh": (1, 3),
        "": (1, 1),
    }
    reader = ShardReader(tmp_path / "shards", max_tokens=8)
    places = [reader.place(index) for index in range(len(reader))]
    assert [place.language for place in places] == ["en", "zh", "", "en"]
    assert [place.file_row for place in places] == [0, 1, 2, 3]
    for number in range(len(reader)):
        assert reader.number_of(*reader.row(number).origin) == number


def test_no_token_at_all_leaves_no_folder(tokenizer: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected at least one token, got none"):
        write_shards([plain(" ")], tokenizer, tmp_path / "shards")
    assert list(tmp_path.iterdir()) == []


def test_error_half_way_leaves_no_folder(tokenizer: Tokenizer, tmp_path: Path) -> None:
    def documents() -> Iterator[Document]:
        yield plain("cat")
        raise DataError("broken source")

    with pytest.raises(DataError, match="broken source"):
        write_shards(documents(), tokenizer, tmp_path / "shards")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit of file sizes: none here")
def test_a_full_disk_leaves_no_folder(tokenizer: Tokenizer, tmp_path: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with pytest.raises(FilbertError, match="shards could not be written: File too large"):
            write_shards([plain("cat " * 200)] * 100, tokenizer, tmp_path / "shards")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_stays(tokenizer: Tokenizer, folder: Path) -> None:
    before = (folder / "shards.json").read_bytes()
    with pytest.raises(SettingsError, match="is there already"):
        write_shards([plain("cat")], tokenizer, folder)
    assert (folder / "shards.json").read_bytes() == before


@pytest.mark.parametrize("ends", [[2, 1], [99], [-1]])
def test_bad_sentence_ends_name_the_document(
    ends: list[int], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"a\.txt: line 7: sentence_ends: expected rising places"):
        write_shards(
            [Document("the cat", "a.txt", "line 7", sentence_ends=ends)],
            tokenizer,
            tmp_path / "shards",
        )


class Watched(Document):
    """A document whose end can be watched."""


def test_documents_are_streamed(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_BATCH_CHARACTERS", 1000)
    alive: set[int] = set()
    most = 0

    def documents() -> Iterator[Document]:
        nonlocal most
        for number in range(200):
            document = Watched("cat " * 50, "book.txt", "line 1")
            alive.add(number)
            weakref.finalize(document, alive.discard, number)
            most = max(most, len(alive))
            yield document

    write_shards(documents(), tokenizer, tmp_path / "shards")
    assert 5 <= most <= 12


SMALL = ["shard-00000.bin", "shard-00001.bin"]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("place", [0, 21, -1])
def test_a_flipped_bit_is_found_and_named(folder: Path, name: str, place: int) -> None:
    raw = bytearray((folder / name).read_bytes())
    raw[place] ^= 0x10
    (folder / name).write_bytes(raw)
    with pytest.raises(DataError, match=f"{name}: damaged"):
        ShardReader(folder, max_tokens=8)


@pytest.mark.parametrize("name", SMALL)
def test_a_truncated_file_is_named_even_unverified(folder: Path, name: str) -> None:
    raw = (folder / name).read_bytes()
    (folder / name).write_bytes(raw[:-1])
    with pytest.raises(DataError, match=rf"{name}: expected {len(raw)} bytes .* {len(raw) - 1}"):
        ShardReader(folder, max_tokens=8, verify=False)


@pytest.mark.parametrize("name", SMALL)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"{name}: missing"):
        ShardReader(folder, max_tokens=8)


def test_sentences_that_cannot_be_are_found_unverified(folder: Path) -> None:
    raw = bytearray((folder / "shard-00000.bin").read_bytes())
    raw[22] += 1  # the first sentence's tokens, behind 11 tokens
    (folder / "shard-00000.bin").write_bytes(raw)
    with pytest.raises(DataError, match=r"shard-00000\.bin: damaged: expected sentences of 11"):
        ShardReader(folder, max_tokens=8, verify=False)


def test_what_was_verified_is_not_read_again_until_it_changes(folder: Path) -> None:
    ShardReader(folder, max_tokens=8)
    raw = bytearray((folder / "shard-00001.bin").read_bytes())
    raw[0] ^= 1
    (folder / "shard-00001.bin").write_bytes(raw)
    with pytest.raises(DataError, match=r"shard-00001\.bin: damaged"):
        ShardReader(folder, max_tokens=8)


def test_the_table_of_rows_is_made_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = spans(ShardReader(folder, max_tokens=8))

    def never(*_: object) -> None:
        raise AssertionError("cut again")

    with monkeypatch.context() as patch:
        patch.setattr(row_table, "cut_rows", never)
        assert spans(ShardReader(folder, max_tokens=8)) == before
        with pytest.raises(AssertionError, match="cut again"):
            ShardReader(folder, max_tokens=9)
    (folder / "rows-8.json").write_text("{")
    (folder / "rows-8.bin").write_bytes(b"none")
    assert spans(ShardReader(folder, max_tokens=8)) == before


def test_a_folder_that_cannot_be_written_is_read_all_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = spans(ShardReader(folder, max_tokens=8))
    for file in folder.glob("rows-*"):
        file.unlink()
    original = atomic_file

    def refusing(path: Path):
        if path.parent == folder:
            raise FilbertError("no rights") from PermissionError(13, "no rights")
        return original(path)

    monkeypatch.setattr("filbert.shards.row_table.atomic_file", refusing)
    assert spans(ShardReader(folder, max_tokens=8)) == before
    assert not list(folder.glob("rows-*"))
    assert list((tmp_path / "cache" / "filbert" / "rows").iterdir())


def edited(folder: Path, change: Callable[[dict], object]) -> Path:
    index = json.loads((folder / "shards.json").read_text())
    change(index)
    (folder / "shards.json").write_text(json.dumps(index))
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i: i.update(format=1), "format: expected 2, got 1; write the shards anew"),
        (lambda i: i.update(vocabsize=3), "unknown setting 'vocabsize'; did you mean 'vocab_size'"),
        (lambda i: i.pop("tokens"), "tokens"),
        (lambda i: i.update(tokens="many"), "tokens"),
        (lambda i: i.update(tokens=1), "tokens: expected 41"),
        (lambda i: i.update(shards=[]), "shards: expected at least one"),
        (lambda i: i["shards"].reverse(), "expected names that rise"),
        (lambda i: i["shards"][0].update(name="../elsewhere"), "expected a name as 'shard-00000'"),
        (lambda i: i["shards"][0].update(exceptions=-1), "exceptions: expected 0 to 0, got -1"),
        (lambda i: i["shards"][0].update(documents=-1), "expected 0 < documents"),
        (lambda i: i["shards"][0].update(sentences=10**15), "expected 0 < documents"),
        (lambda i: i.update(tokenizer="0" * 64), "not the tokenizer that made these shards"),
    ],
)
def test_a_wrong_index_is_refused(
    folder: Path, change: Callable[[dict], object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        ShardReader(edited(folder, change), max_tokens=8)


def test_an_index_that_is_no_json_is_named(folder: Path) -> None:
    (folder / "shards.json").write_text("{")
    with pytest.raises(DataError, match=r"shards\.json: not valid JSON"):
        ShardReader(folder, max_tokens=8)


def test_a_folder_without_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no shards\.json in it"):
        ShardReader(tmp_path, max_tokens=8)
    with pytest.raises(DataError, match="no such folder"):
        ShardReader(tmp_path / "nowhere", max_tokens=8)


def test_numbers_that_cannot_be_are_refused(
    folder: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="max_tokens: expected 3 or more, got 2"):
        ShardReader(folder, max_tokens=2)
    with pytest.raises(SettingsError, match="characters_per_shard"):
        write_shards([plain("cat")], tokenizer, tmp_path / "other", characters_per_shard=0)
    with pytest.raises(SettingsError, match="workers"):
        write_shards([plain("cat")], tokenizer, tmp_path / "other", workers=0)
    for number in (-1, 8):
        with pytest.raises(DataError, match=f"row {number} is not in"):
            ShardReader(folder, max_tokens=8).row(number)


@st.composite
def documents_and_sentences(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    sentences = draw(
        st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=6), min_size=1, max_size=8)
    )
    flat = np.cumsum([size for document in sentences for size in document])
    ends = np.cumsum([sum(document) for document in sentences])
    return ends.astype(np.int64), flat.astype(np.int64)


def cut_plainly(documents: np.ndarray, sentences: np.ndarray, row_tokens: int) -> list[tuple]:
    """The rule, said as simply as possible."""
    rows, start = [], 0
    for end in documents.tolist():
        while start < end:
            fitting = [s for s in sentences.tolist() if start < s <= min(start + row_tokens, end)]
            stop = max(fitting) if fitting else min(start + row_tokens, end)
            rows.append((start, stop - start))
            start = stop
    return rows


@settings(deadline=None)
@given(documents_and_sentences(), st.integers(1, 20))
def test_cutting_equals_the_plain_rule(
    ends: tuple[np.ndarray, np.ndarray], row_tokens: int
) -> None:
    starts, lengths = cut_rows(ends[0], ends[1], row_tokens)
    expected = cut_plainly(ends[0], ends[1], row_tokens)
    assert list(zip(starts.tolist(), lengths.tolist(), strict=True)) == expected


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(st.lists(st.sampled_from(WORDS[:5]), min_size=1, max_size=9), max_size=5),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 40),
    st.integers(3, 12),
)
def test_every_token_is_in_exactly_one_row(
    tmp_path_factory: pytest.TempPathFactory,
    tokenizer: Tokenizer,
    documents: list[list[list[str]]],
    characters_per_shard: int,
    max_tokens: int,
) -> None:
    texts = [text(*(" ".join(sentence) for sentence in document)) for document in documents]
    expected = [word for document in documents for sentence in document for word in sentence]
    if not expected:
        return
    folder = tmp_path_factory.mktemp("any") / "shards"
    written = write_shards(texts, tokenizer, folder, characters_per_shard=characters_per_shard)
    reader = ShardReader(folder, max_tokens=max_tokens)
    assert [token for row in spans(reader) for token in row[1:-1]] == expected
    assert np.asarray(reader.lengths).max() <= max_tokens
    assert written == reader.contents
    assert reader.digest == ShardReader(folder, max_tokens=max_tokens).digest
