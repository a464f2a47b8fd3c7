"""The ids of known words, joined, are those that the library gives for the whole text."""

import gzip
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filbert.tokenizer import Rules, SpecialTokens, Tokenizer, words_cache

LETTERS = "abdeinrstABDEIN019éÉöüñßıİŞΣσςжЖЙйا한국ᄒ"
MARKS = ".,!?'\"()[]-_$@#~^`|。，、「」《》“”‘’…—–·«»！？（）；：、･・"
HAN = "我用代码写的豈\uf900\ufa11〇\U00020000\U0002b820\U0002b8b8\U0002b920\U00030000\U0002f800"
# A word of any script is spelt out, so that no difference hides behind [UNK].
ALPHABET = sorted(set(LETTERS + MARKS + HAN + LETTERS.lower() + "가각漢\u0301\u0323\u3099がガヴ"))
VOCAB = [
    *SpecialTokens().all,
    *ALPHABET,
    *(f"##{letter}" for letter in ALPHABET),
    *("##ing", "the", "and", "##est", "bad", "我们", "[", "mask", "[MASK", "\u0301a"),
]
VOCAB = list(dict.fromkeys(VOCAB))
ALL_RULES = [Rules(*flags) for flags in product((False, True), repeat=3)]

# Spaces of every kind; controls, zero width, joiners and surrogate halves' neighbours that BERT
# drops; marks that move or join in normal forms.
NASTY = [
    *" \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000",
    *"\0\x01\x7f\x80\xad\u061c\u180e\u200b\u200c\u200d\u200e\u2060\u2065\ufeff\ufffd\ue000\ufff9",
    *"\u0301\u0323\u0327\u0345\u3099\u309a\u05b0\u093e\u0bbe\u1161\u11a8\u20e3\ufe0f\U000e0101",
    *LETTERS,
    *MARKS,
    *HAN,
    *"ａＡ１．，ｶﾞﬁǅⅷ²½Åﷺ🙂👩\U0001f3fd🇨🇳\U0002b820\U0002b91f\U0002b920\U0002ceb0\U0010ffff",
    *("[MASK]", "[UNK]", "[SEP]", "##ing", "the", "testing", "a" * 100, "b" * 101, "é" * 60),
    *("e\u0301" * 60, "我" * 120, "\u200b" * 120 + "a", "x.y" * 50, " " * 50),
]
TEXTS = st.lists(st.sampled_from(NASTY), max_size=30).map("".join)


def by_library(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    encodings = tokenizer._literal.encode_batch_fast(list(texts), add_special_tokens=False)
    return [encoding.ids for encoding in encodings]


def check(tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    expected = by_library(tokenizer, texts)
    for _ in range(2):  # what is new, then what is known
        batch = tokenizer.ids_batch(texts)
        assert [ids.tolist() for ids in batch] == expected
        ids, counts = tokenizer.ids_flat(texts)
        assert ids.tolist() == [each for row in expected for each in row]
        assert counts.tolist() == [len(row) for row in expected]
        assert ids.dtype == counts.dtype == np.int32
        assert all(row.dtype == np.int32 for row in batch)


@pytest.fixture(scope="module", params=ALL_RULES, ids=str)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return Tokenizer(VOCAB, rules=request.param)


@settings(deadline=None, max_examples=150)
@given(st.lists(TEXTS | st.text(), max_size=4))
@example(["a\x0bb \x1c c\x85d", "a\0b", "\0", " \0 "])
@example(["a 我\u0301b .\u0323\u0301a", "e\u0301\u0323e\u0323\u0301"])
@example(["", "b" * 10_000 + " a", "a." * 10_000])
@example(["\uf900 \U0002f800a\U0002b820b", "a[MASK]b ##ing"])
@example(["ΑΣ ΑΣ. İI", "가\u11a8 \u1112\u1161\u11ab"])
def test_any_text_in_every_rule(tokenizer: Tokenizer, texts: list[str]) -> None:
    check(tokenizer, texts)


def test_every_character_beside_every_kind(tokenizer: Tokenizer) -> None:
    """What glues, divides or changes its neighbours does so as in the library."""
    numbers = [*range(0x3400), *range(0x3400, 0x30000, 11), *range(0xF900, 0x10000)]
    numbers += range(0xE0000, 0xE0200)
    characters = [chr(number) for number in numbers if not 0xD800 <= number < 0xE000]
    for start in range(0, len(characters), 2000):
        texts = [f"a{c}b.{c}我{c}“{c}e {c}" for c in characters[start : start + 2000]]
        ids, counts = tokenizer.ids_flat(texts)
        expected = by_library(tokenizer, texts)
        assert counts.tolist() == [len(row) for row in expected]
        assert ids.tolist() == [each for row in expected for each in row]


def test_nothing_at_all() -> None:
    tokenizer = Tokenizer(VOCAB)
    assert tokenizer.ids_batch([]) == []
    ids, counts = tokenizer.ids_flat([])
    assert (ids.size, counts.size) == (0, 0)
    check(tokenizer, ["", " \t", "", "a", ""])


def test_a_full_cache_forgets_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words_cache, "ENTRIES", 30)
    monkeypatch.setattr(words_cache, "_STAYING", 10)
    tokenizer = Tokenizer(VOCAB)
    for number in range(100):
        texts = [f"the bad{number} {'x' * number} test{number % 7}.", f"我{number}用 and"]
        ids, _ = tokenizer.ids_flat(texts)
        assert ids.tolist() == [each for row in by_library(tokenizer, texts) for each in row]
        assert len(tokenizer._words._known) <= 30
    assert "the" in tokenizer._words._known  # what came first is what comes often


def test_long_words_are_not_kept() -> None:
    tokenizer = Tokenizer(VOCAB)
    check(tokenizer, ["a" * 5000 + " the", "é" * 5000])
    assert max(map(len, tokenizer._words._known)) <= 64


def test_rows_may_be_written_to() -> None:
    tokenizer = Tokenizer(VOCAB)
    first, second = tokenizer.ids_batch(["the bad", "and"])
    first[:] = 0
    assert second.tolist() == by_library(tokenizer, ["and"])[0]
    assert tokenizer.ids_batch(["the bad"])[0].tolist() == by_library(tokenizer, ["the bad"])[0]


def test_threads_may_share_a_small_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words_cache, "ENTRIES", 50)
    monkeypatch.setattr(words_cache, "_STAYING", 10)
    tokenizer = Tokenizer(VOCAB)
    texts = [f"the bad{n} {'ab' * (n % 50)} test{n % 7}. 我{n}" for n in range(400)]
    expected = by_library(tokenizer, texts)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: tokenizer.ids_batch([text])[0].tolist(), texts * 2))
    assert found == expected * 2


def test_added_tokens_are_still_found() -> None:
    added = [{"id": len(VOCAB), "content": "<x y>", "normalized": False}]
    tokenizer = Tokenizer(VOCAB, added=added)
    (ids,) = tokenizer.ids_batch(["the<x y>bad"])
    assert tokenizer.tokens(ids) == ["the", "<x y>", "bad"]
    check(tokenizer, ["the<x y>bad", "", "我 <x y>"])


def test_shared_text(shared_data: Path) -> None:
    english = gzip.decompress((shared_data / "corpus/gutenberg-alice.txt.gz").read_bytes())
    chinese = gzip.decompress((shared_data / "corpus/zhwiki-extracted-00.jsonl.gz").read_bytes())
    texts = english.decode().split("\n\n")
    texts += [json.loads(line)["text"][:5000] for line in chinese.decode().splitlines()[:40]]
    check(Tokenizer(VOCAB), texts)
