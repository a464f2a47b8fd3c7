import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filbert.errors import DataError, SettingsError
from filbert.files import Place, read_texts
from filbert.files.plain import PART_CHARACTERS


def read(path, **options):
    return [(text.text, text.place.line) for text in read_texts(path, **options)]


def test_a_place_reads_as_path_and_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n\nHello\n", encoding="utf-8")
    [text] = read_texts(path)
    assert text.place == Place(path, 3)
    assert str(text.place) == f"{path}:3"


def test_three_ways_to_split(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one\ntwo\n \n\nthree\n", encoding="utf-8")
    assert read(path) == [("one\ntwo\n \n\nthree", 1)]
    assert read(path, split="blank") == [("one\ntwo", 1), ("three", 5)]
    assert read(path, split="line") == [("one", 1), ("two", 2), ("three", 5)]


def test_an_unknown_split(tmp_path):
    with pytest.raises(SettingsError, match="did you mean 'blank'"):
        read_texts(tmp_path, split="blanc")


def test_a_byte_order_mark_and_windows_line_ends_are_taken(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    assert read(path, split="line") == [("one", 1), ("two", 2)]
    lines = tmp_path / "a.jsonl"
    lines.write_bytes(b'\xef\xbb\xbf{"text": "one"}\r\n')
    assert read(lines) == [("one", 1)]


def test_gzip_reads_as_the_plain_file(tmp_path):
    plain, packed = tmp_path / "a.md", tmp_path / "a.md.gz"
    plain.write_text("one\n\n二\n", encoding="utf-8")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read(packed) == read(plain)


def test_a_long_file_is_cut_at_blank_lines(tmp_path):
    path = tmp_path / "a.txt"
    paragraphs = [f"Paragraph {number}.\n" + "word " * 300 for number in range(30)]
    path.write_text("\n\n".join(paragraphs), encoding="utf-8")
    texts = read(path)
    assert len(texts) > 5
    assert all(text.startswith("Paragraph") for text, _ in texts)
    assert all(len(text) <= PART_CHARACTERS for text, _ in texts)
    assert [line for _, line in texts] == sorted({line for _, line in texts})


def test_a_file_of_one_long_line_is_cut_at_spaces(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("word " * 10_000, encoding="utf-8")
    texts = read(path)
    assert {word for text, _ in texts for word in text.split(" ")} == {"word"}
    assert sum(text.split().count("word") for text, _ in texts) == 10_000


def test_a_long_chinese_line_is_cut_behind_a_full_stop(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("这是一个句子。" * 5_000, encoding="utf-8")
    texts = read(path)
    assert len(texts) == 5
    assert all(text.endswith("。") for text, _ in texts)


LINES = st.lists(
    st.one_of(
        st.sampled_from(["", " ", "中文", "word " * 50]),
        st.integers(0, 30_000).map(lambda n: "x" * n),
        st.integers(0, 9_000).map(lambda n: "字 " * n),
    ),
    max_size=40,
)


@given(LINES, st.sampled_from(["\n", "\r\n"]))
def test_no_character_is_lost_or_added_whatever_the_cut(tmp_path_factory, lines, line_end):
    path = tmp_path_factory.mktemp("cuts") / "a.txt"
    content = line_end.join(lines)
    path.write_bytes(content.encode())
    if not content.strip():
        with pytest.raises(DataError, match="the file is empty"):
            read(path)
        return
    for split in ("file", "blank", "line"):
        texts = read(path, split=split)
        assert "".join("".join(text.split()) for text, _ in texts) == "".join(content.split())
        assert all(text.strip() for text, _ in texts)
        for text, line in texts:
            assert text.split("\n")[0].strip() in lines[line - 1]
        if split == "file":
            assert all(len(text) <= PART_CHARACTERS for text, _ in texts)


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_any_text_comes_back_from_json(tmp_path_factory, text):
    import json

    path = tmp_path_factory.mktemp("json") / "a.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps({"text": text}).encode()))
    assert read(path) == [(text, 1)]


def test_labels_and_other_fields(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"review": "good", "label": "positive", "id": 1}\n\n'
        '{"review": "bad", "label": 0}\n{"review": "", "label": null}\n'
        '{"review": "half \\ud800", "label": true}\n',
        encoding="utf-8",
    )
    texts = list(read_texts(path, text_field="review"))
    assert [(t.text, t.label, t.place.line) for t in texts] == [
        ("good", "positive", 1),
        ("bad", "0", 3),
        ("", None, 4),
        ("half \ufffd", "true", 5),
    ]


def test_real_chinese_wikipedia(shared_data):
    texts = list(read_texts(shared_data / "corpus" / "zhwiki-extracted-00.jsonl.gz"))
    assert len(texts) == 64
    assert texts[0].text.startswith("数学")


def test_real_english_books(shared_data):
    books = sorted((shared_data / "corpus").glob("gutenberg-*.txt.gz"))
    texts = list(read_texts(books))
    assert len({text.place.path for text in texts}) == len(books) == 6
    assert all(len(text.text) <= PART_CHARACTERS for text in texts)
