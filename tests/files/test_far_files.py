"""Files of the web and of object stores, against a server on this machine."""

import gzip
import io
import random

import pyarrow as pa
import pytest
from pyarrow import parquet

from filbert.errors import DataError
from filbert.files import (
    Found,
    Unreachable,
    kind_of_content,
    list_sources,
    open_bytes,
    open_plain,
    read_found,
)

DATA = random.Random(3).randbytes(600_000)
LINES = "".join(f"line {number} 行\n" for number in range(2000)).encode()


@pytest.fixture(params=["web", "s3"])
def address_of(request, store):
    """Gives the address of a file, in the web and in an object store."""

    def address(path):
        if request.param == "web":
            return f"{store.url}/{path}"
        place = store.url.replace(":", "%3A").replace("/", "%2F")
        return f"s3://{path}?anonymous=true&endpoint_override={place}"

    return address


def test_bytes_and_ranges_of_them(store, address_of):
    store.files["bucket/a b/数据.bin"] = DATA
    address = address_of("bucket/a b/数据.bin")
    (source,) = list_sources(address)
    assert (source.address, source.size) == (address, len(DATA))
    assert source.stamp
    with open_bytes(address) as file:
        assert file.read() == DATA
    with open_bytes(address, start=1000, stop=300_000) as file:
        assert file.read(10) == DATA[1000:1010]
        assert file.tell() == 1010
        assert file.read() == DATA[1010:300_000]
        assert file.seek(-5, io.SEEK_END) == 299_995
        assert file.read() == DATA[299_995:300_000]
        assert file.seek(2000) == 2000
        assert file.read(1) == DATA[2000:2001]
    with open_bytes(address, start=len(DATA)) as file:
        assert file.read() == b""


def test_texts_and_their_kind(store, address_of):
    store.files["bucket/a"] = LINES
    store.files["bucket/b"] = gzip.compress(LINES)
    out = io.BytesIO()
    parquet.write_table(pa.table({"text": LINES.decode().splitlines()}), out)
    store.files["bucket/c"] = out.getvalue()
    expected = LINES.decode().splitlines()
    for name, kind in (("a", "plain"), ("b", "plain"), ("c", "parquet")):
        address = address_of(f"bucket/{name}")
        assert kind_of_content(address) == kind
        found = list(read_found(address, kind, split="line"))
        assert [item.text for item in found if isinstance(item, Found)] == expected
    half = len(LINES) // 2
    ranges = ((0, half), (half, None))
    address = address_of("bucket/a")
    found = [
        item
        for start, stop in ranges
        for item in read_found(address, "plain", split="line", start=start, stop=stop)
    ]
    assert [item.text for item in found if isinstance(item, Found)] == expected


def test_what_is_not_there(store, address_of):
    for act in (list_sources, kind_of_content, lambda address: open_bytes(address).read()):
        with pytest.raises(DataError, match=r"bucket/gone"):
            act(address_of("bucket/gone"))


def test_a_store_that_cannot_be_reached_fails_with_a_clear_message(monkeypatch):
    monkeypatch.setattr("filbert.files.stores.ATTEMPTS", 1)  # the library waits between them
    for address in (
        "http://127.0.0.1:9/a.gz",
        "s3://bucket/a?anonymous=true&endpoint_override=http://127.0.0.1:9",
    ):
        for act in (list_sources, kind_of_content):
            with pytest.raises(Unreachable, match=r"(//127.0.0.1:9/a.gz|s3://bucket/a): cannot be"):
                act(address)


def test_all_below_a_prefix_and_globs(store):
    names = ["in/a.gz", "in/b.txt", "in/deep/er/c.gz", "in/.hidden/d.gz", "other/e.gz"]
    store.files |= {f"bucket/{name}": b"x" for name in names}
    query = f"?anonymous=true&endpoint_override={store.url}"

    def found(path):
        sources = list_sources(f"s3://bucket/{path}{query}")
        return [one.address.removesuffix(query).removeprefix("s3://bucket/") for one in sources]

    assert found("in") == found("in/") == ["in/a.gz", "in/b.txt", "in/deep/er/c.gz"]
    assert found("in/*.gz") == ["in/a.gz"]
    assert found("**/*.gz") == ["in/a.gz", "in/deep/er/c.gz", "other/e.gz"]
    assert found("in/[bc]*") == ["in/b.txt"]
    with pytest.raises(DataError, match=r"s3://bucket/\*\.bz2: matches no file"):
        list_sources(f"s3://bucket/*.bz2{query}")
    with pytest.raises(DataError, match="expected the name of a bucket"):
        list_sources(f"s3://buck*/a{query}")


def test_a_connection_that_drops_is_taken_up_where_it_broke_off(store):
    store.files["a.gz"] = packed = gzip.compress(DATA)
    store.cuts = [100_000, 0, 250_000, 1]
    with open_plain(f"{store.url}/a.gz") as file:
        assert file.read() == DATA
    wanted = [wanted for method, _, wanted in store.requests if method == "GET"]
    assert wanted == ["", "bytes=100000-", "bytes=100000-", "bytes=350000-", "bytes=350001-"]
    assert len(packed) > 350_001


def test_drops_without_end_are_an_error(store):
    store.files["a"] = DATA
    store.cuts = [1000, *[0] * 10]
    with pytest.raises(Unreachable, match=r"dropped at byte 1,000 of 600,000"):
        open_bytes(f"{store.url}/a").read()


def test_a_busy_server_is_asked_again_and_a_refusing_one_is_not(store):
    store.files["a"] = DATA
    store.statuses = [503, 429]
    assert open_bytes(f"{store.url}/a").read() == DATA
    store.statuses = [403, 403]
    with pytest.raises(Unreachable, match="the server says 403 Forbidden"):
        open_bytes(f"{store.url}/a").read()
    assert store.statuses == [403]
    store.statuses = [503] * 9
    with pytest.raises(Unreachable, match="the server says 503"):
        open_bytes(f"{store.url}/a").read()


def test_a_server_without_ranges_and_one_without_head(store):
    store.files["a"] = DATA
    store.no_ranges = store.no_head = True
    store.cuts = [1 << 18]
    assert open_bytes(f"{store.url}/a", start=5, stop=500_000).read() == DATA[5:500_000]
    (source,) = list_sources(f"{store.url}/a")
    assert source.size == len(DATA)
    store.no_ranges = False
    assert list_sources(f"{store.url}/a") == [source]


def test_a_file_that_changes_while_it_is_read(store):
    store.files["a"] = DATA
    store.cuts = [100_000]
    with open_bytes(f"{store.url}/a") as file:
        assert file.read(1000) == DATA[:1000]
        store.files["a"] = DATA[::-1]
        with pytest.raises(Unreachable, match="the file changed while it was read"):
            file.read()
