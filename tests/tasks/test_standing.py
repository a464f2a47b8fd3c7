"""Where answers stand in their passages, though their files say otherwise; English and Chinese."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filbert.tasks import Span
from filbert.tasks.reading import read_questions
from filbert.tasks.reading.standing import NOWHERE, find_answer
from filbert.tokenizer import Tokenizer


@pytest.mark.parametrize(
    ("text", "start", "context", "found", "how"),
    [
        ("cat", 2, "a cat", "cat", "as said"),
        ("cat", 5, "a cat and a cat", "cat", "elsewhere"),
        ("cat", None, "a cat", "cat", "as said"),
        ("Cat.", 0, "the cat sat", "cat", "otherwise"),
        ("the U.S. Army", 3, "In the US army he", "the US army", "otherwise"),
        ("“Yes”, he said", 0, 'and "yes" he said.', 'yes" he said', "otherwise"),
        ("New  York", 0, "in New York", "New York", "otherwise"),
        ("Café", 0, "the cafe\u0301 there", "cafe\u0301", "otherwise"),
        ("ﬁne day", 0, "a fine day", "fine day", "otherwise"),
        ("该计划遭遇批评。", -1, "当时该计划遭遇批评，后来", "该计划遭遇批评", "otherwise"),
        ("（ＮＢＡ）球队", 0, "他在(NBA)球队打球", "(NBA)球队", "otherwise"),
        ("「金钟一响」", 0, "取其「金钟一响」的", "「金钟一响」", "elsewhere"),
        ("“金钟一响”", 0, "取其「金钟一响」的", "金钟一响", "otherwise"),
        ("1,000米", 0, "全长1 000米", "1 000米", "otherwise"),
        # What cannot be told, or is something else.
        ("art", 9, "the party", "", "nowhere"),
        ("5", 9, "it is 2.5 long", "", "nowhere"),
        ("3.5", 0, "it is 35 long", "", "nowhere"),
        ("25000.0", 0, "有25000人", "", "nowhere"),
        ("A.", 0, "there is a cat", "", "nowhere"),
        ("cafe", 0, "the café there", "", "nowhere"),
        ("。", 0, "没有。", "。", "elsewhere"),
        ("——", 0, "没有", "", "nowhere"),
        ("取得胜利", -1, "以获胜告终", "", "nowhere"),
        ("好的。", -1, "他说好的，她说好的！", "", "nowhere"),
    ],
)
def test_an_answer_is_found_where_it_can_only_stand(
    text: str, start: int | None, context: str, found: str, how: str
) -> None:
    standing = find_answer(text, start, context)
    assert standing.how == how
    if how == "nowhere":
        assert (standing.start, standing.end) == (NOWHERE, NOWHERE)
    else:
        assert context[standing.start : standing.end] == found


def test_of_several_the_nearest_is_taken() -> None:
    context = "the cat saw a cat and another cat"
    assert find_answer("cat", 12, context).start == 14
    assert find_answer("cat", 99, context).start == 30
    assert find_answer("cat", None, context).start == 4
    assert find_answer("CAT", 15, context).start == 14
    assert find_answer("好！", 4, "好的好，不好。").how == "nowhere"  # one letter alone
    assert find_answer("很好！", 5, "很好，也很好。").start == 4


LETTERS = st.sampled_from(
    [*"abcAB 12.,'\"-。，“（）()ＡＢ１北京好", "é", "e\u0301", "ﬁ", "ß", "\u3000"]
)
TEXTS = st.lists(LETTERS, max_size=25).map("".join)


@given(TEXTS, st.integers(0, 20), st.integers(1, 10), st.integers(-2, 30))
def test_what_stands_there_is_found_there(context: str, first: int, length: int, said: int) -> None:
    text = context[first : first + length]
    if not text.strip():
        return
    assert find_answer(text, first, context).start == first
    found = find_answer(text, said, context)
    if found.how in ("as said", "elsewhere"):
        assert context[found.start : found.end] == text


@given(TEXTS, TEXTS, st.none() | st.integers(-3, 30))
def test_what_is_found_lies_within_and_has_the_same_letters(
    context: str, text: str, said: int | None
) -> None:
    found = find_answer(text, said, context)
    if found.how == "nowhere":
        assert (found.start, found.end) == (NOWHERE, NOWHERE)
        return
    assert 0 <= found.start <= found.end <= len(context)
    # Found once, it is found again by what stands there.
    again = find_answer(context[found.start : found.end], found.start, context)
    assert (again.start, again.end) == (found.start, found.end)


def squad(*asked: tuple[str, list[dict[str, Any]]], context: str) -> str:
    qas = [{"id": str(n), "question": q, "answers": a} for n, (q, a) in enumerate(asked)]
    return json.dumps({"data": [{"paragraphs": [{"context": context, "qas": qas}]}]})


def test_what_was_found_is_said_and_the_texts_stay_the_files(tmp_path: Path) -> None:
    context = "当时该计划遭遇批评，后来成功。"
    content = squad(
        ("谁？", [{"text": "后来", "answer_start": 10}]),
        ("谁？", [{"text": "后来", "answer_start": 3}]),
        ("谁？", [{"text": "39764.0", "answer_start": -1}, {"text": "成功!", "answer_start": -1}]),
        ("谁？", [{"text": "失败", "answer_start": -1}]),
        context=context,
    )
    (tmp_path / "a.json").write_text(content, encoding="utf-8")
    said: list[str] = []
    found = read_questions(tmp_path / "a.json", said.append)
    assert [example["answers"] for example in found] == [
        [{"text": "后来", "start": 10}],
        [{"text": "后来", "start": 10}],
        [{"text": "39764.0", "start": -1}, {"text": "成功!", "start": 12, "end": 14}],
        [{"text": "失败", "start": -1}],
    ]
    assert [text.partition("a.json: ")[2] for text in said] == [
        "4 questions",
        "4 answers do not stand where the file says: 1 were found elsewhere in their passage, 1 "
        "there in another writing (punctuation, spaces, case or width), 2 nowhere",
        "1 questions: their answer stands nowhere in the passage; they are scored, not learnt from",
    ]
    # What is learnt is the answer that stands; what is scored is what the file says.
    assert [Span.lesson(example) is not None for example in found] == [True, True, True, False]
    pieces = sorted({*context, "谁", "？"})
    task = Span().with_tokenizer(Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]))
    (row,) = task.rows(found[2])
    assert row.labels is not None
    assert row.aligned is not None
    first, last = row.labels
    start, stop = row.aligned["starts"][first], row.aligned["stops"][last]
    assert context[start:stop] == "成功"
    assert task.right_answer(found[2], None).texts == ("39764.0", "成功!")


def test_answers_of_cmrc_are_found(shared_data: Path) -> None:
    path = shared_data / "qa" / "cmrc2018-dev.json.gz"
    if not path.is_file():
        pytest.skip("needs qa/cmrc2018-dev.json.gz of the shared data")
    said: list[str] = []
    examples = read_questions(path, said.append)
    assert len(examples) == 3219
    answers = [(answer, e["context"]) for e in examples for answer in e["answers"]]
    assert len(answers) == 9657
    assert sum(answer["start"] < 0 for answer, _ in answers) == 33
    assert sum("end" in answer for answer, _ in answers) == 160
    assert "7 were found elsewhere" in said[1]
    # No question is lost for learning.
    assert all(Span.lesson(example) is not None for example in examples)
    for answer, context in answers:
        if answer["start"] >= 0 and "end" not in answer:
            assert context.startswith(answer["text"], answer["start"])
