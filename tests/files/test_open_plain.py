import bz2
import gzip
import io
import os
import pickle
import random
import re
import tracemalloc
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.errors import DataError
from filbert.files import Bomb, Limits, Truncated, Unreachable, open_bytes, open_plain

TEXT = "一行 of text, nothing repeated: ".encode() + random.Random(1).randbytes(400).hex().encode()
CHECKED = zstandard.ZstdCompressor(write_checksum=True)
SKIPPED = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
PACK = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "bzip2": bz2.compress,
    "zstd": CHECKED.compress,
}
PACKINGS = sorted(PACK)


def read_until_broken(path, size=7):
    """All bytes that come out, and the error that ends them."""
    out = bytearray()
    with open_plain(str(path)) as file:
        try:
            while piece := file.read(size):
                out += piece
        except DataError as error:
            with pytest.raises(type(error)):
                file.read(1)  # and it stays an error
            return bytes(out), error
    return bytes(out), None


@pytest.mark.parametrize("packing", PACKINGS)
@settings(max_examples=25, deadline=None)
@given(parts=st.lists(st.binary(max_size=300), min_size=1, max_size=4), size=st.integers(1, 400))
def test_members_one_after_another(tmp_path_factory, packing, parts, size):
    path = tmp_path_factory.mktemp("packed") / "a"
    path.write_bytes(b"".join(map(PACK[packing], parts)))
    assert read_until_broken(path, size) == (b"".join(parts), None)


def test_zeros_between_gzip_members_and_skippable_zstd_frames(tmp_path):
    for packing, between in (("gzip", bytes(70_000)), ("zstd", SKIPPED)):
        one = PACK[packing](TEXT)
        (tmp_path / "a").write_bytes(between * (packing == "zstd") + one + between + one + between)
        assert read_until_broken(tmp_path / "a") == (TEXT * 2, None)


def test_zstd_of_many_blocks_without_sizes(tmp_path):
    data = random.Random(2).randbytes(300_000).hex().encode() + bytes(1 << 20)
    out = io.BytesIO()
    with zstandard.ZstdCompressor(level=1).stream_writer(out, closefd=False) as writer:
        for begin in range(0, len(data), 100_000):
            writer.write(data[begin : begin + 100_000])
            writer.flush()
    (tmp_path / "a").write_bytes(out.getvalue())
    assert read_until_broken(tmp_path / "a", 1 << 16) == (data, None)


@pytest.mark.parametrize("packing", PACKINGS)
def test_cut_at_every_byte_all_before_the_cut_comes_out(tmp_path, packing):
    first, second = PACK[packing](b"the first member. "), PACK[packing](TEXT)
    whole = first + second
    for cut in range(len(whole)):
        (tmp_path / "a").write_bytes(whole[:cut])
        out, error = read_until_broken(tmp_path / "a")
        if cut >= len(first):
            assert (b"the first member. " + TEXT).startswith(out)
            assert len(out) >= len(b"the first member. ")
            assert isinstance(error, Truncated) == (cut != len(first))
        elif cut >= (3 if packing == "gzip" else 4):
            assert isinstance(error, Truncated), cut
            assert b"the first member. ".startswith(out)
        else:
            assert error is None  # too short to be known as compressed
            assert out == whole[:cut]


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_flipped_bit_at_every_byte_raises_nothing_else(tmp_path, packing):
    whole = PACK[packing](b"first ") + PACK[packing](b"the second member ")
    for place in range(4, len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        (tmp_path / "a").write_bytes(damaged)
        _, error = read_until_broken(tmp_path / "a")
        assert error is None or isinstance(error, Truncated | Bomb)


def test_what_stands_before_the_damage_comes_out(tmp_path):
    lines = b"".join(b"line %d of a file\n" % number for number in range(3000))
    damaged = bytearray(gzip.compress(lines))
    damaged[len(damaged) // 2] ^= 0xFF
    (tmp_path / "a").write_bytes(damaged)
    out, error = read_until_broken(tmp_path / "a")
    assert out[: len(lines) // 3] == lines[: len(lines) // 3]
    assert "got damaged data" in str(error)


@pytest.mark.parametrize("packing", PACKINGS)
def test_something_else_behind_the_last_member(tmp_path, packing):
    packed = PACK[packing](TEXT)
    (tmp_path / "a.gz").write_bytes(packed + b"garbage that is no member")
    out, error = read_until_broken(tmp_path / "a.gz")
    assert out == TEXT
    assert "or the end, got b'garbage'" in str(error).replace("b'garbage ", "b'garbage'")
    assert f"at stored byte {len(packed)}" in str(error)


def make_bomb(path, packing, mebibytes):
    if packing == "gzip":
        with gzip.open(path, "wb", compresslevel=9) as file:
            for _ in range(mebibytes):
                file.write(bytes(1 << 20))
    elif packing == "bzip2":
        path.write_bytes(bz2.compress(bytes(mebibytes << 20)))
    else:
        head = zstandard.compress(b"")[:4] + b"\0\x58"  # a window of 2 MiB, no size
        run = (1 << 17 << 3 | 1 << 1).to_bytes(3, "little") + b"x"
        path.write_bytes(head + run * (mebibytes * 8) + b"\1\0\0")


def until_error(file, errors):
    try:
        while piece := file.read1():
            yield piece
    except DataError as error:
        errors.append(error)


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_bomb_is_an_error_that_names_file_sizes_and_ratio(tmp_path, packing):
    make_bomb(tmp_path / "bomb", packing, 100)
    errors: list[DataError] = []
    tracemalloc.start()
    try:
        with open_plain(str(tmp_path / "bomb")) as file:
            out = sum(map(len, until_error(file, errors)))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert (64 << 20) - (2 << 20) < out <= 64 << 20
    assert isinstance(errors[0], Bomb)
    assert re.search(r"bomb: .*1,000 .* out of [\d,]+ \([\d,]+ : 1\)", str(errors[0]))
    assert str(pickle.loads(pickle.dumps(errors[0]))) == str(errors[0])


def test_how_far_a_file_is_followed_can_be_set(tmp_path):
    make_bomb(tmp_path / "bomb", "gzip", 3)
    with open_plain(str(tmp_path / "bomb"), limits=Limits(ratio=2000, free_bytes=0)) as file:
        assert len(file.read()) == 3 << 20
    with open_plain(str(tmp_path / "bomb"), limits=Limits(ratio=10, free_bytes=1000)) as file:
        with pytest.raises(Bomb):
            file.read()


def test_a_zstd_window_that_is_too_large(tmp_path):
    head = zstandard.compress(b"")[:4] + b"\0" + bytes([21 << 3])  # 2 GiB
    (tmp_path / "a.zst").write_bytes(head + b"\1\0\0")
    with open_plain(str(tmp_path / "a.zst")) as file:
        with pytest.raises(Bomb, match=r"at most 128 MiB .* asks for 2,048 MiB"):
            file.read()


@pytest.mark.parametrize("packing", ["", *PACKINGS])
def test_the_ways_to_read_agree(tmp_path, packing):
    data = b"".join(b"line %d\n" % number for number in range(50_000)) + b"no end"
    (tmp_path / "a").write_bytes(PACK[packing](data) if packing else data)
    address = str(tmp_path / "a")
    with open_plain(address) as file:
        assert list(file) == data.splitlines(keepends=True)
    with open_plain(address) as file:
        assert file.peek(5) == b"line "
        assert file.tell() == 0
        assert file.readline(3) == b"lin"
        assert file.read(4) == b"e 0\n"
        assert file.tell() == 7
        assert len(file.peek(400_000)) == 400_000
        assert file.read(100) == data[7:107]
        buffer = bytearray(1000)
        assert file.readinto(buffer) == 1000
        assert bytes(buffer) == data[107:1107]
        assert file.read() == data[1107:]
        assert file.read() == file.readline() == file.read1() == b""
    text: Any = open_plain(address)
    assert io.TextIOWrapper(text).read() == data.decode()
    with pytest.raises(ValueError, match="closed"):
        file.read()


def test_a_range_of_stored_bytes(tmp_path):
    parts = [bz2.compress(b"one "), bz2.compress(b"two "), bz2.compress(b"three ")]
    (tmp_path / "dump.bz2").write_bytes(b"".join(parts))
    start, stop = len(parts[0]), len(parts[0]) + len(parts[1])
    address = str(tmp_path / "dump.bz2")
    assert open_plain(address, start=start, stop=stop).read() == b"two "
    assert open_plain(address, start=start).read() == b"two three "
    with open_bytes(address, start=start, stop=stop) as raw:
        assert raw.read() == parts[1]
        assert raw.tell() == stop
        assert raw.seek(-1, io.SEEK_END) == stop - 1
        assert raw.seek(start) == start
        assert raw.read(3) == b"BZh"
    (tmp_path / "plain.txt").write_bytes(b"BZ2 \x1f\x8b\x08 plain")  # magic in the middle
    assert open_plain(str(tmp_path / "plain.txt"), start=4).read() == b"\x1f\x8b\x08 plain"


def test_what_is_no_file_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    for path, message in [
        (tmp_path / "pipe", "expected a file, got a device, a pipe or a socket"),
        ("/dev/zero", "expected a file, got a device"),
        (tmp_path, "expected a file, got a folder"),
        (tmp_path / "round", "cannot be opened: "),
        (tmp_path / "gone", "cannot be opened: No such file"),
        ("a\0b", "cannot be opened: "),
    ]:
        with pytest.raises(Unreachable, match=message):
            open_plain(str(path))
