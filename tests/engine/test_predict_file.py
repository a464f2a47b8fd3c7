"""A file's answers in a file: every task's columns, every form, and what cannot be."""

import csv
import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import filbert
from filbert.engine import Predictor, predict_file
from filbert.errors import DataError, RequestError, SettingsError
from filbert.settings import to_mapping


@pytest.fixture
def classifier(models: dict[str, Predictor]) -> Predictor:
    return models["classify"]


def write_csv(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\r\n").writerows(rows)
    return path


def read_csv(path: Path) -> list[list[str]]:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


TEXTS = ["a b, c", "好书\n中", 'say "h"', "", "a b c d e f g h " * 12, "🙂 é"]


def rows_for(name: str) -> list[list[str]]:
    """A table that the task can answer, with columns that it has no use for."""
    if name == "choose":
        rows = [["text", "ending0", "ending1"], *([text, "a", "好"] for text in TEXTS)]
    elif name == "span":
        rows = [["question", "context"], *(["a b 好", f"{text} c"] for text in TEXTS)]
    elif name == "rerank":
        rows = [["query", "passage"], *(["好 书", text] for text in TEXTS)]
    elif name == "pretrain":
        rows = [["text"], *([f"a [MASK] {text}"] for text in TEXTS)]
    else:
        rows = [["review"], *([text] for text in TEXTS)]
    return [["id", *rows[0], "注"], *([str(n), *row, "\r\n"] for n, row in enumerate(rows[1:]))]


COLUMNS = {
    "classify": ["predicted", "probability"],
    "several": ["predicted", "probabilities"],
    "regress": ["predicted"],
    "tag": ["entities"],
    "span": ["answer", "start", "end", "probability"],
    "rerank": ["score"],
    "choose": ["choice", "probability"],
    "embed": ["vector"],
    "pretrain": ["masks"],
}


def asked(name: str, row: Sequence[str]) -> dict[str, Any]:
    parts = row[1:-1]
    if name == "choose":
        return {"text": parts[0], "choices": parts[1:]}
    names = {"span": ("question", "context"), "rerank": ("text", "pair")}.get(name, ("text",))
    return dict(zip(names, parts, strict=True))


def cells(name: str, answer: Any) -> list[Any]:
    """What an answer's columns have to hold, texts apart in JSON."""
    plain: Any = to_mapping(answer) if name != "embed" else None
    return {
        "classify": lambda: [answer.label, answer.probability],
        "several": lambda: ["|".join(answer.labels), plain["probabilities"]],
        "regress": lambda: [answer.value],
        "tag": lambda: [plain["entities"]],
        "span": lambda: [answer.text, answer.start, answer.end, answer.probability],
        "rerank": lambda: [answer.score],
        "choose": lambda: [answer.choice, answer.probability],
        "embed": lambda: [answer.vector.tolist()],
        "pretrain": lambda: [plain],
    }[name]()


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_each_tasks_columns_stand_behind_those_that_came(
    name: str, models: dict[str, Predictor], tmp_path: Path
) -> None:
    model, rows = models[name], rows_for(name)
    file, out = write_csv(tmp_path / "in.csv", rows), tmp_path / "out.csv"
    done = predict_file(model, file, out)
    assert (done.path, done.examples, done.resumed_at) == (out, len(TEXTS), 0)
    found = read_csv(out)
    assert [row[: len(rows[0])] for row in found] == rows
    assert found[0][len(rows[0]) :] == COLUMNS[name]
    answers = model.ask([asked(name, row) for row in rows[1:]])
    for row, answer in zip(found[1:], answers, strict=True):
        wanted = cells(name, answer)
        read = [
            cell if isinstance(value, str) else json.loads(cell)
            for cell, value in zip(row[len(rows[0]) :], wanted, strict=True)
        ]
        assert read == wanted
    # Packed, and as JSON lines: the same, and the whole answer.
    predict_file(model, file, tmp_path / "out.csv.gz")
    assert read_csv(tmp_path / "out.csv.gz") == found
    predict_file(model, file, tmp_path / "out.jsonl")
    for record, row, answer in zip(
        read_lines(tmp_path / "out.jsonl"), rows[1:], answers, strict=True
    ):
        assert [record[column] for column in rows[0]] == row
        whole = answer.vector.tolist() if name == "embed" else to_mapping(answer)
        assert record["answer"] == json.loads(json.dumps(whole).replace("Infinity", "null"))


def test_a_table_without_a_head_line_stays_without(classifier: Predictor, tmp_path: Path) -> None:
    file = tmp_path / "in.tsv"
    file.write_text("x\ta b c\t好书\r\n\r\nx\tb\t书 中\r\nx\tc a\ta\r\n", encoding="utf-8")
    predict_file(classifier, file, tmp_path / "out.tsv")
    found = [line.split("\t") for line in (tmp_path / "out.tsv").read_text().splitlines()]
    assert [row[:3] for row in found] == [
        ["x", "a b c", "好书"],
        ["x", "b", "书 中"],
        ["x", "c a", "a"],
    ]
    wanted = classifier.classify([("a b c", "好书"), ("b", "书 中"), ("c a", "a")])
    assert [(row[3], float(row[4])) for row in found] == [(a.label, a.probability) for a in wanted]
    predict_file(classifier, file, tmp_path / "out.jsonl")
    assert list(read_lines(tmp_path / "out.jsonl")[0]) == [
        *("column_1", "column_2", "column_3", "answer"),
    ]


def test_texts_a_line_whatever_stands_in_them(classifier: Predictor, tmp_path: Path) -> None:
    file = tmp_path / "in.txt.gz"
    file.write_bytes(gzip.compress("\ufeffa,b\n\n  \nc\t好\u2028d\r\n".encode()))
    assert predict_file(classifier, file, tmp_path / "out.csv").examples == 2
    found = read_csv(tmp_path / "out.csv")
    assert [row[0] for row in found] == ["text", "a,b", "c\t好\u2028d"]
    with pytest.raises(DataError, match=r"in\.txt\.gz:4: a cell holds a tab .* a \.csv or \.jsonl"):
        predict_file(classifier, file, tmp_path / "out.tsv")
    # An open file is read in the same way.
    predict_file(classifier, io.BytesIO("a,b\nc\t好\u2028d".encode()), tmp_path / "open.csv")
    assert (tmp_path / "open.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()
    with pytest.raises(DataError, match="standard input:2: expected UTF-8 text"):
        predict_file(classifier, io.BytesIO(b"a\n\xff\n"), tmp_path / "bad.csv")


def test_labels_need_not_be_there_nor_be_known(
    models: dict[str, Predictor], tmp_path: Path
) -> None:
    for name, label in (("classify", "unheard of"), ("regress", "much"), ("rerank", "-1")):
        rows = [["text", "pair", "label"], ["a", "b", label], ["好", "书", ""]]
        file = write_csv(tmp_path / f"{name}.csv", rows)
        assert predict_file(models[name], file, tmp_path / f"{name}-out.csv").examples == 2
    lines = '{"text": "a", "label": {"X": {"a": [[0, 0]]}}}\n{"text": "b", "label": null}\n'
    (tmp_path / "in.jsonl").write_text(lines, encoding="utf-8")
    for name in ("tag", "classify", "embed"):
        out = tmp_path / f"{name}.jsonl"
        assert predict_file(models[name], tmp_path / "in.jsonl", out).examples == 2
    (tmp_path / "bare.tsv").write_text("a b\tx\n好 书\ty\nc\tx\n", encoding="utf-8")
    predict_file(models["classify"], tmp_path / "bare.tsv", tmp_path / "bare-out.tsv")
    found = (tmp_path / "bare-out.tsv").read_text(encoding="utf-8").splitlines()
    wanted = models["classify"].classify(["a b", "好 书", "c"])
    assert [line.split("\t")[2] for line in found] == [answer.label for answer in wanted]


# Whole files of questions and of tagged words


def test_squads_form_and_the_official_predictions(
    models: dict[str, Predictor], tmp_path: Path
) -> None:
    model = models["span"]
    asked = [{"id": f"q{n}", "question": "a 好", "answers": []} for n in range(5)]
    paragraphs = [
        {"context": "a b c d 书", "qas": asked[:3]},
        {"context": "好 h g", "qas": asked[3:]},
    ]
    file = tmp_path / "squad.json"
    file.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), encoding="utf-8")
    done = predict_file(model, file, tmp_path / "out.json", chunk_examples=2)
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    contexts = ["a b c d 书"] * 3 + ["好 h g"] * 2
    wanted = model.answer(["a 好"] * 5, contexts)
    assert found == {f"q{n}": answer.text for n, answer in enumerate(wanted)}
    assert done.examples == 5
    predict_file(model, file, tmp_path / "out.jsonl", chunk_examples=2)
    lines = read_lines(tmp_path / "out.jsonl")
    assert [line["id"] for line in lines] == list(found)
    assert [line["answer"]["text"] for line in lines] == list(found.values())
    assert lines[4]["context"] == "好 h g"
    (tmp_path / "q.jsonl").write_text('{"question": "a", "context": "b"}\n')
    with pytest.raises(SettingsError, match=r"out2\.json: \.json is for questions in SQuAD's form"):
        predict_file(model, tmp_path / "q.jsonl", tmp_path / "out2.json")
    asked[1]["id"] = "q0"
    file.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), encoding="utf-8")
    with pytest.raises(DataError, match=r"paragraphs\[0\]\.qas\[1\]: a second question .* 'q0'"):
        predict_file(model, file, tmp_path / "out3.json")
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.json", "out.jsonl"]


def test_tagged_words_are_asked_without_their_tags(
    models: dict[str, Predictor], tmp_path: Path
) -> None:
    file = tmp_path / "in.conll"
    file.write_text("aa\tB-X\nb\tO\n\nc\tO\nd\tB-Q\n", encoding="utf-8")
    predict_file(models["tag"], file, tmp_path / "out.jsonl")
    lines = read_lines(tmp_path / "out.jsonl")
    assert [line["words"] for line in lines] == [["aa", "b"], ["c", "d"]]
    examples = [
        {"text": "aa b", "words": [(0, 2), (3, 4)]},
        {"text": "c d", "words": [(0, 1), (2, 3)]},
    ]
    wanted = models["tag"].ask(examples)
    assert [line["answer"] for line in lines] == [to_mapping(answer) for answer in wanted]


# What cannot be


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,b\na,1\nb\n", r"a\.csv:3: expected 2 columns, got 1"),
        ("a.csv", 'text,b\n"a\n\nc",1\nb,1,2\n', r"a\.csv:5: expected 2 columns, got 3"),
        ("a.csv", 'text,b\na,1\n"b,\n', r"a\.csv:3: not valid CSV"),
        ("a.tsv", "a b\t1\nc\n", r"a\.tsv:2: expected 2 columns, got 1"),
        ("a.jsonl", '{"text": "a"}\n{"text": 3}\n', r"a\.jsonl:2: text: expected text, got int"),
        ("a.jsonl", '{"text": "a"}\n{\n', r"a\.jsonl:2: expected a JSON object"),
        ("a.csv", "comment,label\na,1\n", r"a\.csv:1: the head line names label but no text"),
        ("a.csv", "text,label\n", r"a\.csv: expected at least one text, got none"),
        ("a.csv", "", r"a\.csv: expected at least one text, got none"),
        ("a.jsonl", "\n", r"a\.jsonl: expected at least one text, got none"),
        ("a.txt", " \n", r"a\.txt: expected at least one text, got none"),
        ("a.xlsx", "", r"a\.xlsx: expected \.jsonl, \.tsv, \.csv, \.txt"),
    ],
)
def test_what_cannot_be_read_is_named_and_leaves_nothing(
    name: str, content: str, message: str, classifier: Predictor, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    with pytest.raises(DataError, match=message):
        predict_file(classifier, tmp_path / name, tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_the_task_needs_is_named(models: dict[str, Predictor], tmp_path: Path) -> None:
    file = write_csv(tmp_path / "in.csv", [["text", "label"], ["a", "1"]])
    for name, part in (("rerank", "pair, one of pair"), ("choose", "choices, one of choices")):
        with pytest.raises(DataError, match=rf"in\.csv:1: a model for {name} needs .* {part}"):
            predict_file(models[name], file, tmp_path / "out.csv")
    (tmp_path / "in.txt").write_text("a\n")
    for name in ("rerank", "choose", "span"):
        with pytest.raises(DataError, match=f"a model for {name} reads more than a text"):
            predict_file(models[name], tmp_path / "in.txt", tmp_path / "out.csv")
    (tmp_path / "in.jsonl").write_text('{"question": "a"}\n')
    with pytest.raises(DataError, match=r"in\.jsonl:1: no field of context, passage"):
        predict_file(models["span"], tmp_path / "in.jsonl", tmp_path / "out.csv")
    for name in ("pretrain", "embed"):
        (tmp_path / "long.txt").write_text("[MASK]\n" + "a " * 40 + "\n")
        with pytest.raises(RequestError, match=r"long\.txt:2 has"):
            predict_file(models[name], tmp_path / "long.txt", tmp_path / "o.csv", long="error")


def test_nothing_is_written_over(classifier: Predictor, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "in.csv", [["text"], ["a"]])
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(SettingsError, match=r"out\.csv is there already"):
        predict_file(classifier, file, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "mine"
    with pytest.raises(SettingsError, match=r"in\.csv: would be written over .*in\.csv, which is"):
        predict_file(classifier, file, tmp_path / "in.csv")
    (tmp_path / "b.csv.part").write_text("mine")
    with pytest.raises(SettingsError, match=r"b\.csv\.part is there without b\.csv\.part\.json"):
        predict_file(classifier, file, tmp_path / "b.csv")
    (tmp_path / "c.csv.part.json").write_text('{"mine": 1}')
    with pytest.raises(SettingsError, match=r"c\.csv\.part\.json: .*'mine'.* move it away"):
        predict_file(classifier, file, tmp_path / "c.csv")
    assert (tmp_path / "c.csv.part.json").read_text() == '{"mine": 1}'
    for name in ("out.json", "out.xlsx", "out", "out.json.gz"):
        with pytest.raises(SettingsError, match=r"expected a name that ends with \.csv, \.tsv"):
            predict_file(classifier, file, tmp_path / name)


def test_it_is_a_top_level_name() -> None:
    assert filbert.predict_file is predict_file
