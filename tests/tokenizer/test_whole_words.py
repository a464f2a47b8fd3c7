"""Whole words: English by pieces, Chinese by a segmenter, from the text or from ids alone."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from filbert.errors import DataError
from filbert.tokenizer import Tokenizer
from filbert.tokenizer.whole_words import whole_words, whole_words_of_ids

VOCAB = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"机器学习很有用我们。，,", *"abcdefghijklmnop'",
    "learn", "##ing", "un", "##able", "##s", "python", "##3", "don", "t",
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(VOCAB)


def shown(tokenizer: Tokenizer, text: str) -> list[str]:
    """The text of each word, quoted by the offsets of its tokens."""
    encoded = tokenizer.encode(text)
    words = whole_words(text, encoded)
    assert words.dtype == np.int32
    assert len(words) == len(encoded)
    assert words[0] == words[-1] == -1
    found = []
    for word in range(words.max() + 1):
        inside = encoded.offsets[words == word]
        found.append(text[inside[0, 0] : inside[-1, 1]])
    return found


def test_english_by_pieces(tokenizer: Tokenizer) -> None:
    assert shown(tokenizer, "Learning, unables don't") == [
        "Learning", ",", "unables", "don", "'", "t",
    ]  # fmt: skip


def test_chinese_by_the_segmenter(tokenizer: Tokenizer) -> None:
    assert shown(tokenizer, "机器学习很有用。") == ["机器", "学习", "很", "有用", "。"]


def test_both_in_one_line(tokenizer: Tokenizer) -> None:
    assert shown(tokenizer, "我们用Python3学习 learning") == [
        "我们", "用", "Python3", "学习", "learning",
    ]  # fmt: skip


def test_an_unknown_chinese_character_belongs_to_its_word(tokenizer: Tokenizer) -> None:
    assert shown(tokenizer, "我们喜欢学习") == ["我们", "喜欢", "学习"]


def test_a_space_parts_chinese_words(tokenizer: Tokenizer) -> None:
    assert shown(tokenizer, "学 习\n机器") == ["学", "习", "机器"]


@pytest.mark.parametrize(
    "text", ["Learning, unables don't", "机器学习很有用。", "我们用Python3学习 learning", ""]
)
def test_ids_alone_say_the_same(tokenizer: Tokenizer, text: str) -> None:
    encoded = tokenizer.encode(text)
    words = whole_words_of_ids(tokenizer, encoded.token_ids)
    assert words.dtype == np.int32
    assert words.tolist() == whole_words(text, encoded).tolist()


def test_no_word_goes_on_across_a_special_token(tokenizer: Tokenizer) -> None:
    ids = [tokenizer.id(token) for token in ["机", "[MASK]", "器", "[SEP]", "##ing", "学", "习"]]
    assert whole_words_of_ids(tokenizer, ids).tolist() == [0, -1, 1, -1, 2, 3, 3]


def test_a_row_may_begin_within_a_word(tokenizer: Tokenizer) -> None:
    ids = [tokenizer.id(token) for token in ["##ing", "##s", "learn", "##ing"]]
    assert whole_words_of_ids(tokenizer, ids).tolist() == [0, 0, 1, 1]
    assert whole_words_of_ids(tokenizer, []).tolist() == []


def test_no_word_goes_on_from_one_sequence_to_the_next(tokenizer: Tokenizer) -> None:
    """Sequences that lie end to end, special tokens between them or not."""
    pieces = ["机", "learn", "##ing", "机", "器", "学", "习", "##s"]
    ids = [tokenizer.id(piece) for piece in pieces]
    assert whole_words_of_ids(tokenizer, ids).tolist() == [0, 1, 1, 2, 2, 3, 3, 3]
    ends = np.array([2, 4, 6, 6, 8])
    assert whole_words_of_ids(tokenizer, ids, ends).tolist() == [0, 1, 2, 3, 4, 4, 5, 5]


def test_a_character_that_is_no_letter_yet_is_alone() -> None:
    """U+FAFF has no meaning: no segmenter says that a word begins there."""
    tokenizer = Tokenizer([*VOCAB, "\ufaff"])
    ids = [tokenizer.id(token) for token in ["a", "\ufaff", "[SEP]", "\ufaff", "b"]]
    assert whole_words_of_ids(tokenizer, ids).tolist() == [0, 1, -1, 2, 3]


def test_real_text_by_both_ways(shared_data: Path) -> None:
    tokenizer = Tokenizer(
        (shared_data / "ckpt/vocab-bert-base-chinese.txt").read_text("utf-8").split("\n")[:-1]
    )
    with gzip.open(
        shared_data / "corpus/zhwiki-extracted-00.jsonl.gz", "rt", encoding="utf-8"
    ) as f:
        texts = [json.loads(f.readline())["text"][:4000].replace(" ", "") for _ in range(20)]
    for text in texts:
        for line in text.split("\n"):
            encoded = tokenizer.encode(line)
            if tokenizer.special_ids.unk not in encoded.token_ids and "\u3040" not in line:
                by_text = whole_words(line, encoded)
                assert by_text.tolist() == whole_words_of_ids(tokenizer, encoded.token_ids).tolist()


def test_other_kinds_say_it_by_their_tokens(tokenizer_kinds: dict[str, Path]) -> None:
    for folder in tokenizer_kinds.values():
        tokenizer = Tokenizer.load(folder)
        ids = tokenizer.encode("The cat sat.").token_ids
        words = whole_words_of_ids(tokenizer, ids)
        assert words[0] == words[-1] == -1
        assert (np.diff(words[words >= 0]) >= 0).all()  # [UNK] is -1


def test_what_does_not_belong_together_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match="tokens of another text"):
        whole_words("a", tokenizer.encode("learning"))
    with pytest.raises(DataError, match="tokens of a pair"):
        whole_words("a b", tokenizer.encode("a b", "c"))
    with pytest.raises(DataError, match="token id 999"):
        whole_words_of_ids(tokenizer, [999])
