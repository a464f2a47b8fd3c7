"""Whole words and spans hidden in English and Chinese text, by tokenizers that were learnt."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from filbert.batch import Array, Row
from filbert.tasks import Pretrain
from filbert.tasks.masking import Spans
from filbert.tokenizer import Tokenizer, learn_wordpiece
from filbert.tokenizer.whole_words import whole_words

pytest.importorskip("rjieba", reason="Chinese words need rjieba")

SPANS: tuple[Spans, ...] = ("single", "ngram", "geometric")
ENGLISH = [
    "Reading maketh a full man, conference a ready man, and writing an exact man.",
    "It was the best of times, it was the worst of times; it was the age of wisdom.",
    "Unhappily the unreadable handwriting was rewritten by the unhappiest of writers.",
    "Whales were sighted northwards; the whalers' harpooners harpooned them.",
]
CHINESE = [
    "我们喜欢机器学习，因为机器学习很有用。",
    "中华人民共和国的首都是北京，上海是中国最大的城市。",
    "图书馆里有很多关于历史和地理的书籍。",
    "他昨天在学校里学习了数学和物理，今天要去博物馆。",
]


@pytest.fixture(scope="module")
def learnt() -> Tokenizer:
    return learn_wordpiece(ENGLISH * 3 + CHINESE * 3, 160, alphabet_limit=130)


def rows_of(tokenizer: Tokenizer, texts: Sequence[str], copies: int) -> tuple[list[Row], Array]:
    """Rows, `copies` of each text, and the words of them all end to end, found in the text."""
    rows, words = [], []
    for text in texts:
        encoded = tokenizer.encode(text)
        for _ in range(copies):
            rows.append(Row(encoded.token_ids, encoded.segments, origin=(0, len(rows))))
            found = whole_words(text, encoded)
            # An unknown word is never hidden, and parts what stands around it.
            found[tokenizer.is_special[encoded.token_ids]] = -1
            words.append(np.where(found < 0, -1, found + 10_000 * len(rows)))
    return rows, np.concatenate(words)


def check(tokenizer: Tokenizer, texts: Sequence[str], copies: int, spans: Spans) -> float:
    """The part of the tokens that is hidden; all or nothing of each word of the text."""
    rows, words = rows_of(tokenizer, texts, copies)
    task = Pretrain(512, masked_unit="word", spans=spans).with_tokenizer(tokenizer)
    packed = task.batch(rows, 1, 0)
    hidden = np.zeros(len(words), np.bool_)
    hidden[packed.targets["positions"]] = True
    numbers, place, size = np.unique(words, return_inverse=True, return_counts=True)
    of_word = np.bincount(place, hidden)
    assert of_word[0] == 0
    assert numbers[0] == -1
    whole = of_word == size
    assert (whole | (of_word == 0)).all()
    assert (size[1:][whole[1:]] > 1).any()
    for start, end in zip(packed.starts, packed.ends, strict=True):
        available = (words[start:end] >= 0).sum()
        assert hidden[start:end].sum() <= max(1, np.rint(0.15 * available))
    return float(hidden.sum() / (words >= 0).sum())


@pytest.mark.parametrize("spans", SPANS)
@pytest.mark.parametrize("texts", [ENGLISH, CHINESE, [" ".join(ENGLISH + CHINESE)]])
def test_words_of_a_learnt_tokenizer(texts: list[str], spans: Spans, learnt: Tokenizer) -> None:
    assert 0.1 < check(learnt, texts, 50, spans) < 0.17


def test_each_word_of_several_tokens_has_its_turn(learnt: Tokenizer) -> None:
    for texts in (ENGLISH, CHINESE):
        rows, words = rows_of(learnt, texts, 1)
        numbers, sizes = np.unique(words[words >= 0], return_counts=True)
        small = set(numbers[sizes <= 2].tolist())
        assert (sizes == 2).any()
        task = Pretrain(128, masked_unit="word").with_tokenizer(learnt)
        seen = set()
        for epoch in range(150):
            seen |= set(words[task.batch(rows, 1, epoch).targets["positions"]].tolist())
        assert small <= seen


def test_chinese_spans_go_over_words_and_characters(learnt: Tokenizer) -> None:
    """Runs of hidden tokens are longer with spans than with words, and than with characters."""
    row = learnt.encode(CHINESE[1] + CHINESE[3])
    rows = [Row(row.token_ids, row.segments, origin=(0, number)) for number in range(400)]

    def mean_run(task: Pretrain) -> float:
        positions = task.with_tokenizer(learnt).batch(rows, 1, 0).targets["positions"]
        return len(positions) / (1 + int((np.diff(positions) > 1).sum()))

    character, word = Pretrain(), Pretrain(masked_unit="word")
    runs = [mean_run(task) for task in (character, word, replace(word, spans="ngram"))]
    assert runs[0] < 1.3 < runs[1] < runs[2]
    assert mean_run(replace(character, spans="geometric")) > 2.2


@pytest.mark.parametrize("spans", SPANS)
def test_books_in_english_with_berts_vocabulary(spans: Spans, shared_data: Path) -> None:
    with gzip.open(
        shared_data / "ckpt/vocab-bert-base-uncased.txt.gz", "rt", encoding="utf-8"
    ) as file:
        tokenizer = Tokenizer(file.read().split("\n")[:-1])
    with gzip.open(shared_data / "corpus/gutenberg-alice.txt.gz", "rt", encoding="utf-8") as file:
        text = file.read()
    parts = [" ".join(text[at : at + 400].split()) for at in range(2000, 62_000, 400)]
    assert 0.14 < check(tokenizer, parts, 1, spans) < 0.16


@pytest.mark.parametrize("spans", SPANS)
def test_wiki_in_chinese_with_berts_vocabulary(spans: Spans, shared_data: Path) -> None:
    tokenizer = Tokenizer(
        (shared_data / "ckpt/vocab-bert-base-chinese.txt").read_text("utf-8").split("\n")[:-1]
    )
    with gzip.open(
        shared_data / "corpus/zhwiki-extracted-00.jsonl.gz", "rt", encoding="utf-8"
    ) as file:
        texts = [json.loads(file.readline())["text"] for _ in range(20)]
    lines = [line.replace(" ", "")[:300] for text in texts for line in text.split("\n")]
    # Kana beside Chinese characters cannot be told from the token ids, nor can unknown ones.
    plain = [
        line
        for line in lines
        if len(line) > 60
        and not any("\u3040" <= c <= "\u30ff" or c >= "\U00010000" for c in line)
        and tokenizer.special_ids.unk not in tokenizer.encode(line).token_ids
    ]
    assert len(plain) > 50
    assert 0.13 < check(tokenizer, plain, 1, spans) < 0.16
