"""How a vocabulary fits a text, by numbers that were counted by hand."""

from pathlib import Path

import pytest

from filbert.errors import SettingsError
from filbert.tokenizer import Rules, Tokenizer, WordCounter, learn_from_counts
from filbert.tokenizer.measuring import (
    Sampled,
    join_samples,
    language_of,
    measure,
    sample,
    telling_words,
)
from filbert.tokenizer.vocab_report import lines, write_page

VOCAB = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "learn", "##ing", "the", ".",
         "中", "learners"]  # fmt: skip
TEXTS = [Sampled(1, "The learning learn zzz.", "en"), Sampled(2, "中中国", "zh")]


def test_a_fit_is_counted_by_language() -> None:
    measured = measure(Tokenizer(VOCAB), "mine", TEXTS, ["learning"])
    assert list(measured.fits) == ["all", "en", "zh"]
    english, chinese, both = (measured.fits[name] for name in ("en", "zh", "all"))
    # the | learn ##ing | learn | [UNK] | .
    assert (english.words, english.pieces, english.unknown, english.whole) == (5, 6, 1, 3)
    assert (chinese.words, chinese.pieces, chinese.unknown, chinese.whole) == (3, 3, 1, 2)
    assert (both.words, both.characters) == (8, 26)
    assert english.pieces_per_word == 1.2
    assert measured.used == 5
    assert measured.longest[:2] == [("learners", 0), ("learn", 2)]
    assert measured.unknown == [("zzz", 1), ("国", 1)]
    assert measured.examples == {"learning": ["learn", "##ing"]}


def test_words_of_more_than_a_hundred_letters_are_unknown() -> None:
    fit = measure(Tokenizer(VOCAB), "mine", [Sampled(1, "the " + "x" * 101, "en")]).fits["en"]
    assert (fit.words, fit.pieces, fit.unknown) == (2, 2, 1)


def test_a_sample_does_not_depend_on_order_or_parts() -> None:
    texts = [(f"text {number} 文", "en" if number % 2 else "zh") for number in range(200)]
    whole = sample(texts, 20)
    assert len(whole) == 20
    assert sample(texts[::-1], 20) == whole
    parts = [sample(texts[:50], 20), sample(texts[50:], 20)]
    assert join_samples(parts[::-1], 20) == whole
    assert len(sample([("x" * 80_000, "en")], 3)[0].text) == 50_000


@pytest.mark.parametrize(
    ("said", "chinese", "expected"),
    [("en", True, "en"), ("zh", False, "zh"), ("fr", False, "other"), ("und", True, "other"),
     (None, True, "zh"), (None, False, "en")],
)  # fmt: skip
def test_languages_of_a_report(said: str | None, chinese: bool, expected: str) -> None:
    assert language_of(said, chinese) == expected


def test_telling_words_are_those_that_are_cut_differently() -> None:
    small, large = Tokenizer(VOCAB), Tokenizer([*VOCAB, "learning"])
    texts = [Sampled(1, "learning learning learners the", "en")]
    assert telling_words([small, large], texts) == ["learning"]
    assert telling_words([small], texts) == ["learning"]
    assert telling_words([large, large], texts) == []


def test_another_kind_is_refused(tokenizer_kinds: dict[str, Path]) -> None:
    other = Tokenizer.load(next(iter(tokenizer_kinds.values())))
    with pytest.raises(SettingsError, match="expected a WordPiece vocabulary"):
        measure(other, "other", TEXTS)


def test_lines_and_page(tmp_path: Path) -> None:
    with WordCounter(Rules()) as counter:
        counter.add(["the learning learners learn. 中国 <b>"] * 3)
        learnt = learn_from_counts(counter, 60)
    measured = [measure(learnt.tokenizer, "new", TEXTS), measure(Tokenizer(VOCAB), "<old>", TEXTS)]
    assert [line.split(":")[0] for line in lines(measured) if not line.startswith(" ")] == [
        "all", "English", "Chinese",
    ]  # fmt: skip
    write_page(tmp_path / "report.html", learnt, measured, 2)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "&lt;old&gt;" in page
    assert "<old>" not in page
    assert "All of the corpus was learnt" in page
