"""Learning a vocabulary: the same one every time, from English and from Chinese."""

import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from filbert.errors import DataError, SettingsError
from filbert.tokenizer import (
    Rules,
    SpecialTokens,
    Tokenizer,
    WordCounter,
    learn_from_counts,
    learn_wordpiece,
    learning,
)

TEXTS = [
    "The quick brown fox jumps over the lazy dog, and the dogs jump over the foxes.",
    "Préparez un café; the naïve façade. He said: “don't!” (12,345 times)",
    "快速的棕色狐狸跳过懒狗。机器学习很有用，我们用Python学习。",
    "lower lowest newer newest wider widest; slower slowest",
] * 3

SCRIPT = """
import json, sys
from filbert.tokenizer import learn_wordpiece
texts = json.loads(sys.stdin.read())
t = learn_wordpiece(texts, 400, min_frequency=1)
print(json.dumps(t.tokens(range(t.vocab_size))))
"""


def tokens_of(tokenizer: Tokenizer) -> list[str]:
    return tokenizer.tokens(range(tokenizer.vocab_size))


def test_the_same_in_every_process_and_in_any_order() -> None:
    # Processes, because hash tables differ between them.
    results = []
    for seed in range(3):
        texts = random.Random(seed).sample(TEXTS, len(TEXTS))
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            input=json.dumps(texts),
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stderr == ""
        results.append(json.loads(run.stdout))
    assert results[0] == results[1] == results[2]
    assert results[0] == tokens_of(learn_wordpiece(TEXTS, 400, min_frequency=1))


@pytest.mark.parametrize("lowercase", [True, False])
def test_real_text_gives_three_equal_vocabularies(shared_data: Path, lowercase: bool) -> None:
    corpus = shared_data / "corpus"
    with gzip.open(corpus / "enwiki-extracted-00.txt.gz", "rt", encoding="utf-8") as file:
        texts = file.read(400_000).split("\n")
    with gzip.open(corpus / "zhwiki-extracted-00.jsonl.gz", "rt", encoding="utf-8") as file:
        texts += [json.loads(line)["text"] for line in file]
    vocabularies = [
        tokens_of(learn_wordpiece(order, 6000, lowercase=lowercase))
        for order in (texts, texts[::-1], texts)
    ]
    assert vocabularies[0] == vocabularies[1] == vocabularies[2]
    assert len(vocabularies[0]) == 6000


def test_order_of_the_ids() -> None:
    tokenizer = learn_wordpiece(["abab abab ab ba"], 50, min_frequency=1)
    assert tokens_of(tokenizer) == [
        *SpecialTokens().all, "a", "b", "##a", "##b", "ab", "##ab", "abab", "ba",
    ]  # fmt: skip
    assert tokenizer.special_ids.pad == 0


def test_size_is_kept_and_may_stay_smaller() -> None:
    assert learn_wordpiece(TEXTS, 120).vocab_size == 120
    assert learn_wordpiece(["ab"] * 2, 5000).vocab_size < 20


def test_min_frequency_is_kept() -> None:
    texts = ["apple apple apple pear"]
    assert "pear" in tokens_of(learn_wordpiece(texts, 100, min_frequency=1))
    often = tokens_of(learn_wordpiece(texts, 100, min_frequency=2))
    assert "apple" in often
    assert "pear" not in often


def test_lower_case_and_accents() -> None:
    tokenizer = learn_wordpiece(TEXTS, 300, min_frequency=1)
    assert tokenizer.lowercase
    assert (
        tokenizer.encode("CAFÉ").token_ids.tolist() == tokenizer.encode("cafe").token_ids.tolist()
    )
    assert all(token == token.lower() for token in tokens_of(tokenizer)[5:])


def test_cased_keeps_capitals_and_accents() -> None:
    tokenizer = learn_wordpiece(TEXTS, 300, lowercase=False, min_frequency=1)
    assert not tokenizer.lowercase
    assert "é" in tokens_of(tokenizer)
    assert tokenizer.tokens(tokenizer.encode("The the", specials=False).token_ids) == ["The", "the"]


def test_chinese_characters_are_words() -> None:
    tokenizer = learn_wordpiece(TEXTS, 300, min_frequency=1)
    pieces = tokenizer.tokens(tokenizer.encode("用Python学习", specials=False).token_ids)
    assert pieces == ["用", "python", "学", "习"]
    assert not any(
        token.startswith("##") and "\u4e00" <= token[2] <= "\u9fff"
        for token in tokens_of(tokenizer)
    )


def test_alphabet_limit_keeps_the_most_frequent_characters() -> None:
    texts = ["aaa bb c", "aaa bb d"]
    tokenizer = learn_wordpiece(texts, 50, min_frequency=1, alphabet_limit=2)
    assert {token for token in tokens_of(tokenizer) if len(token) == 1} == {"a", "b"}
    assert tokenizer.tokens(tokenizer.encode("a c ac", specials=False).token_ids) == [
        "a", "[UNK]", "[UNK]",
    ]  # fmt: skip


def test_ties_at_the_alphabet_limit_fall_by_code_point() -> None:
    tokenizer = learn_wordpiece(["z y x w"], 50, alphabet_limit=2, min_frequency=1)
    assert tokens_of(tokenizer)[5:] == ["w", "x"]


def test_the_alphabet_leaves_half_of_a_small_vocabulary() -> None:
    text = " ".join(chr(0x4E00 + number) * (2 if number < 10 else 1) for number in range(200))
    tokenizer = learn_wordpiece([text], 65, min_frequency=1)
    assert tokens_of(tokenizer)[5:15] == [chr(0x4E00 + number) for number in range(10)]
    assert tokenizer.vocab_size == 35


def test_words_that_are_too_long_teach_nothing() -> None:
    tokenizer = learn_wordpiece(["b" * 101 + " a"], 50, min_frequency=1)
    assert tokens_of(tokenizer)[5:] == ["a"]


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "0", "RAYON_NUM_THREADS": "1"},
        {"PYTHONHASHSEED": "7", "RAYON_NUM_THREADS": "3"},
    ],
)
def test_the_same_file_whatever_the_process_and_the_memory(
    environment: dict[str, str], tmp_path: Path
) -> None:
    script = (
        "import json, sys\n"
        "from filbert.tokenizer import learn_wordpiece\n"
        "texts = json.loads(sys.stdin.read())\n"
        "learn_wordpiece(texts, 900, memory_bytes=20_000, unused=9).save(sys.argv[1])\n"
    )
    pick = random.Random(5)
    letters = "etaoinshrdlu机器学习语言é"
    texts = [
        " ".join("".join(pick.choices(letters, k=pick.randint(1, 6))) for _ in range(300))
        for _ in range(20)
    ]
    learn_wordpiece(texts, 900, unused=9).save(tmp_path / "here")
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "there")],
        input=json.dumps(texts[::-1]),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == ""
    for name in ("vocab.txt", "tokenizer.json"):
        here, there = (tmp_path / where / name for where in ("here", "there"))
        assert here.read_bytes() == there.read_bytes()


def test_unused_places_stand_behind_pad_as_in_bert_base() -> None:
    tokenizer = learn_wordpiece(TEXTS, 300, unused=99)
    assert tokens_of(tokenizer)[:2] == ["[PAD]", "[unused0]"]
    # bert-base's own ids.
    assert [
        tokenizer.id(token) for token in ("[unused98]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    ] == [99, 100, 101, 102, 103]
    assert not {*range(1, 100)} & set(tokenizer.ordinary_ids.tolist())


def test_chinese_characters_take_one_place_each_and_half_of_the_vocabulary_at_most() -> None:
    rare = "".join(chr(0x4E00 + number) for number in range(5_000))
    tokenizer = learn_wordpiece([rare, *TEXTS], 1_000, min_frequency=1)
    tokens = tokens_of(tokenizer)
    chinese = [token for token in tokens if "\u4e00" <= token[-1] <= "\u9fff"]
    assert len(chinese) < 500
    assert all(len(token) == 1 for token in chinese)
    assert {"python", "newest"} <= set(tokens)


def test_rare_words_fall_out_by_a_rule_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "MOST_WORDS", 1)
    texts = [" ".join(f"w{number:03}" for number in range(200)), "often often seldom seldom"]
    with WordCounter(Rules()) as counter:
        counter.add([*texts, "often"])
        learnt = learn_from_counts(counter, 24, min_frequency=1)
    assert (learnt.floor, learnt.different_words, learnt.dropped_words) == (2, 202, 200)
    assert learnt.dropped_share == pytest.approx(200 / 205)
    assert learnt.words == 205
    monkeypatch.setattr(learning, "MOST_WORDS", 1)
    with pytest.raises(DataError, match="200 different words are more than can be learnt from"):
        learn_wordpiece(texts[:1], 20)


def test_special_tokens_of_ones_own() -> None:
    specials = SpecialTokens("<pad>", "<unk>", "<s>", "</s>", "<mask>")
    tokenizer = learn_wordpiece(TEXTS, 200, specials=specials)
    assert tokens_of(tokenizer)[:5] == ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
    ids = tokenizer.encode("the <mask>").token_ids
    assert tokenizer.tokens(ids) == ["<s>", "the", "<mask>", "</s>"]


@pytest.mark.parametrize("texts", [[], ["", "  \n "], ["\x00\x01"]])
def test_no_words_are_an_error(texts: list[str]) -> None:
    with pytest.raises(DataError, match="expected words, got none"):
        learn_wordpiece(texts, 100)


def test_half_a_character_is_named() -> None:
    with pytest.raises(DataError, match="text 2: character 2 is half of a pair"):
        learn_wordpiece(["fine", "ab\ud83d"], 100)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocab_size": 6}, "vocab_size: expected more than 6, got 6"),
        ({"vocab_size": 100, "min_frequency": 0}, "min_frequency: expected 1 or more, got 0"),
        ({"vocab_size": 100, "unused": -1}, "unused: expected 0 or more, got -1"),
        ({"vocab_size": 100, "alphabet_limit": 0}, "alphabet_limit: expected 1 or more, got 0"),
        ({"vocab_size": 20, "alphabet_limit": 26}, "vocab_size 20 does not hold"),
    ],
)
def test_sizes_that_cannot_be_are_refused(options: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        learn_wordpiece(TEXTS, **options)
