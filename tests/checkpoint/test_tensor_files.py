"""safetensors files: with the library as the judge, and with damaged bytes."""

import json

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays

from filbert.checkpoint.tensors import read_header, read_tensors, write_tensors
from filbert.errors import CheckpointError

KINDS = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]

some_arrays = some.sampled_from(KINDS).flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0))
)


@settings(max_examples=60, deadline=None)
@given(tensors=some.dictionaries(some.text(max_size=8), some_arrays, max_size=5))
def test_round_trip(tmp_path_factory, tensors):
    tensors.pop("__metadata__", None)
    tensors = {
        name: value
        for name, value in tensors.items()
        if not any(0xD800 <= ord(letter) < 0xE000 for letter in name)
    }
    path = tmp_path_factory.mktemp("tensors") / "x.safetensors"
    write_tensors(path, tensors)
    ours, theirs = read_tensors(path), safetensors.numpy.load_file(path)
    assert set(ours) == set(theirs) == set(tensors)
    for name, value in tensors.items():
        assert ours[name].dtype == value.dtype
        assert ours[name].shape == value.shape
        assert ours[name].tobytes() == theirs[name].tobytes() == value.tobytes()


def test_same_tensors_same_bytes_in_any_order(tmp_path):
    tensors = {name: np.arange(5.0) for name in "qwertyuiop"}
    write_tensors(tmp_path / "a", tensors)
    write_tensors(tmp_path / "b", dict(reversed(tensors.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_bf16_becomes_float32_without_loss(tmp_path):
    import torch
    from safetensors.torch import save_file

    values = torch.randn(7, 3).to(torch.bfloat16)
    save_file({"x": values}, tmp_path / "x.safetensors")
    found = read_tensors(tmp_path / "x.safetensors")["x"]
    assert found.dtype == np.float32
    assert torch.equal(torch.from_numpy(found), values.float())


def test_arrays_that_are_not_contiguous(tmp_path):
    value = np.arange(12.0).reshape(3, 4).T
    write_tensors(tmp_path / "x", {"x": value})
    np.testing.assert_array_equal(read_tensors(tmp_path / "x")["x"], value)


def file_of(path, header, data=b""):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + data)
    return path


def entry(kind="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": kind, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        ({"x": entry()}, b"\0" * 7, r"truncated: tensor 'x' ends at byte"),
        ({"x": entry()}, b"\0" * 9, r"1 bytes behind the last tensor"),
        ({"x": entry(shape=(3,))}, b"\0" * 8, r"tensor 'x': shape \[3\] of F32 needs 12 bytes"),
        ({"x": entry(shape=(2**40, 2**40))}, b"\0" * 8, r"tensor 'x'.*needs 4,835,703,"),
        ({"x": entry(shape=(2**63,))}, b"\0" * 8, r"tensor 'x': shape .* wrong"),
        ({"x": entry(shape=(-2,))}, b"\0" * 8, r"tensor 'x': shape \[-2\]"),
        (
            {"x": entry(shape=(0, 2**61), offsets=(0, 0))},
            b"",
            r"tensor 'x': shape .* not that of a",
        ),
        ({"x" * 5_000: entry()}, b"\0" * 8, r"xxx: a name of 5,000 letters, expected at most 512"),
        ({"x": entry(shape=(True, 2))}, b"\0" * 8, r"tensor 'x': shape"),
        ({"x": entry(shape=[1] * 9)}, b"\0" * 8, r"tensor 'x': shape"),
        ({"x": entry(offsets=(8, 0))}, b"\0" * 8, r"tensor 'x'.*data_offsets give -8"),
        ({"x": entry(offsets=(0, 8, 8))}, b"\0" * 8, r"tensor 'x': .*data_offsets"),
        ({"x": entry(kind="F4")}, b"\0" * 8, r"tensor 'x': dtype 'F4' is not one of F64"),
        ({"x": entry(kind=["F32"])}, b"\0" * 8, r"tensor 'x': dtype"),
        ({"x": entry(), "y": entry()}, b"\0" * 8, r"tensor 'y' begins at byte \d+, expected"),
        ({"x": entry(), "y": entry(offsets=(9, 17))}, b"\0" * 17, r"tensor 'y' begins"),
        ({"x": 3}, b"", r"tensor 'x': expected dtype, shape and data_offsets, got 3"),
        ([1], b"", r"not a table"),
        (b"{", b"", r"header is not valid"),
        (b"\xff\xfe", b"", r"header is not valid"),
        (b"[" * 50_000, b"", r"header is not valid"),
        (b'{"x":{},"x":{}}', b"", r"a name stands there twice"),
    ],
)
def test_a_header_that_lies(tmp_path, header, data, message):
    path = file_of(tmp_path / "x.safetensors", header, data)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_header(path)
    assert "x.safetensors" in str(caught.value)
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("raw", [b"", b"\1", b"\xff" * 8, b"\xff" * 7 + b"\x7f" + b"{}" * 50])
def test_no_header_at_all(tmp_path, raw):
    (tmp_path / "x.safetensors").write_bytes(raw)
    with pytest.raises(CheckpointError, match=r"x\.safetensors: not a whole safetensors file"):
        read_header(tmp_path / "x.safetensors")


def test_no_file(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        read_header(tmp_path / "x.safetensors")


def test_a_file_that_vanishes_before_its_values_are_read(tmp_path):
    write_tensors(tmp_path / "x.safetensors", {"x": np.arange(3.0)})
    stored = read_header(tmp_path / "x.safetensors")["x"]
    stored.file.unlink()
    with pytest.raises(CheckpointError, match=r"x\.safetensors: cannot be read: No such file"):
        stored.read()


def test_every_truncation_is_found(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"x": np.arange(9.0), "y": np.ones((2, 2), np.float32)})
    raw = path.read_bytes()
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(CheckpointError):
            read_header(path)


@settings(max_examples=200, deadline=None)
@given(data=some.data())
def test_damaged_headers_give_tensors_or_our_error(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    path = folder / "x.safetensors"
    write_tensors(path, {"ab": np.arange(3.0), "c": np.ones((2, 2), np.float16)})
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(some.integers(1, 4))):
        place = data.draw(some.integers(0, 8 + 160))
        raw[place % len(raw)] = data.draw(some.integers(0, 255))
    path.write_bytes(bytes(raw))
    try:
        found = read_tensors(path)
    except CheckpointError:
        return
    assert sum(value.nbytes for value in found.values()) <= len(raw)
