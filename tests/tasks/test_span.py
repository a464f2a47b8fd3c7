"""Answers as spans of a passage: windows, candidates, no answer, thresholds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filbert.errors import DataError
from filbert.tasks import Answer, Candidate, Span
from filbert.tasks.answers import Right
from filbert.tokenizer import Tokenizer

PIECES = [*"abcdefgh?.", *"北京在哪里好书"]
PIECES += [f"##{letter}" for letter in "abcdefgh"]
TOKENIZER = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES])


def task(**settings: object) -> Span:
    usual = {"max_tokens": 24, "overlap_tokens": 4, "question_tokens": 6}
    return Span(**(usual | settings)).with_tokenizer(TOKENIZER)


def told(span: Span, example: dict) -> Answer:
    """What a network that has learnt the example by heart would answer."""
    rows = span.rows(example)
    packed = span.batch(rows, 0, 0)
    logits = np.zeros((len(packed.token_ids), 2))
    for start, (first, last) in zip(packed.starts, packed.targets["span"], strict=True):
        logits[start + first, 0] += 9
        logits[start + last, 1] += 9
    return span.finish(span.merge(span.decode({"logits": logits}, packed)), example)


def example(context: str, *answers: tuple[str, int], question: str = "a b?") -> dict:
    listed = [{"text": text, "start": start} for text, start in answers]
    return {"question": question, "context": context, "answers": listed}


def test_an_answer_comes_back_from_a_long_passage():
    context = "a b c d e f g h " * 6 + "北京 好 书 " + "h g f e d c b a " * 4
    start = context.index("北京")
    found = told(task(), example(context, ("北京 好", start)))
    assert (found.text, found.start, found.end) == ("北京 好", start, start + 4)
    assert found.probability > 0.9
    assert str(found.candidates[0]) == "北京 好 (1.00)"


@given(st.integers(0, 60), st.integers(1, 6), st.integers(10, 40), st.integers(0, 8))
def test_the_answer_is_found_wherever_it_stands(first, words, max_tokens, overlap):
    context = " ".join("abcdefgh"[n % 8] for n in range(70))
    text = context[2 * first : 2 * (first + words) - 1]
    span = task(max_tokens=max_tokens, overlap_tokens=overlap, question_tokens=3)
    given_example = example(context, (text, 2 * first), question="h")
    rows = span.rows(given_example)
    assert all(len(row) <= max_tokens for row in rows)
    held = [row for row in rows if row.labels is not None and row.labels.any()]
    if not held:
        # The overlap was too short for it: then no window holds it, and none claims to.
        assert words > min(overlap, (max_tokens - 4) // 2)
        return
    found = told(span, given_example)
    assert (found.start, found.end) == (2 * first, 2 * first + len(text))
    assert found.text == text


@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 8))
def test_candidates_are_sorted_inside_and_different(seed, longest, count):
    span = task(answer_tokens=longest, candidates=count, unanswerable=bool(seed % 2))
    asked = {"question": "a?", "context": "北京在哪里 a b c d aabb e f g h 好书"}
    rows = span.rows(asked)
    packed = span.batch(rows, 0, 0)
    logits = np.random.default_rng(seed).normal(size=(len(packed.token_ids), 2))
    found = span.finish(span.merge(span.decode({"logits": logits}, packed)), asked)
    places = [(one.start, one.end) for one in found.candidates]
    assert 1 <= len(places) <= count
    assert len(set(places)) == len(places)
    scores = [one.score for one in found.candidates]
    assert scores == sorted(scores, reverse=True)
    for one in found.candidates:
        assert 0 <= one.start < one.end <= len(asked["context"])
        assert one.text == asked["context"][one.start : one.end]
        assert len(TOKENIZER.encode(one.text, specials=False)) <= longest
    total = sum(one.probability for one in found.candidates)
    assert total == pytest.approx(1) if not span.unanswerable else total < 1


NASTY = st.lists(
    st.sampled_from(
        [*"ab ?.北京好", "e\u0301", "👩\u200d🚀", "\u200b", "\u0000", "\n", "İ", "ﬁ", "x"]
    ),
    min_size=1,
    max_size=60,
).map("".join)


@given(NASTY, st.integers(0, 59), st.integers(1, 12), st.integers(8, 30), st.integers(0, 6))
def test_what_is_answered_is_cut_from_the_passage_whatever_it_is(
    context, first, length, max_tokens, overlap
):
    text = context[first : first + length]
    given_example = example(context, *[(text, first)] if text else [])
    span = task(max_tokens=max_tokens, overlap_tokens=overlap, question_tokens=2)
    found = told(span, given_example)
    places = [(one.start, one.end) for one in found.candidates]
    assert len(set(places)) == len(places)
    assert [one.score for one in found.candidates] == sorted(
        (one.score for one in found.candidates), reverse=True
    )
    for part in (*places, (found.start, found.end)):
        assert 0 <= part[0] <= part[1] <= len(context)
    assert found.text == context[found.start : found.end]
    assert [one.text for one in found.candidates] == [context[s:e] for s, e in places]
    if any(row.labels is not None and row.labels.any() for row in span.rows(given_example)):
        # What was taught comes back: all tokens that have a part of it, and no others.
        assert found.start < first + len(text)
        assert first < found.end
        kept = [(s, e) for s, e in span.tokenizer.encode(context, specials=False).offsets.tolist()]
        its = [(s, e) for s, e in kept if s < first + len(text) and first < e]
        assert (found.start, found.end) == (its[0][0], its[-1][1])


def test_no_answer_is_said_where_it_is_likelier():
    span = task(unanswerable=True)
    nothing = told(span, example("a b c d"))
    assert (nothing.text, nothing.start, nothing.end) == ("", 0, 0)
    assert nothing.null_score > 0
    assert str(nothing).startswith("no answer")
    assert told(task(), example("a b c d")).text != ""
    assert Span.settings_for([example("a")], {})["unanswerable"]
    assert not Span.settings_for([example("a", ("a", 0))], {})["unanswerable"]


def answered(text: str, null_score: float) -> Answer:
    return Answer("", 0, 0, 0.5, null_score, (Candidate(0, 1, 0.5, 1.0, text),))


def test_the_threshold_is_the_one_that_scores_best():
    span = task(unanswerable=True)
    answers = [answered("a", -3), answered("b", -1), answered("c", 1), answered("d", 2)]
    right = [Right(("a",)), Right(("b",)), Right(()), Right(())]
    assert -1 < span.fitted(answers, right).null_threshold < 1
    assert task().fitted(answers, right).null_threshold == 0
    assert span.fitted(answers, [Right(())] * 4).null_threshold < -3
    assert span.fitted(answers, [Right((text,)) for text in "abcd"]).null_threshold > 2


def test_an_answer_that_stands_nowhere_is_not_learnt_from():
    lost = example("a b", ("x", -1))
    assert Span.lesson(lost) is None
    assert Span.lesson(example("a b", ("a", 0))) == example("a b", ("a", 0))
    assert Span.lesson(example("a b")) is not None
    # Of several answers the first that stands is learnt, as far as it reaches.
    second = example("a b c", ("x", -1), ("b-c", 2))
    second["answers"][1]["end"] = 5
    assert Span.lesson(second) == second
    assert told(task(), second).text == "b c"
    with pytest.raises(DataError, match="expected text under 'context'"):
        task().rows({"question": "a"})


def test_scores_of_both_kinds_of_questions():
    span = task(unanswerable=True)
    given_answers = [
        Answer("a", 0, 1, 1.0, 0.0, ()),
        Answer("", 0, 0, 1.0, 0.0, ()),
        Answer("b", 0, 1, 1.0, 0.0, ()),
    ]
    found = span.score(given_answers, [Right(("a b",)), Right(()), Right(())])
    assert found["exact_match"] == pytest.approx(1 / 3)
    assert found["answerable f1"] == 0  # "a" is an article
    assert found["unanswerable f1"] == pytest.approx(1 / 2)
