import random
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.corpus import near_duplicates
from filbert.corpus.near import jaccard, shingles_of
from filbert.errors import ExtraError, SettingsError

TEXT = "The quick brown fox jumps over the lazy dog, and the dog sleeps on in the warm sun."


def test_case_spaces_and_one_changed_letter_do_not_hide_a_duplicate():
    texts = [TEXT.upper().replace(" ", "\n  "), TEXT.replace("warm", "worm"), "Something else", ""]
    assert near_duplicates(texts, [TEXT]).tolist() == [True, True, False, False]


def test_chinese():
    text = "这家酒店的位置很好，房间也很干净，服务员的态度特别热情，下次还会再来住的。"
    texts = [text.replace("特别", "非常"), "这家酒店的位置不好。"]
    assert near_duplicates(texts, [text], 0.6).tolist() == [True, False]


def test_nothing_to_compare():
    assert near_duplicates([], [TEXT]).tolist() == []
    assert near_duplicates([TEXT], []).tolist() == [False]


@pytest.mark.parametrize("threshold", [0, -1, 1.01, float("nan")])
def test_threshold_outside(threshold):
    with pytest.raises(SettingsError, match="threshold"):
        near_duplicates([TEXT], [TEXT], threshold)


WORDS = st.lists(st.sampled_from("alpha beta gamma delta 中文 句子".split()), max_size=12)


@settings(max_examples=60)
@given(st.lists(WORDS, max_size=5), st.lists(WORDS, max_size=5), st.sampled_from([0.5, 0.8, 1.0]))
def test_no_text_is_called_a_duplicate_that_is_none(left, right, threshold):
    texts, of = [" ".join(words) for words in left], [" ".join(words) for words in right]
    found = near_duplicates(texts, of, threshold)
    for text, near in zip(texts, found, strict=True):
        best = max((jaccard(shingles_of(text), shingles_of(other)) for other in of), default=0)
        assert near <= (best >= threshold)
        if best == 1:
            assert near


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.9])
def test_recall_just_above_the_threshold(threshold):
    """Of pairs at the threshold or up to 0.05 above it, fewer than one in a hundred is missed."""
    draw = random.Random(7)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(5_000)]
    texts, of = [], []
    while len(texts) < 400:
        one = draw.choices(words, k=80)
        other = [draw.choice(words) if draw.random() < (1 - threshold) / 2 else w for w in one]
        left, right = " ".join(one), " ".join(other)
        if threshold <= jaccard(shingles_of(left), shingles_of(right)) < threshold + 0.05:
            texts.append(left)
            of.append(right)
    assert np.mean(near_duplicates(texts, of, threshold)) > 0.99


def test_the_answer_is_the_same_every_time():
    texts = [f"{TEXT} {number}" for number in range(50)]
    runs = [near_duplicates(texts, texts[::3], 0.95).tolist() for _ in range(3)]
    assert runs[0] == runs[1] == runs[2]


def test_many_equal_texts_do_not_take_a_square_of_time():
    begin = time.process_time()
    assert near_duplicates([TEXT] * 3_000, [TEXT] * 3_000).all()
    assert time.process_time() - begin < 120  # a guard against hanging, no speed


def test_without_rensa_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "rensa", None)
    with pytest.raises(ExtraError, match=r"pip install 'filbert\[data\]'"):
        near_duplicates([TEXT], [TEXT])
