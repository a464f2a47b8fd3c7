"""New words for an old vocabulary: which, and that nothing that was known is lost."""

from pathlib import Path

import pytest

from filbert.errors import DataError, SettingsError
from filbert.tokenizer import Rules, Tokenizer
from filbert.tokenizer.extension import choose_words, with_words

VOCAB = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "中", *"abcdet",
    *(f"##{x}" for x in "abcde"), "##cd", "ab",
]  # fmt: skip


@pytest.fixture
def tokenizer() -> Tokenizer:
    return Tokenizer(VOCAB)


def names(chosen: list) -> list[str]:
    return [new.word for new in chosen]


def test_the_words_that_save_most_tokens_come_first(tokenizer: Tokenizer) -> None:
    words = {"abcd": 30, "abed": 20, "ab": 900, "cab": 19, "bad": 5, "da": 4, "12": 500}
    chosen = choose_words(tokenizer, words.items(), 10)
    assert [(new.word, new.count * (len(new.pieces) - 1)) for new in chosen] == [
        ("abed", 40), ("cab", 38), ("abcd", 30), ("bad", 10),
    ]  # fmt: skip
    assert tokenizer.tokens(chosen[0].pieces) == ["ab", "##e", "##d"]
    assert names(choose_words(tokenizer, words.items(), 2)) == ["abed", "cab"]
    assert names(choose_words(tokenizer, words.items(), 9, least_pieces=3)) == [
        "abed", "cab", "bad",
    ]  # fmt: skip


def test_ties_fall_by_the_letters(tokenizer: Tokenizer) -> None:
    words = [("bd", 7), ("bc", 7), ("ad", 7)]
    assert names(choose_words(tokenizer, words, 2)) == ["ad", "bc"]
    assert names(choose_words(tokenizer, words[::-1], 2)) == ["ad", "bc"]


def test_chinese_characters_that_are_missing_are_words(tokenizer: Tokenizer) -> None:
    chosen = choose_words(tokenizer, [("器", 50), ("中", 99), ("abcd", 10)], 5)
    assert names(chosen) == ["器", "abcd"]
    assert tokenizer.tokens(chosen[0].pieces) == ["[UNK]"]


def test_a_word_that_would_spoil_another_is_left_out() -> None:
    # With "abc" as a token, "abcx" would have to go on with ##x, which is not there.
    tokenizer = Tokenizer([*VOCAB, "##cx"])
    chosen = choose_words(tokenizer, [("abc", 90), ("abcx", 3), ("abcd", 20)], 5)
    assert names(chosen) == ["abcd"]


def test_ids_stay_and_the_new_ones_follow(tokenizer: Tokenizer, tmp_path: Path) -> None:
    grown = with_words(tokenizer, ["abed", "器"])
    assert grown.tokens(range(grown.vocab_size)) == [*VOCAB, "abed", "器"]
    grown.save(tmp_path)
    assert Tokenizer.load(tmp_path).digest == grown.digest
    assert grown.encode("abed器 cab", specials=False).token_ids.tolist() == [
        len(VOCAB), len(VOCAB) + 1, *tokenizer.encode("cab", specials=False).token_ids,
    ]  # fmt: skip


def test_added_tokens_of_a_folder_keep_their_ids() -> None:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    added = [{"id": len(VOCAB), "content": "<x>", **flags}]
    grown = with_words(Tokenizer(VOCAB, added=added), ["abed"])
    assert grown.id("<x>") == len(VOCAB)
    ids = grown.encode("a<x>abed", specials=False).token_ids
    assert grown.tokens(ids) == ["a", "<x>", "abed"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("ab", "'ab': the vocabulary has it already"),
        ("a b", "'a b': expected one word"),
        ("中国", "'中国': expected one word"),
        ("", "expected one word"),
        ("a" * 101, "expected one word of at most 100"),
        ("Bad", "'Bad': is not what the tokenizer makes of it"),
    ],
)
def test_what_is_no_new_word_is_refused(tokenizer: Tokenizer, word: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        with_words(tokenizer, [word])


def test_cased_vocabularies_keep_case() -> None:
    tokenizer = Tokenizer([*VOCAB, "B"], rules=Rules(lowercase=False, strip_accents=False))
    assert names(choose_words(tokenizer, [("Bad", 9), ("bad", 8)], 5)) == ["Bad", "bad"]
    assert with_words(tokenizer, ["Bad"]).id("Bad") == len(VOCAB) + 1


def test_no_word_and_wrong_numbers(tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match="none of the words"):
        choose_words(tokenizer, [("ab", 10), ("bad", 1)], 5)
    with pytest.raises(SettingsError, match="words: expected 1 or more, got 0"):
        choose_words(tokenizer, [("bad", 10)], 0)
    with pytest.raises(SettingsError, match="least_pieces: expected 2 or more, got 1"):
        choose_words(tokenizer, [("bad", 10)], 1, least_pieces=1)


def test_other_kinds_are_refused(tokenizer_kinds: dict[str, Path]) -> None:
    other = Tokenizer.load(next(iter(tokenizer_kinds.values())))
    with pytest.raises(SettingsError, match="expected a WordPiece vocabulary"):
        choose_words(other, [("bad", 10)], 5)
