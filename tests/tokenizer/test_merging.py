"""Merging pieces: the same as the trainer of `tokenizers`, but exact whatever the counts."""

import gzip
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from filbert.errors import DataError
from filbert.tokenizer import Rules, WordCounter
from filbert.tokenizer.merging import merge_pieces

WORDS = {"low": 5, "lower": 2, "newest": 6, "widest": 3, "aaaaa": 4, "abab": 4, "banana": 1}


def letters_of(words: dict[str, int]) -> list[str]:
    """##x first: so ties fall in the library's trainer as here."""
    first = sorted({"##" + letter for word in words for letter in word[1:]})
    return first + sorted({letter for word in words for letter in word})


def by_the_library(words: dict[str, int], vocab_size: int, min_frequency: int) -> list[str]:
    first = letters_of(words)
    alphabet = [piece for piece in first if not piece.startswith("##")]
    model = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        show_progress=False,
        special_tokens=[piece for piece in first if piece.startswith("##")],
        initial_alphabet=alphabet,
        continuing_subword_prefix="##",
    )
    model.train_from_iterator((" ".join([word] * n) for word, n in words.items()), trainer)
    vocab = model.get_vocab()
    return sorted(vocab.keys() - set(first), key=vocab.__getitem__)


def by_hand(words: dict[str, int], vocab_size: int, min_frequency: int) -> list[str]:
    """The algorithm as it is told, slowly."""
    pieces = letters_of(words)
    first = len(pieces)
    texts = {word: [word[0], *("##" + letter for letter in word[1:])] for word in words}
    while len(pieces) < vocab_size:
        pairs: Counter = Counter()
        for word, text in texts.items():
            for pair in pairwise(text):
                pairs[pair] += words[word]
        best = min(
            pairs,
            key=lambda pair: (-pairs[pair], pieces.index(pair[0]), pieces.index(pair[1])),
            default=None,
        )
        if best is None or pairs[best] < min_frequency:
            break
        made = best[0] + best[1].removeprefix("##")
        if made not in pieces:
            pieces.append(made)
        for word, text in texts.items():
            at = 0
            while at < len(text) - 1:
                if (text[at], text[at + 1]) == best:
                    text[at : at + 2] = [made]
                at += 1
            texts[word] = text
    return pieces[first:]


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=8), st.integers(1, 4), max_size=8),
    st.integers(5, 40),
    st.integers(1, 3),
)
def test_merges_as_the_algorithm_is_told(words: dict, size: int, least: int) -> None:
    assert merge_pieces(words, letters_of(words), size, least) == by_hand(words, size, least)


@pytest.mark.parametrize("size", [20, 35, 200])
def test_merges_as_the_library(size: int) -> None:
    assert merge_pieces(WORDS, letters_of(WORDS), size, 1) == by_the_library(WORDS, size, 1)


def test_real_words_give_the_library_s_pieces(shared_data: Path) -> None:
    with gzip.open(shared_data / "corpus/enwiki-extracted-00.txt.gz", "rt", encoding="utf-8") as f:
        texts = [f.read(700_000)]
    with gzip.open(
        shared_data / "corpus/zhwiki-extracted-00.jsonl.gz", "rt", encoding="utf-8"
    ) as f:
        texts += [json.loads(line)["text"] for line in f]
    counter = WordCounter(Rules())
    counter.add(texts)
    words = dict(counter.words())
    assert merge_pieces(words, letters_of(words), 12_000, 2) == by_the_library(words, 12_000, 2)


@pytest.mark.parametrize("factor", [5 * 10**9, 10**15])
def test_counts_beyond_32_bits_change_nothing(factor: int) -> None:
    # tokenizers #2058: its trainer counts pairs in 32 bits, and loses the first of them.
    large = {word: count * factor for word, count in WORDS.items()}
    merged = merge_pieces(large, letters_of(large), 60, 2 * factor)
    assert merged == merge_pieces(WORDS, letters_of(WORDS), 60, 2)
    assert merged[0] == by_the_library(WORDS, 60, 2)[0]


def test_counts_beyond_64_bits_are_refused() -> None:
    with pytest.raises(DataError, match="pairs are counted in 64 bits"):
        merge_pieces({"ab": 2**62}, ["##b", "a"], 10, 1)


def test_nothing_to_merge() -> None:
    assert merge_pieces({}, ["a"], 10, 1) == []
    assert merge_pieces({"a": 3}, ["a"], 10, 1) == []
    assert merge_pieces({"ab": 1}, ["##b", "a"], 10, 2) == []
