"""Answers beside the right ones, as the official scripts count them."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filbert.tasks.answers import Right, overlap

WORDS = st.lists(
    st.sampled_from(["the", "The", "a", "cat", "cat's", "U.S.", "1,000", "—", "naïve", "(x)"]),
    max_size=6,
).map(" ".join)


def squads_words(text):
    """What evaluate-v2.0.py makes of an answer, step by step as it is described there."""
    kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return [word for word in kept.split() if word not in ("a", "an", "the")]


@given(WORDS, WORDS.filter(bool))
def test_english_is_counted_as_squad_counts_it(text, wanted):
    found = overlap(text, Right((wanted,)))
    mine, theirs = squads_words(text), squads_words(wanted)
    assert found.exact == (mine == theirs)
    same = sum(min(mine.count(word), theirs.count(word)) for word in set(mine))
    if not mine or not theirs:
        assert found.f1 == (mine == theirs)
    elif not same:
        assert found.f1 == 0
    else:
        precision, recall = same / len(mine), same / len(theirs)
        assert found.f1 == pytest.approx(2 * precision * recall / (precision + recall))


def test_the_best_of_the_right_answers_counts():
    found = overlap("the Denver Broncos", Right(("Broncos", "Denver Broncos")))
    assert (found.exact, found.f1) == (1, 1)


def test_no_answer_is_right_where_there_is_none():
    assert overlap("", Right(())).f1 == 1
    assert overlap("x", Right(())).f1 == 0
    assert overlap("", Right(("x",))).exact == 0


def test_chinese_is_counted_by_characters():
    right = Right.of(
        ["光荣和ω-force"], "《战国无双3》是由光荣和ω-force开发的战国无双系列的正统第三续作。"
    )
    assert right.chinese
    assert overlap("光荣和ω-force。", right).exact == 1
    found = overlap("光荣", right)
    assert found.exact == 0
    assert found.f1 == pytest.approx(2 * 2 / (2 + 4))
    # The longest run in common counts, not all that is.
    assert overlap("光x荣", Right(("光荣",), chinese=True)).f1 == pytest.approx(2 / 5)


def test_the_language_is_the_passages():
    assert not Right.of(
        ["北京"], "Beijing (北京) is the capital of China and has many people."
    ).chinese
    assert Right.of(["NBA"], "他在NBA打球。").chinese
