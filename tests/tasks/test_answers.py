"""Answers beside the right ones, as the official scripts count them: held beside their rules."""

import re
import string
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filbert.tasks import Answer, Candidate, Span
from filbert.tasks.answers import Right, overlap
from filbert.tasks.treebank import treebank_words
from filbert.tokenizer import Tokenizer

ENGLISH_PARTS = ["the", "The", "a", "an", "AN", "cat", "cat's", "U.S.", "1,000", "—", "naïve"]
ENGLISH_PARTS += [
    "(x)",
    " ",
    "-",
    ".",
    "'",
    "\u00a0",
    "\t",
    "İ",
    "ß",
    "the-cat",
    "them",
    "人",
    "，",
]
CHINESE_PARTS = [*'光荣和龥㐀北京。，“’…·-*:‘"(', "……", "ω-force", "NBA", "can't", "o'neill's"]
CHINESE_PARTS += ["1,000", "3.5", "50%", "a.", " "]
ENGLISH = st.lists(st.sampled_from([*ENGLISH_PARTS, " "]), max_size=9).map("".join)
CHINESE = st.lists(st.sampled_from([*CHINESE_PARTS, " "]), max_size=9).map("".join)


# SQuAD's rules, step by step (evaluate-v1.1.py and evaluate-v2.0.py).


def normal(text: str) -> str:
    kept = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", kept, flags=re.UNICODE).split())


def squads_f1(text: str, gold: str, version: float) -> float:
    mine, theirs = normal(text).split(), normal(gold).split()
    if version == 2.0 and (not mine or not theirs):
        return float(mine == theirs)
    same = (Counter(mine) & Counter(theirs)).total()
    if not same:
        return 0.0
    precision, recall = same / len(mine), same / len(theirs)
    return 2 * precision * recall / (precision + recall)


def squads(text: str, golds: Sequence[str], version: float) -> tuple[float, float]:
    if version == 2.0:
        golds = [gold for gold in golds if normal(gold)] or [""]
    exact = max(float(normal(text) == normal(gold)) for gold in golds)
    return exact, max(squads_f1(text, gold, version) for gold in golds)


@given(ENGLISH, st.lists(ENGLISH, max_size=3))
def test_english_is_counted_as_squad_counts_it(text: str, golds: list[str]) -> None:
    found = overlap(text, Right(tuple(golds)))
    assert (found.exact, found.f1) == pytest.approx(squads(text, golds, 2.0))
    if golds and all(map(normal, golds)):
        # Where something is left of every answer the two versions are one.
        assert (found.exact, found.f1) == pytest.approx(squads(text, golds, 1.1))


def test_the_best_of_the_right_answers_counts() -> None:
    found = overlap("the Denver Broncos", Right(("Broncos", "Denver Broncos")))
    assert (found.exact, found.f1) == (1, 1)


def test_no_answer_is_right_where_there_is_none() -> None:
    assert overlap("", Right(())).f1 == 1
    assert overlap("x", Right(())).f1 == 0
    assert overlap("", Right(("x",))).exact == 0
    assert overlap("", Right((), chinese=True)).exact == 1
    assert overlap("北", Right((), chinese=True)).f1 == 0
    # An answer of which nothing is left is none, beside another one.
    assert overlap("", Right(("the", "cat"))).exact == 0


# Those of CMRC 2018, step by step (cmrc2018_evaluate.py).

SIGNS = ["-", ":", "_", "*", "^", "/", "\\", "~", "`", "+", "="]
SIGNS += ["，", "。", "：", "？", "！", "“", "”", "；", "’", "《", "》", "……", "·", "、"]
SIGNS += ["「", "」", "（", "）", "－", "～", "『", "』"]


def without_signs(text: str) -> str:
    return "".join(letter for letter in text.lower().strip() if letter not in SIGNS)


def segments(text: str) -> list[str]:
    found: list[str] = []
    for run in re.split("([\u4e00-\u9fa5])", without_signs(text)):
        found += [run] if re.fullmatch("[\u4e00-\u9fa5]", run) else treebank_words(run)
    return found


def cmrcs(text: str, golds: Sequence[str]) -> tuple[float, float]:
    scores = [0.0]
    for gold in golds:
        mine, theirs = segments(text), segments(gold)
        runs = [mine[i:j] for i in range(len(mine)) for j in range(i + 1, len(mine) + 1)]
        longest = max(
            (
                len(run)
                for run in runs
                for at in range(len(theirs))
                if theirs[at:][: len(run)] == run
            ),
            default=0,
        )
        if longest:
            precision, recall = longest / len(mine), longest / len(theirs)
            scores.append(2 * precision * recall / (precision + recall))
    exact = any(without_signs(text) == without_signs(gold) for gold in golds)
    return float(exact), max(scores)


@given(CHINESE, st.lists(CHINESE, min_size=1, max_size=3))
def test_chinese_is_counted_as_cmrc_counts_it(text: str, golds: list[str]) -> None:
    found = overlap(text, Right(tuple(golds), chinese=True))
    assert (found.exact, found.f1) == pytest.approx(cmrcs(text, golds))


def test_chinese_is_counted_by_characters() -> None:
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


def test_latin_words_within_chinese_are_cut_as_the_script_cuts_them() -> None:
    # nt $ 25,000: two of the three and one of the right answer's four units in a run.
    right = Right(("约NT$25,000",), chinese=True)
    assert overlap("$25,000元", right).f1 == pytest.approx(2 * 2 / (3 + 4))
    # o'neill 's, and a full stop that is a word of its own.
    assert overlap("o'neill", Right(("o'neill's",), chinese=True)).f1 == pytest.approx(2 / 3)
    assert overlap("U.S", Right(("美国U.S.",), chinese=True)).f1 == pytest.approx(2 / 5)


def test_the_language_is_the_passages() -> None:
    assert not Right.of(
        ["北京"], "Beijing (北京) is the capital of China and has many people."
    ).chinese
    assert Right.of(["NBA"], "他在NBA打球。").chinese


# The threshold of having no answer, as evaluate-v2.0.py looks for the best one.


def best_of_squads(
    asked: Sequence[tuple[float, str, tuple[str, ...]]],
) -> float:
    """The best mean F1: find_best_thresh, over (null score, best span, right answers)."""
    now = best = float(sum(not golds for _, _, golds in asked))
    for _, text, golds in sorted(asked, key=lambda one: one[0]):
        now += squads(text, golds, 2.0)[1] if golds else -1 if text else 0
        best = max(best, now)
    return best / len(asked)


def score_at(threshold: float, asked: Sequence[tuple[float, str, tuple[str, ...]]]) -> float:
    said = [(text if null <= threshold else "", golds) for null, text, golds in asked]
    return sum(squads(text, golds, 2.0)[1] for text, golds in said) / len(said)


WORDS = st.sampled_from(["cat", "dog", "a cat", "the dog ran", "cat sat"])
ASKED = st.tuples(WORDS, st.lists(WORDS, max_size=2).map(tuple))
TASK = Span(unanswerable=True).with_tokenizer(
    Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
)


def fitted(asked: Sequence[tuple[float, str, tuple[str, ...]]]) -> float:
    answers = [
        Answer("", 0, 0, 0.5, null, (Candidate(0, 1, 0.5, 1.0, text),)) for null, text, _ in asked
    ]
    return TASK.fitted(answers, [Right(golds) for _, _, golds in asked]).null_threshold


@given(
    st.lists(ASKED, min_size=1, max_size=12),
    st.lists(st.floats(-1e6, 1e6), min_size=12, max_size=12, unique=True),
)
def test_the_threshold_scores_what_squads_best_one_does(
    asked: list[tuple[str, tuple[str, ...]]], nulls: list[float]
) -> None:
    given_nulls = [(null, *one) for null, one in zip(nulls, asked, strict=False)]
    threshold = fitted(given_nulls)
    assert score_at(threshold, given_nulls) == pytest.approx(best_of_squads(given_nulls))


@given(st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), ASKED), min_size=1, max_size=12))
def test_of_equal_scores_no_threshold_is_better(
    asked: list[tuple[float, tuple[str, tuple[str, ...]]]],
) -> None:
    # Here the script counts on parting what no threshold can part.
    flat = [(null, *one) for null, one in asked]
    best = max(score_at(threshold, flat) for threshold in (-2.0, -1.0, 0.0, 0.5, 2.0))
    assert score_at(fitted(flat), flat) == pytest.approx(best)


def test_the_threshold_is_a_number_whatever_the_scores() -> None:
    assert fitted([(float("inf"), "cat", ())]) == 0.0
    assert fitted([(1.0, "cat", ("cat",)), (float("inf"), "", ())]) == 2.0
    close = [(0.1234561, "cat", ("cat",)), (0.1234562, "cat", ())]
    assert score_at(fitted(close), close) == 1.0
