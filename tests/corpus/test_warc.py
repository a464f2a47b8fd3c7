import base64
import bz2
import gzip
import hashlib
import io
import random
import re
import sys
import tracemalloc
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.corpus.warc import read_warc
from filbert.corpus.warc_http import BodyError, decode_body
from filbert.errors import ExtraError
from filbert.files import Found, Problem

HTML = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n{}\r\n"
NOISE = random.Random(7).randbytes(400).hex()  # so that gzip has something to hold


def record(number=1, block=b"", kind="response", length=None, version="1.0", **headers):
    fields = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:{number}>",
        "WARC-Date": "2026-11-26T00:00:00Z",
        "WARC-Target-URI": f"http://example.org/{number}",
        "Content-Type": "application/http; msgtype=response",
        "Content-Length": len(block) if length is None else length,
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
    return f"WARC/{version}\r\n{head}\r\n".encode() + block + b"\r\n\r\n"


def page(number=1, text=None, http="", body=None, **options):
    text = f"Page {number}. {NOISE}" if text is None else text
    body = f"<html><p>{text}</p></html>".encode() if body is None else body
    return record(number, HTML.format(http).encode() + body, **options)


def read(tmp_path, data):
    path = tmp_path / "a file"
    path.write_bytes(data)
    return list(read_warc(str(path)))


def numbers(items):
    """Which pages came out, by their addresses; those whose address is damaged left out."""
    addresses = [item.url or "" for item in items if isinstance(item, Found)]
    return [
        int(match[1])
        for url in addresses
        if (match := re.fullmatch(r"http://example.org/(\d+)", url))
    ]


def kinds(items):
    return [(item.kind, item.lost) for item in items if isinstance(item, Problem)]


PACK = {
    "plain": lambda records: b"".join(records),
    "gzip": lambda records: b"".join(map(gzip.compress, records)),
    "one gzip": lambda records: gzip.compress(b"".join(records)),
    "zstd": lambda records: b"".join(map(zstandard.compress, records)),
}
packings = pytest.mark.parametrize("packing", PACK)


@packings
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_pages_in_order_with_place_and_url(tmp_path, packing, version):
    items = read(tmp_path, PACK[packing]([page(n, version=version) for n in (1, 2, 3)]))
    assert [item.text for item in items] == [f"Page {n}. {NOISE}" for n in (1, 2, 3)]
    assert [item.url for item in items] == [f"http://example.org/{n}" for n in (1, 2, 3)]
    assert [item.place.split(" at ")[0] for item in items] == ["record 1", "record 2", "record 3"]


@pytest.mark.parametrize("packing", ["plain", "gzip"])
def test_the_place_is_the_stored_byte(tmp_path, packing):
    records = [page(n) for n in (1, 2, 3)]
    sizes = [len(PACK[packing]([each])) for each in records]
    places = [item.place for item in read(tmp_path, PACK[packing](records))]
    assert places[2] == f"record 3 at byte {sizes[0] + sizes[1]:,}"


def test_a_chinese_page_with_its_title_and_language(tmp_path):
    body = '<html lang="zh-CN"><title>标题</title><p>今天天气很好，我们去公园。</p>'.encode("gbk")
    raw = b"HTTP/1.0 200\r\ncontent-type: text/html;charset=GB2312\r\n\r\n" + body
    (item,) = read(tmp_path, record(5, raw))
    assert (item.text, item.title, item.language) == ("今天天气很好，我们去公园。", "标题", "zh")


def test_a_wet_file(tmp_path):
    text = "第一行\nThe second line\n"
    items = read(
        tmp_path,
        PACK["gzip"](
            [
                record(1, b"robots: classic", kind="warcinfo"),
                record(
                    2,
                    text.encode(),
                    kind="conversion",
                    Content_Type="text/plain",
                    WARC_Identified_Content_Language="zho,eng",
                ),
                record(3, b" \n", kind="conversion", Content_Type="text/plain"),
                record(4, b"bad \xff byte", kind="conversion", Content_Type="text/plain"),
            ]
        ),
    )
    assert [(i.text, i.language) for i in items if isinstance(i, Found)] == [
        (text, "zh"),
        ("bad \ufffd byte", None),
    ]
    assert kinds(items) == [("empty", False), ("encoding", False)]


@packings
def test_what_holds_nothing_for_us_is_counted_but_not_lost(tmp_path, packing):
    items = read(
        tmp_path,
        PACK[packing](
            [
                record(1, b"software: x\r\n", kind="warcinfo"),
                record(2, b"GET / HTTP/1.1\r\n\r\n", kind="request"),
                record(3, b"fetchTimeMs: 3\r\n", kind="metadata"),
                record(4, b'{"Envelope": 1}', kind="metadata", Content_Type="application/json"),
                record(5, b"log", kind="resource", Content_Type="text/plain"),
                record(6, HTML.format("").encode(), kind="revisit"),
                record(7, b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n<p>no</p>"),
                record(8, b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n\x89PNG"),
                record(9, b"20261126\texample.org\tA\t1.2.3.4", Content_Type="text/dns"),
                page(10, body=b""),
                page(11, body=b"<script>only()</script>"),
                page(12, body=b"%PDF-1.7 ..."),
                page(13),
            ]
        ),
    )
    assert numbers(items) == [13]
    assert kinds(items) == [
        (kind, False)
        for kind in ("revisit", "status", "not HTML", "not HTML", "empty", "empty", "binary")
    ]


def test_a_page_that_the_crawler_cut_is_kept_and_noted(tmp_path):
    items = read(tmp_path, page(1, WARC_Truncated="length"))
    assert numbers(items) == [1]
    assert kinds(items) == [("truncated", False)]


def chunked(body):
    parts = [body[start : start + 9] for start in range(0, len(body), 9)]
    return b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def brotlied(body):
    from fastwarc import stream_io

    out = io.BytesIO()
    writer = stream_io.BrotliWriter(out)
    writer.write(body)
    writer.close()
    return out.getvalue()


BODY = "<html><p>The text of the page, 网页的文字。</p></html>".encode()


@pytest.mark.parametrize(
    ("http", "body"),
    [
        ("Transfer-Encoding: chunked\r\n", chunked(BODY)),
        ("Transfer-Encoding: Chunked\r\n", BODY),  # stored decoded, the header left
        ("Content-Encoding: gzip\r\n", gzip.compress(BODY)),
        ("Content-Encoding: x-gzip\r\n", BODY),
        ("Content-Encoding: deflate\r\n", zlib.compress(BODY)),
        ("Content-Encoding: deflate\r\n", zlib.compress(BODY, wbits=-15)),
        ("Content-Encoding: br\r\n", brotlied(BODY)),
        ("Content-Encoding: br\r\n", BODY),
        ("Content-Encoding: identity\r\n", BODY),
        (
            "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
            chunked(gzip.compress(BODY)),
        ),
    ],
    # Without names the bytes would be the name, and gzip's have the time in them.
    ids=[
        "chunked",
        "chunked, stored decoded",
        "gzip",
        "gzip, stored decoded",
        "deflate",
        "raw deflate",
        "br",
        "br, stored decoded",
        "identity",
        "chunked gzip",
    ],
)
def test_bodies_are_decoded(tmp_path, http, body):
    (item,) = read(tmp_path, page(1, http=http, body=body))
    assert item.text == "The text of the page, 网页的文字。"


def test_a_body_that_is_cut_short_gives_what_can_be_read():
    assert BODY.startswith(decode_body(gzip.compress(BODY)[:-20], "", "gzip", 1000))
    assert decode_body(chunked(BODY)[:-20], "chunked", "", 1000) in BODY


def test_an_unknown_content_encoding_is_named(tmp_path):
    (problem,) = read(tmp_path, page(1, http="Content-Encoding: sdch\r\n", body=b"x"))
    assert (problem.kind, problem.lost) == ("encoding", True)
    assert "'sdch'" in problem.message


@pytest.mark.parametrize(
    ("http", "body", "kind"),
    [
        ("Content-Encoding: gzip\r\n", gzip.compress(bytes(200 << 20), 1), "bomb"),
        ("Content-Encoding: br\r\n", brotlied(bytes(60 << 20)), "bomb"),
        ("", b"<p>x</p>" * (11 << 17), "too large"),
    ],
)
def test_bombs_and_huge_pages_are_bounded(tmp_path, http, body, kind):
    path = tmp_path / "big.warc.gz"
    path.write_bytes(PACK["gzip"]([page(1), page(2, http=http, body=body), page(3)]))
    del body
    tracemalloc.start()
    items = list(read_warc(str(path)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert numbers(items) == [1, 3]
    assert kinds(items) == [(kind, True)]
    assert peak < 100 << 20


def test_a_bomb_of_a_member_ends_that_member_alone(tmp_path):
    bomb = gzip.compress(record(2, b"", length=300 << 20)[:-4] + bytes(300 << 20), 9)
    items = read(tmp_path, gzip.compress(page(1)) + bomb + gzip.compress(page(3)))
    assert numbers(items) == [1, 3]
    assert kinds(items) in ([("bomb", True)], [("too large", True)])


@packings
@pytest.mark.parametrize("length", ["50", "1500", "5000", "10000000000", "-1", "abc", ""])
def test_a_wrong_length_costs_one_record(tmp_path, packing, length):
    records = [page(n) for n in range(1, 6)]
    records[1] = page(2, length=length)
    items = read(tmp_path, PACK[packing](records))
    if length == "10000000000" and packing in ("one gzip", "zstd"):
        assert numbers(items)[:1] == [1]  # what lies behind was passed over in little memory
    else:
        assert numbers(items) == [1, 3, 4, 5]
    (problem,) = [item for item in items if isinstance(item, Problem)]
    assert (problem.kind, problem.lost) == ("wrong length", True)
    assert problem.place.startswith("record 2 at byte ")


def test_garbage_between_records_costs_none(tmp_path):
    one, two = page(1), page(2)
    items = read(tmp_path, one + b"garbage\r\nWARC is not here\r\n" + two)
    assert numbers(items) == [1, 2]
    assert kinds(items) == [("garbage", True)]
    items = read(tmp_path, gzip.compress(one) + b"\x1f\x8b\x08garbage" * 9 + gzip.compress(two))
    assert numbers(items) == [1, 2]
    assert {kind for kind, _ in kinds(items)} <= {"garbage", "truncated"}


def test_a_damaged_member_costs_one_record(tmp_path):
    members = [gzip.compress(page(n)) for n in range(1, 6)]
    damaged = bytearray(members[2])
    damaged[len(damaged) // 2] ^= 0xFF
    for broken in (members[2][:-40], members[2][:15], bytes(damaged)):
        items = read(tmp_path, b"".join([*members[:2], broken, *members[3:]]))
        assert numbers(items) == [1, 2, 4, 5]
        assert kinds(items) == [("truncated", True)]


@pytest.mark.parametrize("packing", PACK)
def test_a_file_that_is_cut_gives_all_before(tmp_path, packing):
    noise = random.Random(3)
    records = [page(n, text=noise.randbytes(1 << 17).hex()) for n in (1, 2, 3)]
    data = PACK[packing](records)
    items = read(tmp_path, data[: -len(data) // 10])
    assert numbers(items) == [1, 2]
    assert [lost for _, lost in kinds(items)] == [True]
    assert kinds(items)[0][0] == ("wrong length" if packing == "plain" else "truncated")


def test_a_wrong_digest(tmp_path):
    block = HTML.format("").encode() + BODY
    sha1, sha256 = hashlib.sha1(block), hashlib.sha256(block)
    right = [
        "sha1:" + base64.b32encode(sha1.digest()).decode(),
        "SHA-1:" + sha1.hexdigest(),
        "sha256:" + sha256.hexdigest().upper(),
        "crc:unknown",
    ]
    wrong = ["sha1:" + "A" * 32, "md5:00"]
    records = [record(n, block, WARC_Block_Digest=d) for n, d in enumerate(right + wrong)]
    items = read(tmp_path, b"".join(records))
    assert numbers(items) == [0, 1, 2, 3]
    assert kinds(items) == [("wrong digest", True)] * 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"WARC/1.0",
        b"WARC/1.0\r\n\r\n",
        b"WARC/1.0\r\nContent-Length: 0\r\n\r\n",
        b"WARC/1.0\r\nContent-Length: 5\r\n\r\n",
        b"\x1f\x8b\x08",
        b"\x28\xb5\x2f\xfd\x00",
        b"no warc at all",
        b"WARC/1.0\r\n" + b"x: y\r\n" * 100_000,
        b"WARC/1." * 100_000,
        b"\n\nWARC/1.0\n" * 1000,
        bz2.compress(b"WARC/1.0\r\n\r\n"),
    ],
)
def test_files_that_hold_no_record(tmp_path, data):
    assert not numbers(read(tmp_path, data))


@settings(max_examples=60)
@given(data=st.data())
def test_any_damage_leaves_the_records_away_from_it(tmp_path_factory, data):
    packing = data.draw(st.sampled_from(["plain", "gzip"]))
    parts = [PACK[packing]([page(n)]) for n in range(1, 6)]
    where = data.draw(st.integers(0, 4))
    start = data.draw(st.integers(0, len(parts[where]) - 1))
    stop = data.draw(st.integers(start, len(parts[where])))
    put = data.draw(st.binary(max_size=20))
    parts[where] = parts[where][:start] + put + parts[where][stop:]
    items = read(tmp_path_factory.mktemp("warc"), b"".join(parts))
    # Damage at the end of a record can cost the next one too, where nothing is packed.
    safe = {1, 2, 3, 4, 5} - ({where + 1, where + 2} if packing == "plain" else {where + 1})
    assert safe <= set(numbers(items))


def test_shared_crawls(shared_data):
    counts = {
        "iana-crawl.warc.gz": (16, {"revisit": 123, "not HTML": 28, "status": 4}),
        "wikipedia-2012-main-page.warc.gz": (1, {"not HTML": 69}),
        "commoncrawl-whirlwind.warc.gz": (1, {}),
        "commoncrawl-whirlwind.warc.wet.gz": (1, {}),
        "commoncrawl-whirlwind.warc.wat.gz": (0, {}),
    }
    for name, (pages, problems) in counts.items():
        items = list(read_warc(str(shared_data / "corpus" / name)))
        found = [kind for kind, lost in kinds(items) if not lost]
        assert len(numbers_of_pages := [i for i in items if isinstance(i, Found)]) == pages
        assert all(item.text and item.url for item in numbers_of_pages)
        assert {kind: found.count(kind) for kind in found} == problems
        assert len(found) == len(kinds(items))


def test_without_fastwarc_the_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastwarc", None)
    with pytest.raises(ExtraError, match=r"pip install 'filbert\[data\]'"):
        read(tmp_path, page(1))


def test_decode_body_says_what_is_too_much():
    with pytest.raises(BodyError, match="at most 1,000 bytes") as error:
        decode_body(gzip.compress(bytes(random.Random(1).randbytes(2000))), "", "gzip", 1000)
    assert error.value.kind == "too large"
