"""Records come out of a file of answers as they went in."""

import csv
import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filbert.engine import Predictor, predict_file
from filbert.errors import DataError
from filbert.tasks.reading.columns import PAIR_FIELDS


@pytest.fixture
def classifier(models: dict[str, Predictor]) -> Predictor:
    return models["classify"]


def write_csv(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\r\n").writerows(rows)
    return path


def read_csv(path: Path) -> list[list[str]]:
    text = path.read_bytes().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


CELLS = st.text(st.sampled_from('ab ,"\n\r\t;|好书🙂\u2028\ufeff='), max_size=8)
TAB_CELLS = st.text(st.sampled_from('ab ,";|好书🙂\u2028='), min_size=1, max_size=8)


def table(cell: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[str]]]:
    return st.integers(1, 3).flatmap(
        lambda width: st.lists(
            st.lists(cell, min_size=width, max_size=width), min_size=1, max_size=6
        )
    )


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


QUICK = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(table(CELLS), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_csv_comes_back(
    classifier: Predictor, rows: list[list[str]], marked: bool, end: str
) -> None:
    head = ["text", *(f"n{n}" for n in range(1, len(rows[0])))]
    with folder() as place:
        text = io.StringIO(newline="")
        csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator=end).writerows([head, *rows])
        raw = b"\xef\xbb\xbf" * marked + text.getvalue().encode("utf-8")
        (place / "in.csv").write_bytes(raw)
        done = predict_file(classifier, place / "in.csv", place / "out.csv", chunk_examples=2)
        found = read_csv(place / "out.csv")
        assert [row[: len(head)] for row in found] == [head, *rows]
        assert done.examples == len(rows)
        # Excel knows by the mark that Chinese is UTF-8: what had one keeps it.
        assert (place / "out.csv").read_bytes().startswith(b"\xef\xbb\xbf") == marked


@QUICK
@given(table(TAB_CELLS), st.booleans())
def test_tsv_comes_back(classifier: Predictor, rows: list[list[str]], headed: bool) -> None:
    head = ["text", *(f"n{n}" for n in range(1, len(rows[0])))]
    whole = [head, *rows] if headed else rows
    with folder() as place:
        lines = "".join("\t".join(row) + "\n" for row in whole)
        (place / "in.tsv").write_bytes(lines.encode("utf-8"))
        columns = {} if headed else {"text": "1"}
        predict_file(
            classifier, place / "in.tsv", place / "out.tsv", columns=columns, chunk_examples=2
        )
        found = (place / "out.tsv").read_bytes().decode("utf-8").removesuffix("\n").split("\n")
        cut = [line.split("\t") for line in found]
        blank = [row for row in whole if any(cell.strip() for cell in row)]
        begun = whole[whole.index(blank[0]) :] if blank else []
        assert [row[: len(head)] for row in cut] == begun
        assert all(len(row) == len(head) + 2 for row in cut)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@QUICK
@given(
    st.lists(
        st.tuples(st.dictionaries(st.text(max_size=4), JSON, max_size=3), st.text(max_size=6)),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_json_lines_come_back(
    classifier: Predictor, parts: list[tuple[dict[str, Any], str]], ascii_only: bool
) -> None:
    others = ("pair", "answer", "answer_2", "text_b", *PAIR_FIELDS)
    records = [
        {n: v for n, v in fields.items() if n not in others} | {"text": text}
        for fields, text in parts
    ]
    with folder() as place:
        lines = [json.dumps(record, ensure_ascii=ascii_only) for record in records]
        raw = "".join(f" {line} \n" for line in lines).encode("utf-8", "surrogatepass")
        if not ascii_only:
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError:
                return
        (place / "in.jsonl").write_bytes(raw)
        predict_file(classifier, place / "in.jsonl", place / "out.jsonl", chunk_examples=2)
        out = (place / "out.jsonl").read_text(encoding="utf-8").removesuffix("\n").split("\n")
        for record, line, found in zip(records, lines, out, strict=True):
            # Not only equal: written as it was.
            assert found.startswith(line.removesuffix("}"))
            read = json.loads(found)
            assert set(read.pop("answer")) >= {"label", "probabilities"}
            assert read == record


def test_numbers_of_json_keep_their_writing(classifier: Predictor, tmp_path: Path) -> None:
    line = '{"n": 1.00000000000000000001e400, "text":"a", "s": "\\ud83d", "text2" : [ ] }'
    (tmp_path / "in.jsonl").write_text(f"{line}\n\n{line}\n", encoding="utf-8")
    assert predict_file(classifier, tmp_path / "in.jsonl", tmp_path / "o.jsonl").examples == 2
    for found in (tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines():
        assert found.startswith(line.removesuffix(" }"))
    with pytest.raises(DataError, match=r"in\.jsonl:1: .*half of a surrogate pair"):
        predict_file(classifier, tmp_path / "in.jsonl", tmp_path / "o.csv")
    # A half in the text itself is read as U+FFFD, and written as it came.
    (tmp_path / "half.jsonl").write_text('{"text": "a \\ud83d b"}\n', encoding="utf-8")
    predict_file(classifier, tmp_path / "half.jsonl", tmp_path / "half-out.jsonl")
    (record,) = read_lines(tmp_path / "half-out.jsonl")
    assert record["text"] == "a \ud83d b"
    (wanted,) = classifier.ask([{"text": "a \ufffd b"}])
    assert record["answer"]["probability"] == wanted.probability


def test_json_lines_become_a_table_by_the_first_ones_fields(
    classifier: Predictor, tmp_path: Path
) -> None:
    lines = ['{"id": 7, "text": "a, b", "more": null}', '{"text": "好", "id": [1]}']
    (tmp_path / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    predict_file(classifier, tmp_path / "in.jsonl", tmp_path / "out.csv")
    found = read_csv(tmp_path / "out.csv")
    assert [row[:3] for row in found] == [
        ["id", "text", "more"],
        ["7", "a, b", ""],
        ["[1]", "好", ""],
    ]
    (tmp_path / "in.jsonl").write_text(lines[1] + "\n" + lines[0], encoding="utf-8")
    with pytest.raises(DataError, match=r"in\.jsonl:2: field 'more' is not one of the first line"):
        predict_file(classifier, tmp_path / "in.jsonl", tmp_path / "other.csv")


def test_a_name_that_is_taken_is_not_taken_again(classifier: Predictor, tmp_path: Path) -> None:
    file = write_csv(
        tmp_path / "in.csv", [["text", "Predicted", "predicted_2"], ["a", "old", "older"]]
    )
    predict_file(classifier, file, tmp_path / "out.csv")
    assert read_csv(tmp_path / "out.csv")[0] == [
        *("text", "Predicted", "predicted_2", "predicted_3", "probability"),
    ]
    again = predict_file(classifier, tmp_path / "out.csv", tmp_path / "out2.csv")
    assert again.examples == 1
    assert read_csv(tmp_path / "out2.csv")[0][-2:] == ["predicted_4", "probability_2"]
    (tmp_path / "in.jsonl").write_text('{"text": "a", "answer": 1}\n{"text": "b"}\n')
    predict_file(classifier, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    first, second = read_lines(tmp_path / "out.jsonl")
    assert (first["answer"], first["answer_2"]["label"] in "xy书") == (1, True)
    assert "answer" not in second
    (tmp_path / "in.jsonl").write_text('{"text": "b"}\n{"text": "a", "answer": 1}\n')
    with pytest.raises(DataError, match=r"in\.jsonl:2: there is a field 'answer'"):
        predict_file(classifier, tmp_path / "in.jsonl", tmp_path / "out3.jsonl")
    twice = write_csv(tmp_path / "twice.csv", [["text", "n", "n"], ["a", "1", "2"]])
    with pytest.raises(DataError, match=r"twice\.csv: two columns have the same name"):
        predict_file(classifier, twice, tmp_path / "twice.jsonl")
    predict_file(classifier, twice, tmp_path / "twice-out.csv")
    assert read_csv(tmp_path / "twice-out.csv")[1][:3] == ["a", "1", "2"]
