"""shards.json must fit its files and itself: what does not is refused, file and field named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filbert.corpus import Document
from filbert.errors import DataError
from filbert.shards import ShardReader, write_shards
from filbert.tokenizer import SpecialTokens, Tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two shards: one of two languages and a document that is left out, one with a long one."""
    tokenizer = Tokenizer([*SpecialTokens().all, "cat", "sat"])
    texts = [("cat sat", "en"), (" ", "en"), ("cat", "fr"), ("sat " * 300, "en")]
    documents = [Document(text, "a.txt", "", language=language) for text, language in texts]
    write_shards(documents, tokenizer, tmp_path / "shards", characters_per_shard=9)
    return tmp_path / "shards"


Index = dict[str, Any]


def edit(folder: Path, change: Callable[[Index], object]) -> None:
    path = folder / "shards.json"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))


def shard(number: int = 0, **values: object) -> Callable[[Index], object]:
    return lambda index: index["shards"][number].update(values)


def language(name: str, **values: object) -> Callable[[Index], object]:
    return lambda index: index["shards"][0]["languages"][name].update(values)


def stretch(**values: object) -> Callable[[Index], object]:
    return lambda index: index["shards"][0]["stretches"][0].update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i: i.update(vocab_size=0), "vocab_size: expected 1 to"),
        (lambda i: i.update(vocab_size=8), "vocab_size: expected 7, the tokenizer's, got 8"),
        (lambda i: i.update(vocab_size=2**40), "vocab_size: expected 1 to"),
        (lambda i: i.update(vocab_size=70_000), "expected 8,[0-9]+ bytes by shards.json"),
        (lambda i: i.update(vocab_size="7"), "vocab_size"),
        (lambda i: i.update(documents=True), "documents"),
        (lambda i: i.update(documents=4), "documents: expected 3, the sum over the shards, got 4"),
        (lambda i: i.update(sentences=-3), "sentences: expected 3"),
        (lambda i: i.update(shards={}), "shards"),
        (lambda i: i.update(format="9" * 5000), "format: expected 2, got '9999"),
        (shard(name="shard-" + "9" * 5000), "expected a name as 'shard-00000', got 'shard-99"),
        (shard(name="shard-000000"), "expected a name as 'shard-00000', got 'shard-000000'"),
        (shard(name="shard-٠٠٠٠٠"), "expected a name as 'shard-00000'"),
        (shard(1, name="shard-00000"), "names that rise, got shard-00000 after shard-00000"),
        (shard(tokens=2**32), "expected 0 < documents ≤ sentences ≤ tokens ≤ 4,294,967,295"),
        (shard(tokens=4), "languages: tokens: expected 4, the shard's tokens, got 3"),
        (shard(exceptions=1), "shard-00000: exceptions: expected 0 to 0, got 1"),
        (shard(long_sentences=1), "shard-00000: long_sentences: expected 0 to 0, got 1"),
        (shard(1, long_sentences=2), "shard-00001: long_sentences: expected 0 to 1, got 2"),
        (shard(long_documents=1), "long_documents: expected 0 to 0, got 1"),
        (shard(left_out=-1), "left_out: expected 0 to"),
        (shard(left_out=2), "stretches: documents: expected 4, the shard's documents and left_out"),
        (shard(unknown=4), "unknown: expected 0 to 3, got 4"),
        (shard(unknown=-1), "unknown: expected 0 to 3, got -1"),
        (shard(sha256="x"), "sha256: expected 64 digits, got 'x'"),
        (shard(languages={}), "languages: expected 1 to 256, got 0"),
        (language("en", tokens=1), "languages: tokens: expected 3, the shard's tokens, got 2"),
        (language("fr", documents=0), "languages: 'fr': expected 0 < documents ≤ tokens, got 0, 1"),
        (language("fr", documents=-1), "languages: 'fr': expected 0 < documents"),
        (language("en", tokens="2"), "tokens"),
        (stretch(first=-1), "stretches: first: expected 0 to"),
        (stretch(documents=4), "stretches: documents: expected 3"),
        (stretch(documents=1.5), "documents"),
    ],
)
def test_what_cannot_be_is_refused(
    folder: Path, change: Callable[[Index], object], message: str
) -> None:
    edit(folder, change)
    with pytest.raises(DataError, match=message) as caught:
        ShardReader(folder, max_tokens=8)
    said = str(caught.value)
    assert str(folder) in said
    assert len(said) < 500


def test_counts_that_make_up_for_each_other_are_found(folder: Path) -> None:
    """The size stays right: one more sentence (a byte), one document less."""
    edit(folder, lambda i: i.update(sentences=4, documents=2))
    edit(folder, shard(sentences=3, documents=1))
    edit(folder, shard(languages={"en": {"documents": 1, "tokens": 3}}, left_out=2))
    with pytest.raises(DataError, match=r"shard-00000\.bin"):
        ShardReader(folder, max_tokens=8, verify=False)


def test_languages_that_were_exchanged_are_found(folder: Path) -> None:
    exchanged = {"en": {"documents": 1, "tokens": 1}, "fr": {"documents": 1, "tokens": 2}}
    edit(folder, shard(languages=exchanged))
    ShardReader(folder, max_tokens=8)  # a document of each: the file cannot tell
    edit(folder, lambda i: i["shards"][0]["languages"].pop("fr"))
    edit(folder, language("en", documents=2, tokens=3))
    with pytest.raises(DataError, match=r"shard-00000\.bin: expected \d+ bytes"):
        ShardReader(folder, max_tokens=8)


def test_names_rise_as_numbers_not_as_texts(folder: Path) -> None:
    for old, new in (("shard-00000", "shard-99999"), ("shard-00001", "shard-100000")):
        (folder / f"{old}.bin").rename(folder / f"{new}.bin")
    edit(folder, shard(0, name="shard-99999"))
    edit(folder, shard(1, name="shard-100000"))
    reader = ShardReader(folder, max_tokens=8)
    assert reader.place(0).shard == "shard-99999"
    assert reader.place(len(reader) - 1).shard == "shard-100000"
    edit(folder, lambda i: i["shards"].reverse())
    with pytest.raises(DataError, match="got shard-99999 after shard-100000"):
        ShardReader(folder, max_tokens=8)


@pytest.mark.parametrize("text", ["[]", "{", "9" * 5000, '{"format": 2}', "[" * 100_000, "\xff"])
def test_what_is_no_index_is_refused(folder: Path, text: str) -> None:
    (folder / "shards.json").write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=r"shards\.json"):
        ShardReader(folder, max_tokens=8)


@pytest.mark.parametrize("place", range(0, 26))
def test_every_flipped_byte_is_found_or_harmless_unverified(folder: Path, place: int) -> None:
    """Tokens that are no words, ends that do not add up: never an id outside the vocabulary."""
    path = folder / "shard-00000.bin"
    raw = bytearray(path.read_bytes())
    raw[place % len(raw)] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"shard-00000\.bin: damaged: "):
        ShardReader(folder, max_tokens=8, verify=False)
