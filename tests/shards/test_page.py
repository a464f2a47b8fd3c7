"""The report page of shards, and the counting behind it."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from filbert.corpus import Document
from filbert.errors import DataError
from filbert.shards import ShardReader, ShardSet, write_shards
from filbert.shards.index import index_of, name_of
from filbert.shards.measuring import RowCounts, measure, stored_bytes
from filbert.shards.opening import read_index
from filbert.shards.page import write_page
from filbert.tokenizer import SpecialTokens, Tokenizer

WORDS = ["the", "cat", "play", "##ing", ".", "我", "喜", "欢", "。", "<b>"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer([*SpecialTokens().all, *WORDS])


def document(*sentences: str, language: str | None = "en") -> Document:
    ends = np.cumsum([len(sentence) for sentence in sentences]).tolist()
    return Document("".join(sentences), "a.txt", "line 1", language=language, sentence_ends=ends)


ENGLISH = [document("The cat playing. ", "The dog. ") for _ in range(6)]
CHINESE = [document("我喜欢。", "我喜欢playing。", "喜" * 40, language="zh") for _ in range(4)]


@pytest.fixture(scope="module")
def folder(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("page") / "both"
    write_shards([*ENGLISH, *CHINESE], tokenizer, place, characters_per_shard=60)
    return place


def page_of(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_counts_are_those_of_every_row(folder: Path, tokenizer: Tokenizer) -> None:
    contents = read_index(folder)
    assert len(contents.shards) > 2
    measured = measure(contents, folder, [12, 128])
    for most, counts in measured.rows.items():
        reader = ShardReader(folder, max_tokens=most)
        rows = [reader.row(number).token_ids for number in range(len(reader))]
        inside = np.concatenate([row[1:-1] for row in rows])
        full = sum(len(row) == most for row in rows)
        assert counts == RowCounts(len(rows), sum(map(len, rows)), full)
        np.testing.assert_array_equal(
            measured.id_counts, np.bincount(inside, minlength=tokenizer.vocab_size)
        )
    assert (measured.shards, measured.tokens) == (len(contents.shards), contents.tokens)
    # 5 and 3 tokens; 4, 6 and 40; documents of 8 and of 50.
    assert measured.sentences == {1: 6, 2: 6 + 4 + 4, 5: 4}
    assert measured.documents == {3: 6, 5: 4}


def test_counting_in_pieces_is_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = read_index(folder)
    whole = measure(contents, folder, [])
    monkeypatch.setattr("filbert.shards.measuring._PIECE_TOKENS", 7)
    np.testing.assert_array_equal(measure(contents, folder, []).id_counts, whole.id_counts)


def test_ids_of_large_vocabularies(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(70_000)]
    large = Tokenizer([*SpecialTokens().all, *words])
    contents = write_shards([document("w69999 w1 w69999")], large, tmp_path / "s")
    counts = measure(contents, tmp_path / "s", []).id_counts
    assert {words[place - 5]: counts[place] for place in np.flatnonzero(counts)} == {
        "w1": 1,
        "w69999": 2,
    }
    assert "w69999" in page_of(tmp_path / "s")


def test_the_page_in_english(folder: Path, tokenizer: Tokenizer) -> None:
    page = page_of(folder)
    contents = read_index(folder)
    write_shards(ENGLISH, tokenizer, folder.parent / "en")
    english = page_of(folder.parent / "en")
    assert 'lang="en"' in english
    assert "Shards en" in english
    assert tokenizer.digest in english
    assert "6 of the 15 tokens" in english  # the cat play ##ing . [UNK]
    assert "12.50 % of all tokens" in english  # dog: one of eight
    assert "were counted in" not in english
    assert 'lang="zh-CN"' in page  # 200 of 248 tokens
    assert f"{stored_bytes(contents) / contents.tokens:.3f}" in page
    assert all(f">{language}<" in page for language in ("en", "zh"))


def test_the_page_in_chinese(tokenizer: Tokenizer, tmp_path: Path) -> None:
    write_shards(CHINESE, tokenizer, tmp_path / "中文")
    page = page_of(tmp_path / "中文")
    assert "分片 中文" in page
    assert all(word in page for word in ("最常见的词元", "按长度统计的句子数", "分词器"))
    assert "词表的 15 个词元中有 6 个出现" in page
    assert "占全部词元的 0 %" in page


def test_a_token_is_no_markup(tmp_path: Path) -> None:
    hostile = Tokenizer([*SpecialTokens().all, "<script>", "\u202e"])
    contents = write_shards([document("the")], hostile, tmp_path / "s")
    counts = measure(contents, tmp_path / "s", [128])
    counts.id_counts[5:] = 3, 2
    write_page(contents, tmp_path / "s", hostile, "<i>s</i>", measured=counts)
    page = page_of(tmp_path / "s")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<i>" not in page
    assert "\u202e" not in page


def test_documents_without_language_and_without_tokens(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    texts = [document("The cat.", language=None), document("  ")]
    write_shards(texts, tokenizer, tmp_path / "s")
    page = page_of(tmp_path / "s")
    assert ">unknown<" in page
    assert "documents without tokens" in page


def many(contents: ShardSet, folder: Path, out: Path, copies: int) -> ShardSet:
    """A set of many shards, which are the same few files again and again."""
    out.mkdir()
    shards = []
    for number in range(copies * len(contents.shards)):
        shard = replace(contents.shards[number % len(contents.shards)], name=name_of(number))
        (out / shard.file).symlink_to(folder / contents.shards[number % len(contents.shards)].file)
        shards.append(shard)
    return index_of(shards, contents.vocab_size, contents.tokenizer)


def test_of_a_large_set_a_sample_of_shards_is_counted(
    folder: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    few = read_index(folder)
    large = many(few, folder, tmp_path / "large", copies=12)
    measured = measure(large, tmp_path / "large", [128], most_tokens=large.tokens // 4)
    assert measured.shards == len(large.shards) // 4
    assert 0.15 < measured.tokens / large.tokens < 0.35
    # What alternates in the corpus is seen.
    assert (measured.id_counts > 0).sum() == (measure(few, folder, []).id_counts > 0).sum()
    write_page(large, tmp_path / "large", tokenizer, "large", measured=measured)
    page = page_of(tmp_path / "large")
    assert f"{len(large.shards)} 个分片中的 {measured.shards} 个" in page
    assert "≈ 行数" in page


def test_one_shard_at_least_is_counted(folder: Path) -> None:
    assert measure(read_index(folder), folder, [], most_tokens=1).shards == 1


def test_a_damaged_shard_is_named(folder: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    write_shards(ENGLISH, tokenizer, tmp_path / "s")
    contents, file = read_index(tmp_path / "s"), tmp_path / "s" / "shard-00000.bin"
    raw = bytearray(file.read_bytes())
    raw[-7] += 1  # the sentences of a document
    file.write_bytes(raw)
    with pytest.raises(DataError, match=r"shard-00000\.bin: damaged"):
        measure(contents, tmp_path / "s", [])


def test_the_frequent_tokens_by_their_number(folder: Path, tokenizer: Tokenizer) -> None:
    measured = measure(read_index(folder), folder, [])
    words = Counter({token: int(n) for token, n in zip(
        tokenizer.tokens(range(tokenizer.vocab_size)), measured.id_counts, strict=True
    )})  # fmt: skip
    page = page_of(folder)
    places = [page.index(f">{token}<") for token, _ in words.most_common(3)]
    assert places == sorted(places)
