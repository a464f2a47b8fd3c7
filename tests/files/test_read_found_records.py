import gzip
import io
import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from filbert.errors import DataError
from filbert.files import (
    Found,
    Limits,
    Problem,
    found_parquet,
    kind_of_content,
    parquet_row_groups,
    read_found,
)

ARTICLE = (
    '<doc id="{0}" url="https://zh.wikipedia.org/wiki?curid={0}" title="{1}">\n{1}\n\n{2}\n</doc>\n'
)


def read(path, content, kind, **options):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert kind_of_content(str(path)) == kind
    return list(read_found(str(path), kind, **options))


def seen(items):
    return [
        item.text if isinstance(item, Found) else (item.kind, item.place, item.lost)
        for item in items
    ]


def test_jsonl_with_its_fields(tmp_path):
    record = {
        "text": "这是一个很好的 text",
        "label": 3,
        "title": "题",
        "url": "https://a.cn/",
        "language": "zh",
    }
    content = json.dumps(record, ensure_ascii=False) + '\n\n{"text": "b\\ud800", "title": 5}'
    for coding in ("utf-8", "utf-8-sig", "utf-16", "gb18030"):
        items = read(tmp_path / "a", content.encode(coding), "jsonl")
        assert [item for item in items if isinstance(item, Found)] == [
            Found("这是一个很好的 text", "line 1", "3", "题", "https://a.cn/", "zh"),
            Found("b\ufffd", "line 3"),
        ]
        assert len(items) == 2


def test_a_bad_line_is_named_and_passed_over(tmp_path):
    lines = [
        '{"text": "good"}',
        '{"text": "cut',
        "[1]",
        '{"txt": "a"}',
        '{"text": 3}',
        '{"text": " "}',
        '{"text": "kept", "label": [1]}',
        '{"text": ' + "[" * 100_000,
        '{"text": "last"}',
    ]
    items = read(tmp_path / "a", "\n".join(lines), "jsonl")
    at = [len("\n".join(lines[:number]).encode()) + (number > 0) for number in range(9)]
    assert seen(items) == [
        "good",
        ("not JSON", f"line 2 at byte {at[1]}", True),
        ("not JSON", f"line 3 at byte {at[2]}", True),
        ("field missing", f"line 4 at byte {at[3]}", True),
        ("field missing", f"line 5 at byte {at[4]}", True),
        ("empty", f"line 6 at byte {at[5]}", True),
        ("wrong label", f"line 7 at byte {at[6]}", False),
        "kept",
        ("not JSON", f"line 8 at byte {at[7]}", True),
        "last",
    ]
    assert "at column 10" in items[1].message
    assert "there are ['txt']; did you mean 'txt'" in items[3].message


def test_another_text_field(tmp_path):
    items = read(tmp_path / "a", '{"content": "a"}\n{"text": "b"}\n', "jsonl", text_field="content")
    assert seen(items) == ["a", ("field missing", "line 2 at byte 17", True)]


@pytest.mark.parametrize("content", ['[\n{"text": "a"},\n{"text": "b"}]\n', '{\n"text": "a"\n}\n'])
def test_json_that_is_no_lines_is_one_problem(tmp_path, content):
    (problem,) = read(tmp_path / "a", content, "jsonl")
    assert "expected one JSON object a line" in problem.message


def test_a_compressed_jsonl_that_breaks_off_has_no_other_problem(tmp_path):
    packed = gzip.compress(b"".join(b'{"text": "%d"}\n' % n for n in range(100)))
    (tmp_path / "whole").write_bytes(packed)
    whole = seen(read_found(str(tmp_path / "whole"), "jsonl"))
    for cut in range(30, len(packed), 7):
        (tmp_path / "a").write_bytes(packed[:cut])
        *texts, last = seen(read_found(str(tmp_path / "a"), "jsonl"))
        assert texts == whole[: len(texts)]
        assert last[0] == "truncated"


@settings(max_examples=50, deadline=None)
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=20),
    cuts=st.lists(st.integers(0, 500), max_size=4),
)
def test_jsonl_round_trip_in_ranges(tmp_path_factory, texts, cuts):
    texts = [f"x{text}" for text in texts]
    path = tmp_path_factory.mktemp("jsonl") / "a"
    lines = (json.dumps({"text": text}, ensure_ascii=False) for text in texts)
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    borders = [0, *sorted(cuts), None]
    parts = [
        item
        for index in range(len(borders) - 1)
        for item in read_found(str(path), "jsonl", start=borders[index], stop=borders[index + 1])
    ]
    assert [item.text for item in parts if isinstance(item, Found)] == texts


def test_wikiextractor_json_without_the_repeated_title(tmp_path):
    record = {"id": "13", "url": "https://zh.wikipedia.org/wiki?curid=13", "title": "数学"}
    items = read(tmp_path / "a", json.dumps(record | {"text": "数学\n\n数学是学科。"}), "jsonl")
    assert items == [Found("数学是学科。", "line 1", title="数学", url=record["url"])]


def test_extracted_articles(tmp_path):
    content = ARTICLE.format(1, "A &amp; B", "text of A") + ARTICLE.format(
        2, "数学", "数学是\n\n学科。"
    )
    assert read(tmp_path / "a", content, "extracted") == [
        Found("text of A", "line 1", title="A & B", url="https://zh.wikipedia.org/wiki?curid=1"),
        Found(
            "数学是\n\n学科。", "line 6", title="数学", url="https://zh.wikipedia.org/wiki?curid=2"
        ),
    ]


def test_extracted_articles_that_are_not_closed_are_kept(tmp_path):
    one = ARTICLE.format(1, "A", "text of A").removesuffix("</doc>\n")
    content = (
        one + ARTICLE.format(2, "B", "text of B") + "stray\nmore\n" + ARTICLE.format(3, "C", "")
    )
    items = read(tmp_path / "a", content + one, "extracted")
    assert seen(items) == [
        ("truncated", "line 1", False),
        "text of A",
        "text of B",
        ("broken markup", "line 10", True),
        ("empty", "line 12", False),
        ("truncated", "line 17", False),
        "text of A",
    ]


def table(**columns) -> bytes:
    out = io.BytesIO()
    parquet.write_table(pa.table(columns), out, row_group_size=2)
    return out.getvalue()


def test_parquet_by_row_groups(tmp_path):
    content = table(
        text=["一", "two", None, " ", "five"],
        label=[1, 2, 3, 4, 5],
        title=pa.array(["t"] * 5).dictionary_encode(),
        language=["zh", None, "en", "en", "en"],
        extra=[[1]] * 5,
    )
    items = read(tmp_path / "a", content, "parquet")
    assert items[:2] == [
        Found("一", "row 0", "1", "t", None, "zh"),
        Found("two", "row 1", "2", "t"),
    ]
    assert seen(items[2:]) == [("field missing", "row 2", True), ("empty", "row 3", True), "five"]
    assert parquet_row_groups(str(tmp_path / "a")) == [2, 2, 1]
    assert list(read_found(str(tmp_path / "a"), "parquet", start=1)) == items[2:]
    assert list(read_found(str(tmp_path / "a"), "parquet", start=0, stop=1)) == items[:2]


def test_parquet_of_bytes_that_are_no_utf8(tmp_path):
    items = read(tmp_path / "a", table(text=[b"caf\xe9", b"good"]), "parquet")
    assert seen(items) == [("encoding", "row 0", False), "caf\ufffd", "good"]


def test_parquet_without_the_column(tmp_path):
    (problem,) = read(tmp_path / "a", table(txt=["a"], n=[1]), "parquet")
    assert (
        problem.message == "column 'text' is missing; there are ['txt', 'n']; did you mean 'txt'?"
    )
    (problem,) = read(tmp_path / "a", table(text=[1]), "parquet")
    assert "expected text, got int64" in problem.message


def test_parquet_that_is_damaged(tmp_path):
    content = table(text=[str(number) * 50 for number in range(6)])
    (problem,) = read(tmp_path / "a", content[:-20], "parquet")
    assert (problem.kind, problem.place) == ("broken Parquet", "")
    with pytest.raises(DataError, match="expected a whole Parquet file"):
        parquet_row_groups(str(tmp_path / "a"))
    for place in range(4, len(content), 5):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        (tmp_path / "a").write_bytes(damaged)
        for item in read_found(str(tmp_path / "a"), "parquet"):
            assert isinstance(item, Found | Problem)


PAGE = """<!DOCTYPE html><html lang="zh-CN"><head><meta charset="gbk"><title>天气</title></head>
<body><nav><a href="/">首页</a></nav><main><p>{}</p></main></body></html>"""


def test_an_html_page_with_its_title_and_language(tmp_path):
    text = "今天天气很好，我们一起去公园里散步。" * 9
    for raw in (PAGE.format(text).encode("gbk"), gzip.compress(PAGE.format(text).encode("gbk"))):
        assert read(tmp_path / "a", raw, "html") == [
            Found(text, "byte 0", title="天气", language="zh")
        ]


def test_html_pages_that_are_empty_too_large_or_cut_short(tmp_path, monkeypatch):
    assert seen(read(tmp_path / "a", "<html> </html>", "html")) == [("empty", "", True)]
    page = PAGE.format("<p>a text that can be read</p>" * 100)
    packed = gzip.compress(page.encode())
    *problems, text = seen(read(tmp_path / "a", packed[:-10], "html"))
    assert problems[0][0] == "truncated"
    assert "a text that can be read" in text
    monkeypatch.setattr("filbert.files.found_pages.MOST_BYTES", 1000)
    assert seen(read(tmp_path / "a", page, "html")) == [("too large", "", True)]


@pytest.mark.parametrize("content", [b"PK\x03\x04...", b"\xff" * 100])
def test_binary_says_what_it_is(tmp_path, content):
    (problem,) = read(tmp_path / "a", content, "binary")
    assert problem.kind == "binary"
    assert ("a ZIP archive" in problem.message) == content.startswith(b"PK")


def test_a_json_line_that_would_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("filbert.files.found_json.MOST_VALUES", 100)
    crowded = '{"text": "a", "x": [' + "[]," * 100 + "1]}"
    items = read(tmp_path / "a", crowded + '\n{"text": "' + "b" * 200 + '"}\n', "jsonl")
    assert seen(items) == [("too large", "line 1 at byte 0", True), "b" * 200]


def test_an_article_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr("filbert.files.block.MOST_LINES", 10)
    content = ARTICLE.format(1, "A", "line\n" * 20) + ARTICLE.format(2, "B", "text of B")
    assert seen(read(tmp_path / "a", content, "extracted")) == [
        ("too large", "line 1", True),
        "text of B",
    ]


def test_a_parquet_bomb(tmp_path, monkeypatch):
    out = io.BytesIO()
    columns = {"text": pa.array(["x" * 100_000] * 50)}
    parquet.write_table(pa.table(columns), out, compression="zstd", use_dictionary=False)
    limits = Limits(ratio=100, free_bytes=1 << 20)
    monkeypatch.setattr("filbert.files.found_parquet.Limits", lambda: limits)
    assert seen(read(tmp_path / "a", out.getvalue(), "parquet")) == [("bomb", "row 0", True)]


def test_long_rows_of_parquet_come_in_small_batches(tmp_path, monkeypatch):
    real, rows = found_parquet._batch, []

    def batch(some, *more):
        rows.append(some.num_rows)
        return real(some, *more)

    monkeypatch.setattr(found_parquet, "_batch", batch)
    texts = [f"{n} " * 500_000 for n in range(20)] + ["a short text"] * 2
    parquet.write_table(pa.table({"text": texts}), tmp_path / "long", compression="none")
    parquet.write_table(pa.table({"text": ["a short text"] * 130}), tmp_path / "short")
    items = list(read_found(str(tmp_path / "long"), "parquet"))
    assert [item.text for item in items] == texts
    assert set(rows) <= {1, 2, 3}
    rows.clear()
    assert len(list(read_found(str(tmp_path / "short"), "parquet"))) == 130
    assert rows == [64, 64, 2]
