import bz2
import gzip
import os
from collections.abc import Callable

import pytest
import zstandard

from filbert.errors import DataError
from filbert.files import kind_of_content, read_found

DUMP = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" xml:lang="zh">\n  <siteinfo>'
CASES = {
    "plain": [
        "Call me Ishmael.\n",
        "话说天下大势，分久必合。\n",
        " \n\n",
        "<b>not a page</b>\n",
        "[1] a note\n",
        "<document> is no <doc id>\n",
        "<!DOCTYPE book>\n",
        '{not json}\nplain "text"\n',
        "x",
    ],
    "jsonl": [
        '{"text": "a"}\n{"text": "b"}\n',
        '\n\n{ "text" : "一"}',
        '{"text": "cut in the mid\n{"text": "b"}\n',
        'damaged\n{"text": "b"}\n{"text": "c"}\n{"text": "d"}\n',
        '[\n  {"text": "a"}\n]\n',
        '{\n  "text": "a"\n}\n',
        "{}\n",
        '{"id": "13", "url": "u", "title": "数学", "text": "' + "x" * 100_000 + '"}\n',
    ],
    "html": [
        "<!DOCTYPE html>\n<html><body>",
        "<html lang='zh'>",
        "\n<!-- saved from url -->\n<HTML>",
        '<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "x">\n<html>',
        "<head><title>t",
    ],
    "mediawiki": [
        DUMP,
        f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- a -->\n{DUMP}',
        f'<?xml version="1.0"?><!DOCTYPE mediawiki [<!ENTITY a "b>">]>\n{DUMP}',
    ],
    "binary": [
        '<?xml version="1.0"?>\n<rss><item>no page and no dump</item></rss>',
        '<!DOCTYPE a [<!ENTITY b "lol"><!ENTITY c "&b;&b;&b;&b;">]>\n<a>&c;</a>',
    ],
    "extracted": [
        '<doc id="12" url="https://u?curid=12" title="A &quot;b&quot;">\nA\n\ntext\n</doc>\n'
    ],
    "warc": [
        "WARC/1.0\r\nWARC-Type: warcinfo\r\n",
        "WARC/1.1\r\nWARC-Type: conversion\r\nContent-Type: text/plain\r\n",
    ],
}
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "zst": zstandard.compress,
}


@pytest.mark.parametrize("packing", sorted(PACK))
@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind in CASES for text in CASES[kind]])
def test_the_kind_is_told_by_what_is_inside(tmp_path, kind, text, packing):
    for coding in ("utf-8", "utf-8-sig", "utf-16", "gb18030"):
        if kind == "warc" and coding != "utf-8":
            continue  # a protocol of ASCII lines
        (tmp_path / "misleading.parquet").write_bytes(PACK[packing](text.encode(coding)))
        assert kind_of_content(str(tmp_path / "misleading.parquet")) == kind, coding


def test_utf16_without_a_mark(tmp_path):
    for coding in ("utf-16-le", "utf-16-be"):
        (tmp_path / "a").write_bytes(DUMP.encode(coding))
        assert kind_of_content(str(tmp_path / "a")) == "mediawiki"


@pytest.mark.parametrize("packing", sorted(PACK))
def test_empty_and_binary(tmp_path, packing):
    for content, kind in [
        (b"", "empty"),
        (b"PK\x03\x04 text that follows", "binary"),
        (b"%PDF-1.7\n% text", "binary"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary"),
        (os.urandom(4096), "binary"),
        ("한국어 텍스트입니다. ".encode("euc-kr") * 50, "binary"),
        ("Это русский текст. ".encode("koi8-r") * 50, "binary"),
        ("text".encode("utf-32"), "binary"),
        ("Ein schöner Tag für Bücher.\n".encode("latin-1") * 9, "plain"),
        (bytes(100), "binary"),
    ]:
        (tmp_path / "a.txt").write_bytes(PACK[packing](content))
        assert kind_of_content(str(tmp_path / "a.txt")) == kind, content[:20]


def test_a_file_of_two_kinds_of_compression_is_binary(tmp_path):
    (tmp_path / "a.gz.bz2").write_bytes(bz2.compress(gzip.compress(os.urandom(100))))
    assert kind_of_content(str(tmp_path / "a.gz.bz2")) == "binary"


def test_what_cannot_be_read_says_so_when_it_is_read(tmp_path):
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"text")[:10])
    os.mkfifo(tmp_path / "pipe")
    for name, kind, problem in [
        ("cut.gz", "plain", "truncated"),
        ("pipe", "binary", "unreadable"),
        ("gone", "binary", "unreadable"),
    ]:
        address = str(tmp_path / name)
        assert kind_of_content(address) == kind
        (found,) = read_found(address, kind)
        assert (found.kind, found.lost) == (problem, True)
        assert str(tmp_path) not in found.message


def test_shared_data():
    folder = os.environ.get("FILBERT_DATA")
    if not folder:
        pytest.skip("needs the shared data: set FILBERT_DATA to its folder")
    kinds = {
        "iana-crawl.warc.gz": "warc",
        "commoncrawl-whirlwind.warc.wet.gz": "warc",
        "enwiki-extracted-00.txt.gz": "extracted",
        "enwiki-pages-articles-shortened.xml.bz2": "mediawiki",
        "zhwiki-minidump.xml.bz2": "mediawiki",
        "zhwiki-extracted-00.jsonl.gz": "jsonl",
        "gutenberg-alice.txt.gz": "plain",
        "wikitext-2.test.txt.gz": "plain",
    }
    assert {name: kind_of_content(f"{folder}/corpus/{name}") for name in kinds} == kinds


def test_an_address_that_cannot_be_reached_raises():
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:9/x: cannot be reached: .*refused"):
        kind_of_content("http://127.0.0.1:9/x?X-Amz-Signature=secret")
