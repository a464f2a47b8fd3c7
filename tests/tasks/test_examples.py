"""Files of examples as they come."""

import gzip
from pathlib import Path

import pytest

from filbert.errors import DataError
from filbert.tasks import read_examples


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def parts(path: Path) -> list[dict[str, str]]:
    return [{k: v for k, v in e.items() if k != "place"} for e in read_examples(path)]


def test_json_lines_by_their_usual_names(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        '{"sentence": "很好", "label": 1}\n\n{"text": "x", "pair": "y", "label": "neg"}\n',
    )
    assert parts(path) == [
        {"text": "很好", "label": "1"},
        {"text": "x", "pair": "y", "label": "neg"},
    ]
    assert str(read_examples(path)[1]["place"]).endswith("a.jsonl:3")


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a.tsv", "label\ttext_a\n1\t房间很大\n0\t太吵\n", [("房间很大", "1"), ("太吵", "0")]),
        ("a.tsv", "good\t1\nbad\t0\nfine\t1\n", [("good", "1"), ("bad", "0"), ("fine", "1")]),
        ("a.tsv", '1\tsay "hi"\n0\tb\n0\tc\n', [('say "hi"', "1"), ("b", "0"), ("c", "0")]),
        ("a.csv", 'text,label\n"a, ""b""\nc",x\nd,y\n', [('a, "b"\nc', "x"), ("d", "y")]),
        ("a.tsv", "7\tp a\tq\tyes\n9\tr s\tt\tno\n10\tu\tv w\tno\n31\tx\ty\tno\n",
         [("p a", "yes"), ("r s", "no"), ("u", "no"), ("x", "no")]),
        ("a.tsv", "index\tsentence1\tsentence2\tlabel\n0\tp\tq\tyes\n", [("p", "yes")]),
    ],
)  # fmt: skip
def test_tables(tmp_path: Path, name: str, text: str, wanted: list[tuple[str, str]]) -> None:
    found = parts(write(tmp_path / name, text))
    assert [(example["text"], example["label"]) for example in found] == wanted


def test_prose_is_a_text_a_line_commas_and_all(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "Hello, world.\n\nOne, two, three.\n")
    assert parts(path) == [{"text": "Hello, world."}, {"text": "One, two, three."}]


def test_gzip_and_what_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(b"a\t1\nb\t0\nc\t0\n"))
    said: list[str] = []
    assert len(read_examples(path, said.append)) == 3
    assert said[0].endswith("a.tsv.gz: 3 examples with text, label")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', r"a\.jsonl:2: expected a JSON object"),
        ("a.jsonl", b'["a"]\n', r"a\.jsonl:1: expected a JSON object, got list"),
        ("a.jsonl", b'{"words": "a"}\n', r"a\.jsonl:1: no field of text"),
        ("a.jsonl", b'{"text": 3, "label": "x"}\n', r"a\.jsonl:1: text: expected text, got int"),
        ("a.jsonl", b'{"text": "a", "label": {"x": 1}}\n', r"a\.jsonl:1: label: expected one val"),
        ("a.jsonl", b'{"text": "a", "endings": [1]}\n', r"a\.jsonl:1: choices: expected a list of"),
        ("a.tsv", b"text\tlabel\na\n", r"a\.tsv:2: expected 2 columns, got 1"),
        ("a.csv", b"a b,1\nc,d,0\n", r"a\.csv:2: expected 2 columns, got 3"),
        ("a.csv", b"comment,label\na,1\n", r"a\.csv:1: the head line names label but no text"),
        ("a.tsv", b"a\tb\tc\n", r"a\.tsv:1: 3 columns and no head line"),
        ("a.tsv", b"a\t1\n\xff\t0\n", r"a\.tsv:2: expected UTF-8"),
        ("a.csv", b'text,label\n"a,x\n', r"a\.csv:\d: not valid CSV"),
        ("a.tsv", b"", "no example in this file|empty"),
        ("a.xlsx", b"", r"a\.xlsx: expected \.jsonl, \.tsv"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_examples(tmp_path / name)


def test_real_files(shared_data: Path) -> None:
    reviews = read_examples(shared_data / "cls" / "chnsenticorp-dev.tsv.gz")
    assert len(reviews) == 1200
    assert {example["label"] for example in reviews} == {"0", "1"}
    sentences = read_examples(shared_data / "cls" / "sst2-dev.tsv")
    assert len(sentences) == 872
    assert {example["label"] for example in sentences} == {"0", "1"}
    pairs = read_examples(shared_data / "cls" / "rte-dev.tsv")
    assert len(pairs) == 277
    assert all("pair" in example for example in pairs)
