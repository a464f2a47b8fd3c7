import errno
import gzip
import os
import random
import tracemalloc
from pathlib import Path

import pytest

from filbert.errors import DataError
from filbert.files import read_texts

GOOD = gzip.compress(random.Random(1).randbytes(3000).hex().encode() + b"\n", mtime=0)


def refuse(path, content, message, **options):
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(read_texts(path, **options))


@pytest.mark.parametrize("content", [b"", b"\n\n", b" \r\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.jsonl"])
def test_empty_file(tmp_path, name, content):
    content = gzip.compress(content) if name.endswith(".gz") else content
    refuse(tmp_path / name, content, rf"{name}: the file is empty; expected text")


def test_a_file_without_text_in_a_folder_is_passed_over_unless_all_are(tmp_path):
    (tmp_path / "blank.txt").write_bytes(b"\n")
    with pytest.raises(DataError, match="no text in any file"):
        list(read_texts(tmp_path))
    (tmp_path / "full.txt").write_bytes(b"text\n")
    assert [text.text for text in read_texts(tmp_path)] == ["text"]


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", b"\x00"])
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.jsonl"])
def test_binary_file(tmp_path, name, content):
    content = gzip.compress(content) if name.endswith(".gz") else content
    refuse(tmp_path / name, content, rf"{name}: expected UTF-8 text, got a binary file")


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le"])
def test_utf16(tmp_path, coding):
    refuse(
        tmp_path / "a.txt", "text\n".encode(coding), r"expected UTF-8 text, got (UTF-16|a binary)"
    )


@pytest.mark.parametrize("split", ["file", "blank", "line"])
@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"one\ntwo\nthr\xffee\nfour\n", r"a\.txt:3: .* 0xff"),
        (b"one\n" + "中".encode()[:2] + b"\ntwo\n", r"a\.txt:2: .* 0xe4"),
        (b"one\n" + "中".encode()[:2], r"a\.txt:2: .* 0xe4"),
        (b"x" * 100_000 + b"\n" + "中".encode("gbk") + b"\n", r"a\.txt:2: .* 0xd6"),
    ],
)
def test_invalid_utf8_names_the_line(tmp_path, content, place, split):
    refuse(tmp_path / "a.txt", content, place, split=split)


def test_a_character_across_two_pieces_of_a_long_line_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(("x" + "中" * 100_000 + "\n").encode())
    assert "".join(text.text for text in read_texts(path)) == "x" + "中" * 100_000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "cut', r"a\.jsonl:2: expected a JSON object: .* at column 10"),
        ("[1, 2]", r"a\.jsonl:2: expected a JSON object, got a list"),
        ("3", r"a\.jsonl:2: expected a JSON object, got a number"),
        ("null", r"a\.jsonl:2: expected a JSON object, got null"),
        ('{"txt": "a"}', r"a\.jsonl:2: field 'text' is missing.*did you mean 'txt'"),
        ('{"text": 3}', r"a\.jsonl:2: field 'text': expected text, got a number"),
        ('{"text": null}', r"a\.jsonl:2: field 'text': expected text, got null"),
        ('{"text": "a", "label": [1]}', r"a\.jsonl:2: field 'label': .*got a list"),
        ('{"text": "a", "label": 0.5}', r"a\.jsonl:2: field 'label': .*got a number"),
        ('{"text": ' + "[" * 200_000, r"a\.jsonl:2: expected a JSON object"),
        ('{"text": ' + "9" * 5_000 + "}", r"a\.jsonl:2: "),
    ],
)
def test_bad_json_names_line_and_field(tmp_path, line, message):
    refuse(tmp_path / "a.jsonl", f'{{"text": "good"}}\n{line}\n'.encode(), message)


@pytest.mark.parametrize("cut", [5, 20, len(GOOD) // 2, len(GOOD) - 1])
def test_gzip_cut_short(tmp_path, cut):
    refuse(tmp_path / "a.txt.gz", GOOD[:cut], r"a\.txt\.gz: the gzip file is cut short")


@pytest.mark.parametrize("place", [0, 2, len(GOOD) // 2, len(GOOD) - 6, len(GOOD) - 2])
def test_gzip_with_a_flipped_byte(tmp_path, place):
    damaged = bytearray(GOOD)
    damaged[place] ^= 0xFF
    refuse(tmp_path / "a.txt.gz", bytes(damaged), r"a\.txt\.gz(:\d+)?: ")


def test_plain_text_named_gz(tmp_path):
    refuse(tmp_path / "a.txt.gz", b"plain text\n", r"a\.txt\.gz: expected a whole gzip file")


@pytest.mark.parametrize("split", ["file", "blank", "line"])
def test_a_gzip_bomb_is_never_in_memory_whole(tmp_path, split):
    path = tmp_path / "bomb.txt.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(300):
            file.write(b"x" * (1 << 20))  # 300 MiB on one line
    tracemalloc.start()
    try:
        if split == "file":
            assert sum(len(text.text) for text in read_texts(path)) == 300 << 20
            most = 4 << 20
        else:
            with pytest.raises(
                DataError, match=r"bomb\.txt\.gz:1: a line has more than 67,108,864"
            ):
                list(read_texts(path, split=split))
            most = 100 << 20
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def test_a_block_without_a_blank_line_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("filbert.files.whole_lines.MOST_CHARACTERS", 1000)
    refuse(tmp_path / "a.txt", b"line\n" * 300, r"a\.txt:1: a text without a blank", split="blank")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_bytes(b"text\n")

    def refuse_to_open(self, mode):  # root may read every file, so its rights cannot be taken away
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse_to_open)
    with pytest.raises(DataError, match=r"a\.txt: cannot be read: Permission denied"):
        list(read_texts(path))
