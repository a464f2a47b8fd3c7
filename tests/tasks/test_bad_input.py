"""Files as people have them: damaged, of another kind, half written. An error names the place."""

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import filbert
from filbert.checkpoint import model_tensors, save
from filbert.encoder import Encoder, Shape
from filbert.errors import DataError, FilbertError
from filbert.heads import build_model
from filbert.tasks import Embed, Regress, Span, Tag, read_examples, read_questions, read_tagged
from filbert.tasks.reading import questions
from filbert.tokenizer import Tokenizer

PIECES = [*"abcdefghijklmnopqrstuvwxyz0123456789.,'-", *"北京大学在中国好"]
PIECES += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
TOKENIZER = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES])


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def squad(
    answers: Any = (), context: Any = "the cat sat", question: Any = "who?", **more: Any
) -> Any:
    asked = {"question": question, "answers": answers, "id": "1"} | more
    return {"data": [{"paragraphs": [{"context": context, "qas": [asked]}]}]}


# SQuAD.


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (squad([{"text": "cat", "answer_start": "4"}]), r"qas\[0\]: answer_start: expected a numb"),
        (
            squad([{"text": "cat", "answer_start": 4.0}]),
            r"answer_start: expected a number, got 4.0",
        ),
        (
            squad([{"text": "cat", "answer_start": True}]),
            "answer_start: expected a number, got Tru",
        ),
        (squad([None]), "answers: expected a text and its start, got None"),
        (squad([{"answer_start": 4}]), "answers: expected a text and its start"),
        (squad(7), "answers: expected a text and its start, got 7"),
        (
            squad({"text": ["cat"], "answer_start": [1, 2]}),
            "a start for each of 1 texts, got .1, 2.",
        ),
        (squad({"text": ["cat"], "answer_start": 4}), "a start for each of 1 texts, got 4"),
        (squad([], context=None), r"paragraphs\[0\]: expected text under 'context', got None"),
        (squad([], question=["x"]), "expected text under 'question', got .'x'."),
        ({"data": [{"paragraphs": 3}]}, r"data\[0\]: expected a list under 'paragraphs', got 3"),
        ({"data": [{"paragraphs": [[]]}]}, r"paragraphs\[0\]: expected text under 'context'"),
        (
            {"data": [{"paragraphs": [{"context": "x", "qas": [1]}]}]},
            r"qas\[0\]: expected text und",
        ),
        ({"data": []}, "no question in this file"),
        ({"rows": []}, "expected SQuAD's JSON"),
        ("text", "expected SQuAD's JSON"),
    ],
)
def test_squad_whose_fields_are_others(tmp_path: Path, table: Any, message: str) -> None:
    path = put(tmp_path / "a.json", json.dumps(table))
    with pytest.raises(DataError, match=rf"a\.json: .*{message}|a\.json: {message}"):
        read_questions(path)


def test_squad_with_what_can_be_read(tmp_path: Path) -> None:
    qas = [
        {"question": "q", "answers": [{"text": "cat", "answer_start": -7}]},
        {"question": "q", "answers": [{"text": "cat", "answer_start": None}], "id": "x"},
        {"question": "q", "answers": None, "id": "x"},
        {"question": "\ud800?", "answers": [{"text": " ", "answer_start": 0}], "id": 3},
        {"question": "", "answers": {"text": ["cat"], "answer_start": [99]}, "id": None},
    ]
    table = {"data": [{"paragraphs": [{"context": "the cat \udc00", "qas": qas}]}]}
    said: list[str] = []
    found = read_questions(put(tmp_path / "a.json", json.dumps(table)), said.append)
    assert [example.get("answers") for example in found] == [
        [{"text": "cat", "start": 4}],
        [{"text": "cat", "start": 4}],
        None,
        [],
        [{"text": "cat", "start": 4}],
    ]
    # Without an id its place is one; half of a surrogate pair is no text.
    assert found[0]["id"].endswith("a.json: data[0].paragraphs[0].qas[0]")
    assert (found[3]["question"], found[3]["context"]) == ("\ufffd?", "the cat \ufffd")
    assert [text.partition("a.json: ")[2] for text in said] == [
        "5 questions, 1 of them without an answer",
        "2 answers do not stand where the file says: 2 were found elsewhere in their passage, 0 "
        "there in another writing (punctuation, spaces, case or width), 0 nowhere",
        "1 questions have the id of another one",
    ]
    with pytest.raises(DataError, match=r"qas\[2\]: expected answers, or an empty list"):
        Span().check_labels(found)


def test_an_empty_passage_answers_nothing(tmp_path: Path) -> None:
    path = put(
        tmp_path / "a.json", json.dumps(squad([{"text": "x", "answer_start": 0}], context=""))
    )
    (example,) = read_questions(path)
    assert Span.lesson(example) is None
    task = Span(unanswerable=True).with_tokenizer(TOKENIZER)
    rows = task.rows(example)
    packed = task.batch(rows, 0, 0)
    logits = torch.zeros(len(packed.token_ids), 2).numpy()
    answer = task.finish(task.merge(task.decode({"logits": logits}, packed)), example)
    assert (answer.text, answer.candidates) == ("", ())


def test_squad_that_is_cut_short(tmp_path: Path) -> None:
    whole = json.dumps(squad([{"text": "cat", "answer_start": 4}]), indent=1)
    with pytest.raises(DataError, match=r"a\.json:\d+: expected JSON: "):
        read_questions(put(tmp_path / "a.json", whole[: len(whole) // 2]))
    packed = gzip.compress(whole.encode() * 50)
    with pytest.raises(DataError, match=r"b\.json\.gz: .*cut short"):
        read_questions(put(tmp_path / "b.json.gz", packed[: len(packed) // 2]))
    with pytest.raises(DataError, match=r"c\.json: expected JSON: "):
        read_questions(put(tmp_path / "c.json", "[" * 200_000))
    with pytest.raises(DataError, match=r"d\.json:2: expected UTF-8 text, got the byte 0xff"):
        read_questions(put(tmp_path / "d.json", b'{"data":\n"\xff"}'))
    with pytest.raises(DataError, match=r"e\.json:1: expected JSON"):
        read_questions(put(tmp_path / "e.json", b""))


def test_a_bomb_goes_off_before_it_is_in_memory(tmp_path: Path, monkeypatch: Any) -> None:
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(80)) + packer.flush()
    with pytest.raises(
        DataError, match=r"a\.json\.gz: expected at most 1,000 plain bytes for each"
    ):
        read_questions(put(tmp_path / "a.json.gz", bomb))
    monkeypatch.setattr(questions, "MOST_BYTES", 100)
    with pytest.raises(DataError, match=r"b\.json: expected at most 100 bytes of JSON"):
        read_questions(put(tmp_path / "b.json", json.dumps(squad()) + " " * 100))


def test_json_lines_of_questions(tmp_path: Path) -> None:
    good = '{"question": "q", "context": "the cat", "answers": "cat"}\n'
    (found,) = read_questions(put(tmp_path / "a.jsonl", "\ufeff" + good.replace("\n", "\r\n")))
    assert found["answers"] == [{"text": "cat", "start": 4}]
    with pytest.raises(DataError, match=r"a\.jsonl:2: expected a JSON object"):
        read_questions(put(tmp_path / "a.jsonl", good + good[:30]))
    with pytest.raises(
        DataError, match=r"a\.jsonl:1: expected texts under 'question' and 'context'"
    ):
        read_questions(put(tmp_path / "a.jsonl", '{"question": "q", "text": "x"}'))


# Files of every reader.


@pytest.mark.parametrize(
    ("read", "name"),
    [(read_examples, "a.tsv"), (read_tagged, "a.conll"), (read_tagged, "a.jsonl"),
     (read_questions, "a.json"), (read_questions, "a.jsonl")],
)  # fmt: skip
def test_what_is_no_text_file(tmp_path: Path, read: Callable[[Path], Any], name: str) -> None:
    path = tmp_path / name
    for coding in ("utf-16", "utf-16-be"):
        content = "\ufeff{}\n" if coding == "utf-16-be" else "{}\n"
        with pytest.raises(DataError, match=r"a\.\w+: expected UTF-8 text, got UTF-16"):
            read(put(path, content.encode(coding)))
    path.unlink()
    with pytest.raises(DataError, match=r"a\.\w+: "):
        read(path)
    path.mkdir()
    with pytest.raises(DataError, match=r"a\.\w+: (cannot be read|expected a file)"):
        read(path)
    line = b"{}\n" if "json" in name else b"a\tO\n"
    packed = gzip.compress(b"\n" * 99_999 + line)
    with pytest.raises(DataError, match=r"b\.\w+\.gz: .*cut short"):
        read(put(tmp_path / f"b{path.suffix}.gz", packed[:-9]))


def test_a_line_of_ten_megabytes(tmp_path: Path) -> None:
    long = "x" * 10_000_000
    line = json.dumps({"text": long, "entities": [[0, 5, "X"]]})
    (example,) = read_tagged(put(tmp_path / "a.jsonl", line))
    assert len(example["text"]) == len(long)
    line = json.dumps({"question": "q", "context": long, "answers": ["x"]})
    (asked,) = read_questions(put(tmp_path / "a.jsonl", line))
    assert len(asked["context"]) == len(long)
    for read, name, content, message in (
        (read_tagged, "a.conll", "a O\n" + "x " * 1_000_000, r"a\.conll:2: expected 2 columns"),
        (read_questions, "a.jsonl", line[:-20], r"a\.jsonl:1: expected a JSON object"),
    ):
        with pytest.raises(DataError, match=message) as caught:
            read(put(tmp_path / name, content))
        assert len(str(caught.value)) < 500


# Tagged lines.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a O\nb\n", r":2: expected 2 columns, a word and its tag among them, got 1: 'b'"),
        ("a x O\nb O\n", r":2: expected 3 columns, a word and its tag among them, got 2"),
        ("a\tO\nb\t\n", r":2: expected a word and its tag, one is empty"),
        ("a\tO\n \tO\n", r":2: expected a word and its tag, one is empty"),
        ("a O\rb O\rc O\n", r":1: a carriage return within a line"),
        ("a B-X\nb 0\nc I-X\n", r":2: expected 'O' or a tag like 'B-X', .*; got '0'"),
        ("a B-X\nb X\n", r":2: expected 'O' or a tag like 'B-X'"),
        ("a B-X\nb B\nc I-X\n", r":2: expected 'O' or a tag like 'B-X', .*; got 'B'"),
        ("\n\n-DOCSTART- O\n\n", ": no example in this file"),
        ("a O\n\x00 O\n", ": expected UTF-8 text, got a binary file"),
    ],
)
def test_tagged_lines_that_cannot_be_read(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"a\.conll{message}"):
        read_tagged(put(tmp_path / "a.conll", content))


def heard(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    said: list[str] = []
    return read_tagged(path, said.append), said


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_tagged_lines_with_odd_characters(tmp_path: Path, ends: str) -> None:
    lines = ["\ufeff-DOCSTART- -X- O", "", "Eu\u2028ro - B-ORG", "10\u00a0000 - O", "\u3000 - O"]
    lines += ["\u200b - B-LOC", "York - I-LOC", "\u00ad\u200b - B-LOC", "", "   ", "# - O"]
    (first, second), _ = heard(put(tmp_path / "a.conll", ends.join(lines)))
    words = [first["text"][start:stop] for start, stop in first["words"]]
    assert words == ["Eu\u2028ro", "10\u00a0000", "\u3000", "\u200b", "York", "\u00ad\u200b"]
    assert [(first["text"][s:e], kind) for s, e, kind in first["entities"]] == [
        ("Eu\u2028ro", "ORG"),
        ("\u200b York", "LOC"),
        ("\u00ad\u200b", "LOC"),
    ]
    assert second["text"] == "#"
    # A word that vanishes in cleaning is no unit, and what is left of its entity is learnt.
    task = Tag(labels=("O", "B-LOC", "I-LOC", "B-ORG", "I-ORG")).with_tokenizer(TOKENIZER)
    (row,) = task.rows(first)
    assert row.aligned is not None
    labels = [task.labels[number] for number in row.aligned["labels"] if number >= 0]
    assert labels[0] == "B-ORG"
    assert labels[-1] == "B-LOC"
    assert labels.count("B-LOC") == 1


def test_tags_that_nothing_begins_are_read_and_said(tmp_path: Path) -> None:
    content = "a I-PER\nb I-LOC\nc I-LOC\n\nd B-LOC\ne I-PER\n"
    (first, second), said = heard(put(tmp_path / "a.conll", content))
    assert [kind for _, _, kind in first["entities"]] == ["PER", "LOC"]
    assert [kind for _, _, kind in second["entities"]] == ["LOC", "PER"]
    assert said[1].endswith("a.conll: 3 entities begin without a B tag: read all the same")
    _, said = heard(put(tmp_path / "io.conll", "a I-PER\nb I-LOC\nc O\n"))
    assert len(said) == 1
    _, said = heard(put(tmp_path / "mixed.conll", "a B-X\nb E-X\nc S-X\nd B-X\ne I-X\nf L-X\n"))
    assert "3 entities in BIOES" in said[0]


# Entities in JSON lines.


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            {"text": "ab", "entities": [[0, 3, "X"]]},
            "characters 0 to 3 are not within the text's 2",
        ),
        ({"text": "ab", "entities": [[2, 1, "X"]]}, "characters 2 to 1 are not within"),
        ({"text": "ab", "entities": [[1, 1, "X"]]}, "characters 1 to 1 are not within"),
        ({"text": "ab", "entities": [[-1, 1, "X"]]}, "characters -1 to 1 are not within"),
        ({"text": "ab", "entities": [[0.0, 1, "X"]]}, r"expected \[start, end, type\]"),
        ({"text": "ab", "entities": [[False, True, "X"]]}, r"expected \[start, end, type\]"),
        ({"text": "ab", "entities": [[0, 1]]}, r"expected \[start, end, type\]"),
        ({"text": "ab", "entities": [[0, 1, 7]]}, r"expected \[start, end, type\]"),
        ({"text": "ab", "entities": [{"start": 0, "end": "1", "type": "X"}]}, r"expected \[start"),
        ({"text": "ab", "entities": ["X"]}, r"expected \[start, end, type\], got 'X'"),
        ({"text": "ab", "entities": None}, "expected entities under entities, spans, label"),
        ({"text": "ab", "label": "pos"}, "entities: expected a list, got 'pos'"),
        ({"text": "ab", "label": {"X": {"a": [[0, "0"]]}}}, r"expected \[start, end, type\]"),
        ({"text": "ab", "label": {"X": {"a": [[True, 0]]}}}, r"expected \[start, end, type\]"),
        (
            {"text": "ab", "label": {"X": {"a": [[0]]}}},
            "expected .text: ..first, last... under 'X'",
        ),
        ({"text": "ab", "label": {"X": {"a": 3}}}, "expected .text: ..first, last... under 'X'"),
        ({"text": "ab", "label": {"X": ["a"]}}, "expected .text: ..first, last... under 'X'"),
        ({"text": "ab", "label": {"X": {"a": [[0, 2]]}}}, "characters 0 to 3 are not within"),
        ({"text": 3, "entities": []}, "expected 'text', or 'tokens' and 'tags'"),
        ({"text": "ab"}, "expected entities under"),
        ({"tokens": ["a"], "tags": ["O", "O"]}, "as many tags, .* 1 words and 2 tags"),
        ({"tokens": ["a"], "tags": [3]}, "1 words and 1 tags"),
        ({"tokens": ["a"], "tags": [""]}, "1 words and 1 tags"),
        ({"tokens": ["", "a"], "tags": ["O", "O"]}, "expected words, none of them empty"),
        ({"tokens": [], "tags": []}, "none of them empty"),
        ({"tokens": ["a", "b"], "tags": ["B-X", "0"]}, "expected 'O' or a tag like 'B-X'"),
    ],
)
def test_entities_that_cannot_be(tmp_path: Path, record: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=rf"a\.jsonl:1: .*{message}"):
        read_tagged(put(tmp_path / "a.jsonl", json.dumps(record)))


def test_entities_that_lie_over_others_are_counted(tmp_path: Path) -> None:
    entities = [[0, 5, "X"], [3, 8, "Y"], [4, 5, "Y"], [6, 8, "Y"], [6, 8, "Y"]]
    lines = [{"text": "ab cd ef", "entities": entities}, {"tokens": ["a"], "tags": ["O"]}]
    lines.append({"tokens": ["北京", "\ud800"], "tags": ["B-LOC", "I-LOC"]})
    path = put(tmp_path / "a.jsonl", "\n".join(map(json.dumps, lines)))
    found, said = heard(path)
    assert found[0]["entities"] == [(0, 5, "X"), (3, 8, "Y"), (4, 5, "Y"), (6, 8, "Y")]
    assert found[2]["text"] == "北京\ufffd"
    # The scheme is the file's, whatever a text of it has.
    assert [example.get("scheme") for example in found] == [None, "BIO", "BIO"]
    assert said[1].endswith(
        "2 entities lie over another one, which a word's tag cannot say: they are scored, not "
        "learnt from"
    )
    task = Tag(labels=("O", "B-X", "I-X", "B-Y", "I-Y")).with_tokenizer(TOKENIZER)
    (row,) = task.rows(found[0])
    assert row.aligned is not None
    labels = [task.labels[number] for number in row.aligned["labels"] if number >= 0]
    assert labels == ["B-X", "I-X", "B-Y"]


# Examples from Python.


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"text": "cat"}, "expected a text and its start"),
        ({"text": "cat", "start": "four"}, "expected a text and its start"),
        ({"text": "cat", "start": None}, "expected a text and its start"),
        ("cat", "expected a text and its start"),
        (("cat",), "expected a text and its start"),
        ({"text": "cat", "start": 5}, "expected 'cat' at character 5, got 'at'|are not within"),
        ({"text": "cat", "start": 99}, "characters 99 to 102 are not within the passage's 7"),
        ({"text": "c.a.t.", "start": 4, "end": 2}, "characters 4 to 2 are not within"),
        ({"text": "the", "start": 4}, "expected 'the' at character 4, got 'cat'"),
    ],
)
def test_answers_that_do_not_stand_there(answer: Any, message: str) -> None:
    example = {"question": "q", "context": "the cat", "answers": [answer], "place": "f:3"}
    with pytest.raises(DataError, match=f"f:3: answers: .*({message})"):
        Span().with_tokenizer(TOKENIZER).rows(example)


@pytest.mark.parametrize("entity", [(0, 1), (0.0, 1, "X"), (True, 2, "X"), (0, 1, 2), "X", None])
def test_entities_of_another_form(entity: Any) -> None:
    task = Tag(labels=("O", "B-X", "I-X")).with_tokenizer(TOKENIZER)
    with pytest.raises(DataError, match=r"f:3: entities: expected \[start, end, type\], got"):
        task.rows({"text": "ab", "entities": [entity], "place": "f:3"})


@pytest.mark.parametrize("label", ["nan", "inf", "-Infinity", "1e999", "", "five", True, [1]])
def test_numbers_that_are_none(label: Any) -> None:
    for kind in (Regress, Embed):
        example = {"text": "a", "pair": "b", "label": label, "place": "f:3"}
        with pytest.raises(DataError, match="f:3: expected a number as its label, got"):
            kind().with_tokenizer(TOKENIZER).rows(example)


# What only fine-tuning sees, before it begins.


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shape = Shape(1, 8, 1, 8, TOKENIZER.vocab_size, 32, dropout_fraction=0.0)
    task = Embed(max_tokens=32).with_tokenizer(TOKENIZER)
    torch.manual_seed(0)
    tensors = model_tensors(build_model(Encoder(shape), task))
    path = tmp_path_factory.mktemp("start") / "m"
    return save(path, tensors, shape=shape, task=task, tokenizer=TOKENIZER).path


GOOD = "text\tlabel\na\tx\nb\ty\n"
CONLL = "a B-X\nb O\n"


@pytest.mark.parametrize(
    ("task", "train", "dev", "message"),
    [
        ("classify", GOOD, GOOD + "c\tyy\n", r"dev\.tsv:4: label 'yy' is not one of this task's 2"),
        ("classify", GOOD, "text\tother\na\tx\n", r"dev\.tsv:2: expected a label, there is none"),
        ("classify", GOOD, "words\tlabel\na\tx\n", r"dev\.tsv:1: the head line names label but no"),
        ("classify", "text\tlabel\na\tx\nb\tx\n", GOOD, "at least two different labels; got .'x'."),
        ("regress", "text\tlabel\na\t1\nb\tnan\n", "", r"train\.tsv:3: expected a number as its"),
        (
            "regress",
            "text\tlabel\na\t1\nb\t2\n",
            "text\tlabel\na\tinf\n",
            r"dev\.tsv:2: expected a n",
        ),
        (
            "tag",
            CONLL,
            "a B-Y\n",
            r"dev\.conll:1: an entity of the type 'Y' is none of this task's",
        ),
        ("tag", "a O\n", CONLL, "no entity in any example: there is nothing to learn"),
    ],
)
def test_what_does_not_go_together_is_named_before_training(
    start: Path, tmp_path: Path, task: str, train: str, dev: str, message: str
) -> None:
    suffix = "conll" if task == "tag" else "tsv"
    put(tmp_path / f"train.{suffix}", train)
    put(tmp_path / f"dev.{suffix}", dev or train)
    with pytest.raises(FilbertError, match=message):
        filbert.finetune(
            task,
            tmp_path / f"train.{suffix}",
            tmp_path / "run",
            start=start,
            dev=tmp_path / f"dev.{suffix}",
            settings=["train.steps=1"],
            device="cpu",
        )
    assert not (tmp_path / "run").exists()
