"""TF1 checkpoints that are damaged or lie: refused by name, with little memory."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from filbert.checkpoint.tf1 import read_tf1
from filbert.checkpoint.tf1_bundle import read_bundle, write_bundle
from filbert.checkpoint.tf1_crc32c import crc32c, mask
from filbert.checkpoint.tf1_proto import write_fixed32, write_message, write_varint
from filbert.checkpoint.tf1_table import write_table
from filbert.errors import CheckpointError

HEADER = (b"", write_message([(1, 1)]))
CRC_OF_8_ZEROS = mask(crc32c(bytes(8)))
MINUS_ONE = 2**64 - 1


def entry(kind=1, sizes=(2,), file=0, start=0, stored=8, shape=None, more=b""):
    axes = shape or write_message((2, write_message([(1, size)])) for size in sizes)
    head = write_message([(1, kind), (2, axes), (3, file), (4, start), (5, stored)])
    return head + write_fixed32(6, CRC_OF_8_ZEROS) + more


def sealed(*blocks: bytes, kind: int = 0, order=None) -> bytes:
    """A table of these blocks' bytes, each with its right checksum."""
    raw, handles = b"", []
    for block in blocks:
        handles.append(write_varint(len(raw)) + write_varint(len(block)))
        block += bytes([kind])
        raw += block + mask(crc32c(block)).to_bytes(4, "little")
    places = [handles[number] for number in order or range(len(handles))]
    index = b"".join(b"\0\1" + write_varint(len(x)) + b"a" + x for x in places) + _RESTARTS + b"\0"
    empty = _RESTARTS + b"\0"
    footer = b""
    for block in (empty, index):
        footer += write_varint(len(raw)) + write_varint(len(block) - 1)
        raw += block + mask(crc32c(block)).to_bytes(4, "little")
    return raw + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


_RESTARTS = bytes(4) + (1).to_bytes(4, "little")


def checkpoint(folder: Path, index: bytes, data: bytes = bytes(8)) -> Path:
    (folder / "x.data-00000-of-00001").write_bytes(data)
    (folder / "x.index").write_bytes(index)
    return folder / "x.index"


def read_all(index: Path) -> dict[str, np.ndarray]:
    return {name: tensor.read() for name, tensor in read_bundle(index).items()}


def table_of(value: bytes, name: bytes = b"w") -> bytes:
    return write_table([HEADER, (name, value)])


def test_the_crafted_ones_are_read_if_nothing_is_wrong(tmp_path):
    whole = [table_of(entry()), sealed(b"\0\0\2\x08\1" + _RESTARTS)]
    assert read_all(checkpoint(tmp_path, whole[0]))["w"].tolist() == [0, 0]
    assert read_all(checkpoint(tmp_path, whole[1])) == {}


ENTRIES = [
    (entry(kind=7), r"tensor 'w': expected numbers \(F32, .*\), got texts"),
    (entry(kind=8), r"got TensorFlow's kind 8"),
    (entry(kind=0), r"got TensorFlow's kind 0"),
    (entry(kind=MINUS_ONE), r"kind 18446744073709551615"),
    (entry(more=b"\x3a\x00"), r"tensor 'w': the variable is stored in slices"),
    (entry(file=1), r"tensor 'w': in data file 1, expected 0 to 0"),
    (entry(file=MINUS_ONE), r"in data file -1"),
    (entry(sizes=(3,)), r"the sizes \[3\] of F32 need 12 bytes, the index gives 8"),
    (entry(sizes=(2**40, 2**18)), r"need 1,152,921,504,606,846,976 bytes, the index gives 8"),
    (entry(sizes=(2**40, 2**40)), r"are not those of a tensor"),
    (entry(sizes=(0, 2**62), stored=0), r"are not those of a tensor"),
    (entry(sizes=(MINUS_ONE,)), r"the sizes \[-1\] are not those of a tensor"),
    (entry(sizes=(1,) * 9), r"number of axes is 9, expected at most 8"),
    (entry(shape=write_message([(3, 1)])), r"number of axes is unknown"),
    (entry(stored=MINUS_ONE), r"the index gives -1 from byte 0"),
    (entry(start=2**64 - 8), r"the index gives 8 from byte -8"),
    (
        entry(start=1),
        r"x\.data-00000-of-00001: truncated: tensor 'w' ends at byte 9, the file has 8",
    ),
    (entry(start=2**62), r"truncated: tensor 'w' ends at byte 4,611,"),
    (entry(more=b"\x08\x01"), r"field 1 of a message stands there 2 times"),
    (entry(more=b"\x0b"), r"field 1 of a message is of the unknown kind 3"),
    (entry(more=b"\x4a\x7f"), r"a message ends 127 bytes early"),
    (entry(more=b"\x4a" + write_varint(2**63)), r"a message ends 9,223,"),
    (entry(more=b"\x48"), r"a number at byte 16 does not end"),
    (entry(more=b"\x48" + b"\xff" * 9 + b"\x02"), r"has more than 64 bits"),
    (entry(more=b"\x48" + b"\xff" * 40), r"has more than 64 bits"),
]
FIRST, SECOND = b"\0\0\2\x08\1" + _RESTARTS, b"\0\1" + bytes([len(entry())]) + b"w" + entry()
TABLES = [
    (b"", r"not the index of a TensorFlow checkpoint: .*got nothing"),
    (bytes(100), r"not the index .* got 0000000000000000 \(truncated, or of another format"),
    (write_table([]), r"expected its header first"),
    (write_table([(b"w", entry())]), r"expected its header first, got the key b'w'"),
    (write_table([(b"", write_message([(1, 1), (2, 1)]))]), r"big-endian, expected little"),
    (
        write_table([(b"", write_message([(1, 1), (3, b"\x10\x02")]))]),
        r"needs a reader of version 2",
    ),
    (write_table([(b"", b"")]), r"expected 1 to 99,999 data files, got 0"),
    (write_table([(b"", write_message([(1, 2**31)]))]), r"data files, got 2147483648"),
    (write_table([(b"", write_message([(1, MINUS_ONE)]))]), r"data files, got -1"),
    (
        write_table([(b"", write_message([(1, 2)])), (b"w", entry())]),
        r"x\.data-00000-of-00002: cannot",
    ),
    (
        table_of(entry(kind=7), b"_CHECKPOINTABLE_OBJECT_GRAPH"),
        r"a checkpoint of TensorFlow 2's objects",
    ),
    (table_of(entry(), b"\xff"), r"the name b'\\xff' is not UTF-8"),
    (table_of(entry(), b"\0piece"), r"1 pieces of sliced variables whose names are missing"),
    (table_of(entry(), b"w" * 513), r"a name of 513 bytes, expected at most 512"),
    (write_table([HEADER, (b"v", entry()), (b"w", entry())]), r"'w' begins at byte 0, inside of"),
    (write_table([HEADER, (b"w", entry()), (b"v", entry())]), r"key b'v' stands behind b'w': not"),
    (write_table([HEADER, (b"w", entry()), (b"w", entry())]), r"key b'w' stands behind b'w': not"),
    (sealed(FIRST, kind=1), r"compressed with snappy, expected it as TensorFlow's Saver writes it"),
    (sealed(FIRST, kind=9), r"compressed in the unknown way 9"),
    (sealed(FIRST, SECOND + _RESTARTS, order=[0, 1, 1]), r"should lie from byte 18 to"),
    (sealed(b""), r"a block of 0 bytes with 0 restart points"),
    (sealed(b"\xff" * 4), r"a block of 4 bytes with 4,294,967,295 restart points"),
    (sealed(b"\1\0\0" + _RESTARTS), r"an entry takes 1 bytes of a key of 0 and 0 of the 0 left"),
    (sealed(b"\0" + write_varint(2**63) + b"\0" + _RESTARTS), r"and 9,223,372,036,854,775,808 of"),
    (sealed(b"\0\0" + write_varint(2**64 - 1) + _RESTARTS), r"and 18,446,744,073,709,551,615 of"),
    (sealed(FIRST)[:-48] + b"\xff" * 40 + sealed(FIRST)[-8:], r"has more than 64 bits"),
]


@pytest.mark.parametrize(
    ("index", "message"), [(table_of(value), message) for value, message in ENTRIES] + TABLES
)
def test_an_index_that_lies(tmp_path, index, message):
    path = checkpoint(tmp_path, index)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_bundle(path)
    assert str(tmp_path / "x.") in str(caught.value)
    assert len(str(caught.value)) < 1_000


def test_no_file_and_a_folder_instead_of_one(tmp_path):
    with pytest.raises(CheckpointError, match=r"x\.index: cannot be read: No such file"):
        read_tf1(tmp_path / "x")
    (tmp_path / "x.index").mkdir()
    with pytest.raises(CheckpointError, match=r"x\.index: cannot be read: Is a directory"):
        read_tf1(tmp_path / "x")


def test_values_that_change_under_us(tmp_path):
    found = read_bundle(checkpoint(tmp_path, table_of(entry())))["w"]
    found.file.write_bytes(bytes(7))
    with pytest.raises(CheckpointError, match="'w' ends early"):
        found.read()
    found.file.unlink()
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        found.read()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A checkpoint of a few tensors: index, data, what is in it."""
    folder = tmp_path_factory.mktemp("small")
    tensors = {
        "a/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
        "a/kernel/adam_m": np.float16([1, 2]),
        "b": np.zeros((0, 4)),
        "global_step": np.int64(5),
    }
    index = write_bundle(folder / "x", tensors)
    return index, folder / "x.data-00000-of-00001", tensors


def same(found: dict[str, np.ndarray], tensors: dict[str, np.ndarray]) -> bool:
    return found.keys() == tensors.keys() and all(
        found[name].tobytes() == value.tobytes() and found[name].shape == value.shape
        for name, value in tensors.items()
    )


def test_every_flipped_bit_is_found_or_harmless(small):
    index, data, tensors = small
    harmless = []
    for path in (index, data):
        whole = path.read_bytes()
        for bit in range(8 * len(whole)):
            with path.open("r+b", buffering=0) as file:
                file.seek(bit // 8)
                file.write(bytes([whole[bit // 8] ^ 1 << bit % 8]))
                try:
                    found = read_all(index)
                    assert same(found, tensors), (path.name, bit)
                    harmless.append((path.name, bit // 8 - len(whole)))
                except CheckpointError:
                    pass
                file.seek(bit // 8)
                file.write(whole[bit // 8 : bit // 8 + 1])
    # Only the footer's padding carries nothing: 40 bytes for two handles of four to six bytes.
    assert {name for name, _ in harmless} == {"x.index"}
    assert all(-44 <= place < -8 for _, place in harmless)


def test_every_truncation_is_found(small):
    index, data, tensors = small
    for path in (index, data):
        whole = path.read_bytes()
        for length in reversed(range(len(whole))):
            os.truncate(path, length)
            with pytest.raises(CheckpointError):
                read_all(index)
        path.write_bytes(whole)
    assert same(read_all(index), tensors)


octets = some.integers(0, 255)
mutations = some.lists(some.tuples(some.integers(0, 10_000), octets), min_size=1, max_size=5)


def mutate(raw: bytes, changes: list[tuple[int, int]]) -> bytes:
    changed = bytearray(raw)
    for place, octet in changes:
        changed[place % len(changed)] = octet
    return bytes(changed)


@settings(max_examples=250, deadline=None)
@given(data=some.data())
def test_lies_under_right_checksums_give_tensors_or_our_error(tmp_path_factory, data):
    entries = [HEADER, (b"v", entry(sizes=(1, 2))), (b"w", entry(kind=19, sizes=(4,)))]
    how = data.draw(some.sampled_from(["value", "block", "random", "file"]))
    if how == "value":
        at = data.draw(some.integers(0, 2))
        entries[at] = (entries[at][0], mutate(entries[at][1], data.draw(mutations)))
        raw = write_table(entries)
    elif how == "block":
        whole = write_table(entries)
        block = whole[: whole.index(_RESTARTS) + 8]
        raw = sealed(mutate(block, data.draw(mutations)))
    elif how == "random":
        raw = sealed(*data.draw(some.lists(some.binary(max_size=60), max_size=4)))
    else:
        raw = data.draw(some.binary(max_size=80)) + bytes.fromhex("57fb808b247547db")
    path = checkpoint(tmp_path_factory.mktemp("fuzz"), raw)
    try:
        found = read_all(path)
    except CheckpointError:
        return
    assert sum(value.nbytes for value in found.values()) <= 16  # BF16 doubles


def test_a_small_index_of_long_names_stays_small_in_memory(tmp_path):
    key, value = b"k" * 510, entry(sizes=(0,), stored=0)
    names = [key + bytes([65 + number // 26, 65 + number % 26]) for number in range(500)]
    raw = write_table([HEADER, *((name, value) for name in names)])
    assert len(raw) < 40_000
    path = checkpoint(tmp_path, raw)
    tracemalloc.start()
    try:
        assert len(read_bundle(path)) == 500
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_too_many_and_too_long(tmp_path, monkeypatch):
    path = checkpoint(tmp_path, table_of(entry()))
    monkeypatch.setattr("filbert.checkpoint.tf1_table.MAX_ENTRIES", 1)
    with pytest.raises(CheckpointError, match="more than 1 entries"):
        read_bundle(path)
    monkeypatch.setattr("filbert.checkpoint.tf1_bundle.MAX_INDEX_BYTES", 10)
    with pytest.raises(CheckpointError, match="expected an index of at most 10 bytes"):
        read_bundle(path)
