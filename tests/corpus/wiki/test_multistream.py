"""Multistream dumps: ranges by the index give what reading the whole file gives."""

import bz2
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.corpus.wiki import index_beside, multistream_ranges, read_dump
from filbert.errors import DataError

HEAD = (
    '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" xml:lang="zh">\n<siteinfo>'
    "<dbname>zhwiki</dbname><base>https://zh.wikipedia.org/wiki/Wikipedia:首页</base></siteinfo>\n"
)
NAME = "zhwiki-20260901-pages-articles-multistream.xml.bz2"
INDEX = "zhwiki-20260901-pages-articles-multistream-index.txt.bz2"


def write(folder, counts, *, per_stream=3):
    """A dump of streams with so many pages each; returns (dump, index, offsets)."""
    data = bz2.compress(HEAD.encode())
    lines, offsets, number = [], [], 0
    for count in counts:
        offsets.append(len(data))
        pages = ""
        for _ in range(count):
            number += 1
            lines.append(f"{len(data)}:{number}:猫:{number}")
            pages += (
                f"<page><title>猫 {number}</title><ns>0</ns>"
                f"<revision><text>第{number}只[[猫]]在这里。</text></revision></page>\n"
            )
        data += bz2.compress(pages.encode())
    data += bz2.compress(b"</mediawiki>")
    (folder / NAME).write_bytes(data)
    (folder / INDEX).write_bytes(bz2.compress(("\n".join(lines) + "\n").encode()))
    return str(folder / NAME), str(folder / INDEX), offsets


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(1, 4), min_size=1, max_size=8), size=st.integers(1, 3000))
def test_the_ranges_together_give_the_whole_in_order(tmp_path_factory, counts, size):
    dump, index, offsets = write(tmp_path_factory.mktemp("dump"), counts)
    whole = [replace(item, place="") for item in read_dump(dump)]
    ranges = multistream_ranges(dump, index, bytes_a_range=size)
    assert ranges[0][0] == 0
    assert all(before[1] == after[0] for before, after in pairwise(ranges))
    assert {start for start, _ in ranges[1:]} <= set(offsets)
    parts = [item for start, stop in ranges for item in read_dump(dump, start=start, stop=stop)]
    assert [replace(item, place="") for item in parts] == whole
    assert len(whole) == sum(counts)
    assert {(item.language, str(item.url)[:30]) for item in parts} == {
        ("zh", "https://zh.wikipedia.org/wiki/")
    }


def test_a_place_in_a_range_says_from_where_it_counts(tmp_path):
    dump, index, offsets = write(tmp_path, [2, 2])
    (_, _), (start, stop), *_ = multistream_ranges(dump, index, bytes_a_range=1)
    assert start == offsets[0]
    first = next(iter(read_dump(dump, start=start, stop=stop)))
    assert first.place == f"page 1 at byte 0, counted from stored byte {start}"


def test_the_index_is_found_by_its_name(tmp_path):
    dump, index, _ = write(tmp_path, [1])
    assert index_beside(dump) == index
    part = tmp_path / "enwiki-20260901-pages-articles-multistream2.xml-p1p99.bz2"
    assert index_beside(str(part)) is None
    beside = tmp_path / "enwiki-20260901-pages-articles-multistream-index2.txt-p1p99.bz2"
    beside.write_bytes(b"")
    assert index_beside(str(part)) == str(beside)
    assert index_beside(str(tmp_path / "enwiki-pages-articles.xml.bz2")) is None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("12:1:a\n", "expected the beginning of a bzip2 stream"),
        ("999999:1:a\n", "line 1: expected an offset"),
        ("150:1:a\n99:2:b\n", "line 2: expected an offset"),
        ("a:1:b\n", "expected offset:id:title"),
    ],
)
def test_an_index_of_another_dump_is_refused(tmp_path, lines, said):
    dump, _, offsets = write(tmp_path, [2, 2])
    lines = lines.replace("150", str(offsets[0]))
    (tmp_path / "index.txt").write_text(lines)
    with pytest.raises(DataError, match=said):
        multistream_ranges(dump, str(tmp_path / "index.txt"), bytes_a_range=1)


def test_a_damaged_stream_costs_its_own_range(tmp_path):
    dump, index, offsets = write(tmp_path, [2, 2, 2])
    ranges = multistream_ranges(dump, index, bytes_a_range=1)
    data = bytearray((tmp_path / NAME).read_bytes())
    data[offsets[1] + 40] ^= 255
    (tmp_path / NAME).write_bytes(data)
    items = [item for start, stop in ranges for item in read_dump(dump, start=start, stop=stop)]
    assert [getattr(item, "title", getattr(item, "kind", "")) for item in items] == [
        "猫 1", "猫 2", "truncated", "猫 5", "猫 6"
    ]  # fmt: skip
