import bz2
import gzip
import itertools
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filbert.errors import SettingsError
from filbert.files import Found, Limits, Problem, kind_of_content, read_found, read_texts

PROSE = "今天天气很好，我们一起去公园里散步。他说这是一个好主意，大家都很高兴。\n"


def read(path, **options):
    return list(read_found(str(path), "plain", **options))


def texts(items):
    return [item.text for item in items if isinstance(item, Found)]


def problems(items):
    return [(item.kind, item.place, item.lost) for item in items if isinstance(item, Problem)]


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("split", ["file", "blank", "line"])
@pytest.mark.parametrize(
    "content",
    [
        "one\ntwo\r\n\n \nthree 三\n　\nfour",
        "\n\n  \nlate\n",
        PROSE * 400,
        "word " * 9000 + "\n\n" + "字" * 20_000 + "。\nend\n",
        "".join(f"line {n}\n" + "\n" * (n % 7 == 0) for n in range(3000)),
    ],
)
def test_the_texts_are_those_of_read_texts(tmp_path, content, split):
    write(tmp_path / "a.txt", content)
    old = [(text.text, f"line {text.place.line}") for text in read_texts(tmp_path, split=split)]
    for name, coding in (("a.txt", "utf-8"), ("b", "utf-8-sig"), ("c", "utf-16")):
        write(tmp_path / name, content.encode(coding))
        new = read(tmp_path / name, split=split)
        assert [(item.text, item.place) for item in new] == old
    write(tmp_path / "d", gzip.compress(content.encode()))
    assert [(item.text, item.place) for item in read(tmp_path / "d", split=split)] == old


LINES = st.lists(st.sampled_from(["", "", " ", "a", "b c", "中文。", "x" * 30, "é\r"]), max_size=30)


@pytest.mark.parametrize("coding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("split", ["file", "blank", "line"])
@settings(max_examples=60, deadline=None)
@given(lines=LINES, cuts=st.lists(st.integers(0, 400), max_size=5), near=st.integers(1, 60))
@example(lines=["a", "b", "", "c"], cuts=[2, 3, 4, 5], near=1)
def test_ranges_side_by_side_lose_and_repeat_no_line(
    tmp_path_factory, lines, cuts, near, split, coding
):
    path = tmp_path_factory.mktemp("ranges") / "a"
    numbered = [f"{number}{line}" if line.strip() else line for number, line in enumerate(lines)]
    size = path.write_bytes("\n".join(["first", *numbered]).encode(coding))
    borders = [0, *sorted(cut for cut in cuts if 0 < cut < size), None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("filbert.files.found_plain.NEAR_BYTES", near)
        whole = texts(read(path, split=split))
        parts = [
            text
            for start, stop in itertools.pairwise(borders)
            for text in texts(read(path, split=split, start=start, stop=stop))
        ]
    if split == "file":  # a border is one more cut between parts
        whole, parts = lines_of(whole), lines_of(parts)
    assert parts == whole


def lines_of(parts):
    return [line.rstrip() for part in parts for line in part.split("\n") if line.strip()]


def test_a_range_says_the_byte_and_is_the_same_in_a_compressed_file(tmp_path):
    content = "".join(f"第{number}行\n" for number in range(9)).encode()
    write(tmp_path / "a", content)
    write(tmp_path / "b", bz2.compress(content))
    for name in "ab":
        assert read(tmp_path / name, split="line", start=10, stop=30) == [
            Found("第2行", "byte 16"),
            Found("第3行", "byte 24"),
        ]


def test_gb18030_is_read_and_no_problem(tmp_path):
    content = PROSE * 30 + "联通\n"  # valid UTF-8 by chance
    write(tmp_path / "a", content.encode("gbk"))
    items = read(tmp_path / "a", split="line")
    assert texts(items) == content.splitlines()
    assert problems(items) == []
    (later,) = read(tmp_path / "a", split="line", start=len(content.encode("gbk")) - 5)
    assert later.text == "联通"


def test_lines_in_another_encoding_than_the_file(tmp_path):
    line = PROSE.strip()
    raw = b"plain ASCII\n" * 100_000 + line.encode("gbk") + b"\n" + line.encode() + b"\n"
    items = read(write(tmp_path / "a", raw), split="line")
    assert texts(items)[-2:] == [line, line]
    assert problems(items) == [("encoding", "line 100001", False)]
    raw = line.encode("gbk") + b"\n" + line.encode() + b"\n"
    assert texts(read(write(tmp_path / "a", raw * 9), split="line")) == [line] * 18


def test_invalid_bytes_become_a_mark_and_are_noted_with_their_offset(tmp_path):
    raw = "first 一\n".encode() * 100 + b"caf\xe9 noir\n" + b"last \xe4\xb8"
    items = read(write(tmp_path / "a", raw), split="line")
    assert texts(items)[-2:] == ["caf\ufffd noir", "last \ufffd"]
    assert problems(items) == [("encoding", "line 101", False), ("encoding", "line 102", False)]
    messages = [item.message for item in items if isinstance(item, Problem)]
    assert f"0xe9 at byte {10 * 100 + 3:,}" in messages[0]
    assert f"0xe4 at byte {10 * 100 + 15:,}" in messages[1]


def test_a_line_with_zero_bytes_is_lost_and_the_others_are_not(tmp_path):
    raw = b"text\n" * 300_000 + b"\0\0\0\n" + b"more\n"
    items = read(write(tmp_path / "a", raw), split="line")
    assert len(texts(items)) == 300_001
    assert problems(items) == [("binary", "line 300001", True)]


@pytest.mark.parametrize("split", ["file", "blank", "line"])
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_compressed_file_that_breaks_off(tmp_path, split, pack):
    first = "one 一\n\ntwo 二\n\nthree 三".encode()
    packed = pack(first) + pack("四 four".encode())
    for cut in range(len(pack(first)) + 1, len(packed)):
        items = read(write(tmp_path / "a", packed[:cut]), split=split)
        assert "".join(texts(items)).replace("\n", "").startswith("one 一two 二three 三")
        assert "\ufffd" not in "".join(texts(items))
        assert [item.kind for item in items if isinstance(item, Problem)] == ["truncated"]


@pytest.mark.parametrize("content", [b"", b"\n \n\n", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_a_file_without_text_is_one_problem(tmp_path, content):
    path = write(tmp_path / "a", content)
    kind = kind_of_content(str(path))
    assert kind in ("empty", "plain")
    assert problems(read_found(str(path), kind)) == [("empty", "", True)]


def test_a_line_that_is_too_long_is_passed_over_in_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("filbert.files.text_lines.MOST_BYTES", 1 << 20)
    path = tmp_path / "a.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"before\n")
        for _ in range(20):
            file.write(b"x" * (1 << 20))
        file.write(b"\n\nbehind\n")
    tracemalloc.start()
    try:
        items = read(path)
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()
    assert problems(items) == [("too large", "line 2", True)]
    assert texts(items) == ["before\n\nbehind"] or texts(items) == ["before", "behind"]


@pytest.mark.parametrize("lines", ["line\n" * 210, "x\n" * 251])
def test_a_text_without_a_blank_line_is_bounded(tmp_path, monkeypatch, lines):
    monkeypatch.setattr("filbert.files.block.MOST_CHARACTERS", 1000)
    monkeypatch.setattr("filbert.files.block.MOST_LINES", 250)
    write(tmp_path / "a", f"one\n\n{lines}\nlast\n")
    items = read(tmp_path / "a", split="blank")
    assert texts(items) == ["one", "last"]
    assert problems(items) == [("too large", "line 3", True)]


def test_a_bomb_is_a_problem(tmp_path, monkeypatch):
    limits = Limits(ratio=50, free_bytes=1 << 16)
    monkeypatch.setattr("filbert.files.unpacked.Limits", lambda: limits)
    write(tmp_path / "bomb", gzip.compress((b"x" * 99 + b"\n") * 100_000))
    items = read(tmp_path / "bomb", split="line")
    assert problems(items) == [("bomb", items[-1].place, True)]
    assert len(items) > 100


def test_what_is_not_known():
    with pytest.raises(SettingsError, match=r"got 'lines'; did you mean 'line'"):
        read_found("a", "plain", split="lines")
    with pytest.raises(SettingsError, match="got 'warc'"):
        read_found("a", "warc")
