"""Files of examples to be answered, one at a time."""

import gzip
import tracemalloc
from pathlib import Path

import pytest

from filbert.errors import DataError
from filbert.tasks.reading import Record, asked_by, open_records

TASK = asked_by("classify", ("pos", "neg", "0", "1"))


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode("utf-8"))
    return path


def parts(record: Record) -> dict[str, str]:
    return {name: value for name, value in record.example.items() if name != "place"}


@pytest.mark.parametrize(
    ("task", "name", "text", "wanted", "found"),
    [
        # Without labels, with known ones, with others.
        ("classify", "a.csv", "id,text\n1,good\n", {"text": "good"}, "column 'text'"),
        ("classify", "a.csv", "label,Review\n?,好\n", {"text": "好"}, "column 'Review'"),
        ("classify", "a.tsv", "good film\n很好\n", {"text": "good film"}, "column 1"),
        ("classify", "a.tsv", "7\tgood\n8\tbad\n", {"text": "good"}, "column 2"),
        ("classify", "a.tsv", "pos\tgood\nneg\tbad\n", {"text": "good"}, "column 2"),
        ("classify", "a.tsv", "good\tx\nbad\tx\nfine\tx\n", {"text": "good"}, "column 1"),
        ("classify", "a.tsv", "g\ty\nb\tz\n", {"text": "g", "pair": "y"}, "column 1"),
        ("classify", "a.tsv", "1\tg\ty\t8\n2\tb\tz\t9\n", {"text": "g", "pair": "y"}, "column 2"),
        # A query comes back with each of its passages.
        ("rerank", "a.tsv", "q\ty\nq\tz\nq\tx\nq\tw\n", {"text": "q", "pair": "y"}, "column 1"),
        ("rerank", "a.csv", "query,passage\nq,p\n", {"text": "q", "pair": "p"}, "column 'query'"),
        ("span", "a.csv", "context,id,question\nc,1,q\n", {"question": "q", "context": "c"}, ""),
        ("span", "a.tsv", "q\tc d\nr\tc e\n", {"question": "q", "context": "c d"}, ""),
        ("tag", "a.csv", "text,pair\na,b\n", {"text": "a"}, "column 'text'"),
        ("choose", "a.csv", "sent1,ending0,ending1\na,b,c\n", {"text": "a", "choices": ["b", "c"]},
         "column 'sent1'"),
    ],
)  # fmt: skip
def test_what_is_read_of_a_table(
    task: str, name: str, text: str, wanted: dict[str, str], found: str, tmp_path: Path
) -> None:
    asked = TASK if task == "classify" else asked_by(task)
    records = open_records(write(tmp_path / name, text), asked)
    assert parts(next(records.items)) == wanted
    assert records.found.get("text", "") == found


def test_columns_by_name_or_number_and_no_label(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "title,Body,stars\na,b,1\n")
    records = open_records(file, TASK, {"text": "body", "label": "not there"})
    assert [parts(record) for record in records.items] == [{"text": "b"}]
    file = write(tmp_path / "a.tsv", "a\tb\tc\nd\te\tf\n")
    with pytest.raises(DataError, match="3 columns and no head line"):
        open_records(file, TASK)
    records = open_records(file, TASK, {"text": "3", "pair": "1"})
    assert [parts(r) for r in records.items] == [
        {"text": "c", "pair": "a"},
        {"text": "f", "pair": "d"},
    ]


def test_places_and_how_far_the_file_is_read(tmp_path: Path) -> None:
    text = '\ufefftext,n\r\n"a\r\n\r\nb",1\r\n\r\n,\r\nc,2\r\n'
    for file in (write(tmp_path / "a.csv", text), tmp_path / "b.csv.gz"):
        if file.suffix == ".gz":
            file.write_bytes(gzip.compress(text.encode()))
        records = open_records(file, TASK)
        assert records.total == file.stat().st_size
        assert records.marked
        listed = list(records.items)
        # A cell keeps its line ends; a row of empty cells is a row, a blank line is none.
        assert [record.cells for record in listed] == [("a\r\n\r\nb", "1"), ("", ""), ("c", "2")]
        assert [record.example["place"].line for record in listed] == [2, 6, 7]
        assert records.at == records.total


def test_an_open_quote_is_named_where_it_is_opened(tmp_path: Path) -> None:
    rows = "".join(f"{n},x\n" for n in range(40_000))
    file = write(tmp_path / "a.csv", f'text,n\na,1\n"b,2\n{rows}')
    # Its cell would have no end; what may stand in one is bounded.
    with pytest.raises(DataError, match=r"a\.csv:3: not valid CSV: .*; is a quote left open there"):
        open_records(file, TASK)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt", "a.csv.gz"])
def test_memory_does_not_grow_with_the_file(name: str, tmp_path: Path) -> None:
    form = {".jsonl": '{{"text": "abc {}", "n": 1}}\n', ".tsv": "abc {}\tx\n", ".txt": "abc {}\n"}
    peaks = []
    for count in (1_500, 7_500):
        lines = [form.get(Path(name).suffix, '"abc {}",x\n').format(n) for n in range(count)]
        raw = (("text\tn\n" if name == "a.tsv" else "text,n\n") + "".join(lines)).encode()
        if name == "a.jsonl":
            raw = "".join(lines).encode()
        (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        del raw, lines
        tracemalloc.start()
        records = open_records(tmp_path / name, TASK)
        assert sum(1 for _ in records.items) == count + (name == "a.txt")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
