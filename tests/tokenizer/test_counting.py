"""Counting words: as the tokenizer cuts them, in bounded memory, in any order and in parts."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import normalizers, pre_tokenizers

from filbert.errors import DataError, FilbertError
from filbert.tokenizer import Rules, WordCounter, counting

CASED = Rules(lowercase=False, strip_accents=False)
NASTY = "aB é́ß İ中豈\u3000ひ한\u200d\x00\x0b\x1c\x85\u2028\xad.,_-“’("
NASTY += "\ufffd\U0001f600\U00020000\U0002b740"


def by_the_library(texts: list[str], rules: Rules) -> Counter[str]:
    normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=rules.split_chinese,
        strip_accents=rules.strip_accents,
        lowercase=rules.lowercase,
    )
    cut = pre_tokenizers.BertPreTokenizer()
    words = Counter(
        word for text in texts for word, _ in cut.pre_tokenize_str(normalizer.normalize_str(text))
    )
    return Counter({word: count for word, count in words.items() if len(word) <= 100})


def counted(texts: list[str], rules: Rules, **options) -> Counter[str]:
    with WordCounter(rules, **options) as counter:
        counter.add(texts)
        return Counter(dict(counter.words()))


@given(
    st.lists(st.text() | st.text(alphabet=NASTY), max_size=4),
    st.sampled_from([Rules(), CASED, Rules(split_chinese=False)]),
)
def test_words_are_those_of_the_tokenizer(texts: list[str], rules: Rules) -> None:
    assert counted(texts, rules) == by_the_library(texts, rules)


@pytest.mark.parametrize("rules", [Rules(), CASED])
def test_real_text(shared_data: Path, rules: Rules) -> None:
    import gzip

    texts = []
    for name in ("enwiki-extracted-00.txt.gz", "zhwiki-extracted-00.jsonl.gz"):
        with gzip.open(shared_data / "corpus" / name, "rt", encoding="utf-8") as file:
            texts.append(file.read(300_000))
    assert counted(texts, rules) == by_the_library(texts, rules)


def many_texts(number: int) -> list[str]:
    pick = random.Random(1)
    words = ["the", "fox,", "Été", "“don't”", "机器学习", *(f"w{n}" for n in range(3000))]
    return [" ".join(pick.choices(words, k=200)) for _ in range(number)]


def test_little_memory_and_any_order_give_the_same(tmp_path: Path) -> None:
    texts = many_texts(60)
    expected = by_the_library(texts, Rules())
    spills = tmp_path / "spills"
    with WordCounter(Rules(), memory_bytes=100_000, folder=spills) as counter:
        counter.add(texts[::-1])
        assert any(spills.iterdir())
        assert Counter(dict(counter.words())) == expected
    assert spills.is_dir()  # a folder that was given stays


def test_a_folder_of_its_own_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with WordCounter(Rules(), memory_bytes=50_000) as counter:
        counter.add(many_texts(20))
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


def test_parts_are_put_together(tmp_path: Path) -> None:
    texts = many_texts(30)
    with WordCounter(Rules()) as whole:
        for number, part in enumerate((texts[:7], texts[7:8], texts[8:])):
            one = WordCounter(Rules(), folder=tmp_path / str(number))
            one.add(part)
            folder = one.spill()
            assert folder is not None
            whole.absorb(folder)
        whole.add(["the fox"])
        found = Counter(dict(whole.words()))
    assert found == by_the_library([*texts, "the fox"], Rules())


def test_long_texts_are_cut_where_no_word_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(many_texts(10)) + "a,b;c" * 300 + "机器" * 200
    monkeypatch.setattr(counting, "_BLOCK", 97)
    assert counted([text], Rules()) == by_the_library([text], Rules())


def test_a_run_without_end_is_passed_over_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_BLOCK", 1000)
    monkeypatch.setattr(counting, "_LONGEST_RUN", 500)
    counter = WordCounter(Rules())
    counter.add(["one two " * 100 + "x" * 5_000 + " three"])
    assert dict(counter.words()) == {"one": 100, "two": 100, "three": 1}
    assert counter.passed_over > 4_000


def test_words_that_are_too_long_are_counted_as_such() -> None:
    counter = WordCounter(Rules())
    counter.add(["b" * 101 + " a " + "c" * 100])
    assert dict(counter.words()) == {"a": 1, "c" * 100: 1}
    assert counter.too_long == 1


def test_half_a_character_is_named_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_BLOCK", 10)
    with pytest.raises(DataError, match="text 2: character 32 is half of a pair"):
        WordCounter(Rules()).add(["fine", "abcdefgh " * 3 + "中文 ab\ud83d"])


def test_a_disk_that_refuses_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    counter = WordCounter(Rules(), folder=tmp_path / "file")
    counter.add(["a word"])
    with pytest.raises(FilbertError, match=r"file: word counts could not be written"):
        counter.spill()
