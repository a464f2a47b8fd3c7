"""TF1 checkpoints: TensorFlow 2.21 as the judge, by what it wrote and what it read elsewhere."""

import base64
import hashlib
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays

from filbert.checkpoint.tf1 import open_tf1, read_tf1, tf1_files, write_tf1
from filbert.checkpoint.tf1_bundle import read_bundle, write_bundle
from filbert.checkpoint.tf1_crc32c import crc32c, mask
from filbert.checkpoint.tf1_names import NAMES, to_hf, to_tf1
from filbert.checkpoint.tf1_table import read_table, write_table
from filbert.errors import CheckpointError

KINDS = {
    "kinds.index": "c-muNVB=ttV&Y(AVBt?nGc@Di6Jil!;$YTbGgZo-#mC4joS&b=!37p%l3-Ne)?hM?-*B#xfmJXyx1gk"
    "wgHec0hykQSLCEyRtENQ^%%UJ;goQXjI)Io_flY(O^#8;Eag0pD#zsI5U<-g|@oMmx_8w1o%gDrQW&%{ppunZUVLGKIViN<ia3"
    ";_YR<Ke=pi)VowQQHJTQf3A0*zo6;sJ?6G0<5+ZNKW7S{NCHEjZZVZsh=K(l%|+VPNAePEO28EaKn<+93o~y!-lmL7*L_K"
    "syBCc1Q!2UwhTE2;xjJxVS9P`PYFy1BwHkDGnD`1RAugTF?q?D+^qhOM}t$#*3Ck3_!pLBEBSlISS_-__S~X10!=8!y_iR"
    "*xqGLUeB30zA*7K5Cq}B8@g3W-ERW`RA@<$",
    "kinds.data-00000-of-00002": "c-lK)&v3xgfx+&7wS=xq$ZthX2X+Ps0041X21)",
    "kinds.data-00001-of-00002": "c-s5_9}Man>i;t`Ffbgb2NDe+7DK~-6aWD8{TZq",
}
"""What TensorFlow wrote of one tensor of each kind, in two data files joined by MergeV2Checkpoints;
compressed with zlib, in base 85."""


def unpack(folder: Path, files: dict[str, str]) -> Path:
    for name, packed in files.items():
        (folder / name).write_bytes(zlib.decompress(base64.b85decode(packed)))
    return folder / "kinds.index"


@pytest.fixture
def tiny(shared_data):
    folder = shared_data / "ckpt" / "tf1-tiny-bert"
    if not folder.is_dir():
        pytest.skip(f"needs the TF1 checkpoint in {folder}")
    return folder


def test_tiny_bert_as_tensorflow_reads_it(tiny):
    index = tf1_files(tiny)
    assert index == tiny / "bert_model.ckpt.index"
    found = {name: tensor.read() for name, tensor in read_bundle(index).items()}
    assert len(found) == 139
    digest = hashlib.sha256()
    for name in sorted(found):
        value = found[name]
        digest.update(f"{name} {value.dtype} {value.shape}\n".encode() + value.tobytes())
    # The same sum over what tf.train.load_checkpoint gave: all names, kinds, sizes and values.
    assert digest.hexdigest() == "d828862574c8658b17009b970e8e9dacc22b66558ae9588c216923b69eeec21e"


def test_tiny_bert_by_the_names_of_transformers(tiny):
    import transformers

    config = transformers.BertConfig.from_json_file(tiny / "bert_config.json")
    model = transformers.BertForPreTraining(config)
    expected = {
        name: tuple(value.shape)
        for name, value in model.state_dict().items()
        if "decoder" not in name
    }
    found = open_tf1(tiny / "bert_model.ckpt")
    assert {name: tensor.sizes for name, tensor in found.tensors.items()} == expected
    assert {tensor.kind for tensor in found.tensors.values()} == {"F32"}
    assert len(found.dropped) == 93  # two slots of each weight, and global_step
    assert all("adam" in name for name in found.dropped if name != "global_step")
    for name, tensor in found.tensors.items():
        assert tensor.read().shape == tensor.sizes, name
    # As TensorFlow gives them: kernel[1, 0], kernel[0, 1] and so on; the rest is turned with them.
    query = found.tensors["bert.encoder.layer.0.attention.self.query.weight"].read()
    np.testing.assert_array_equal(query[0, :2], np.float32([-0.0045214114, 0.021393504]))
    np.testing.assert_array_equal(
        query[:3, 0], np.float32([-0.0045214114, 0.019762386, 0.02960531])
    )
    up = found.tensors["bert.encoder.layer.1.intermediate.dense.weight"].read()
    np.testing.assert_array_equal(up[:3, 0], np.float32([-0.030754386, -0.0131320385, 0.03160595]))
    pair = found.tensors["cls.seq_relationship.weight"].read()
    np.testing.assert_array_equal(pair[0, :3], np.float32([0.003098902, 0.012806277, 0.029687872]))
    gamma = found.tensors["bert.encoder.layer.1.output.LayerNorm.weight"].read()
    np.testing.assert_array_equal(gamma[:2], np.float32([0.99999416, 1.0000058]))


def test_tiny_bert_written_again_is_byte_for_byte_tensorflows(tiny, tmp_path):
    tensors = read_bundle(tiny / "bert_model.ckpt.index")
    write_bundle(tmp_path / "bert_model.ckpt", {name: x.read() for name, x in tensors.items()})
    for name in ("bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"):
        assert (tmp_path / name).read_bytes() == (tiny / name).read_bytes()


def test_every_kind_of_number_in_two_data_files(tmp_path):
    found = read_bundle(unpack(tmp_path, KINDS))
    values = {name: tensor.read() for name, tensor in found.items()}
    assert np.isnan(values["f32"][0])
    assert np.signbit(values["f32"][1])
    assert values["f32"][2] == np.float32(1e-45)
    assert {name: value.tolist() for name, value in values.items() if name != "f32"} == {
        "bf16": [1.5, -2.0, 3.140625],
        "f16": [[1.5], [65504.0]],
        "f64": np.pi,
        "empty": [],
        "scalar": 7,
        "i8": [-128, 127],
        "i16": [-32768],
        "i32": [[[-1, 2**31 - 1]]],
        "u8": [255],
        "u16": [65535],
        "u32": [2**32 - 1],
        "u64": [2**64 - 1],
        "bool": [True, False],
    }
    assert values["empty"].shape == (0, 3)
    assert values["bf16"].dtype == np.float32
    assert (found["bf16"].kind, found["f16"].kind, found["scalar"].kind) == ("BF16", "F16", "I64")
    assert {tensor.file.name for tensor in found.values()} == set(KINDS) - {"kinds.index"}


names = some.text(min_size=1, max_size=12).filter(
    lambda name: name[0] != "\0" and not any("\ud800" <= letter < "\ue000" for letter in name)
)
numbers = some.sampled_from(
    ["<f8", "<f4", "<f2", "<i8", "<i4", "i2", "i1", "u1", "u2", "u4", "u8", "?", ">f4", ">i8"]
).flatmap(lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0)))


@settings(max_examples=25, deadline=None)
@given(tensors=some.dictionaries(names, numbers, max_size=20))
def test_any_arrays_round_trip(tmp_path_factory, tensors):
    index = write_bundle(tmp_path_factory.mktemp("bundle") / "x.ckpt", tensors)
    found = read_bundle(index)
    assert set(found) == set(tensors)
    for name, value in tensors.items():
        again = found[name].read()
        assert again.shape == value.shape == found[name].sizes
        assert again.dtype == value.dtype.newbyteorder("<")
        assert again.tobytes() == value.astype(again.dtype).tobytes()


def test_a_table_of_several_blocks():
    entries = [
        (f"{number:06}/{'é' * (number % 50)}".encode(), b"v" * 40) for number in range(9_000)
    ]
    raw = write_table(entries)
    assert len(raw) > 400_000
    assert list(read_table(raw)) == entries


def plain_crc32c(data: bytes) -> int:
    register = 0xFFFFFFFF
    for octet in data:
        register ^= octet
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def test_crc32c():
    # RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"") == 0
    assert mask(0) == 0xA282EAD8
    data = np.random.default_rng(0).bytes(140_000)
    for length in (1, 3, 4, 255, 256, 259, 4_095, 4_096, 6_001, 131_071, 131_072, 139_999):
        assert crc32c(data[:length]) == plain_crc32c(data[:length]), length


def test_names_are_one_to_one_and_of_every_head():
    import transformers

    assert len(dict(NAMES)) == len({hf for _, hf in NAMES}) == len(NAMES)
    config = transformers.BertConfig(
        vocab_size=9, hidden_size=4, num_hidden_layers=12, num_attention_heads=2,
        intermediate_size=6, max_position_embeddings=5,
    )  # fmt: skip
    for kind in ("PreTraining", "SequenceClassification", "QuestionAnswering"):
        for name in getattr(transformers, f"BertFor{kind}")(config).state_dict():
            if "decoder" not in name:
                assert to_hf(to_tf1(name)) == name
    assert to_tf1("classifier.weight") == "output_weights"
    assert to_tf1("qa_outputs.bias") == "cls/squad/output_bias"
    assert to_tf1("encoder.layer.11.output.dense.bias") == "bert/encoder/layer_11/output/dense/bias"
    for name in (
        "bert/encoder/layer_01/output/dense/bias",
        "bert/encoder/layer_{i}/output/dense/bias",
    ):
        assert to_hf(name) is None


def test_weights_round_trip_by_the_names_of_transformers(tmp_path):
    random = np.random.default_rng(0)
    tensors = {
        "bert.embeddings.word_embeddings.weight": random.normal(size=(5, 3)).astype("f4"),
        "bert.encoder.layer.10.intermediate.dense.weight": random.normal(size=(7, 3)).astype("f2"),
        "bert.encoder.layer.10.output.LayerNorm.bias": random.normal(size=3),
        "classifier.weight": random.normal(size=(4, 3)).astype("f4"),
    }
    index = write_tf1(tmp_path / "model.ckpt-20", tensors)
    assert index.name == "model.ckpt-20.index"
    kernel = read_bundle(index)["bert/encoder/layer_10/intermediate/dense/kernel"]
    assert kernel.sizes == (3, 7)
    for place in (index, tmp_path / "model.ckpt-20"):
        again = read_tf1(place)
        assert set(again) == set(tensors)
        for name, value in tensors.items():
            read = again[name].read()
            assert (read.dtype, again[name].sizes) == (value.dtype, value.shape)
            assert read.tobytes() == value.tobytes()


def test_training_state_is_dropped_and_other_names_refused(tmp_path):
    value = np.ones((2, 2), np.float32)
    known = {"bert/pooler/dense/kernel": value, "bert/pooler/dense/kernel/adam_v": value}
    training = {name: value for name in ("global_step", "loss_scale", "good_steps", "x/bad_steps")}
    index = write_bundle(tmp_path / "a", known | training)
    found = open_tf1(index)
    assert list(found.tensors) == ["bert.pooler.dense.weight"]
    assert found.dropped == ("bert/pooler/dense/kernel/adam_v", *sorted(training))
    others = {f"bert/encoder/layer_3/output/dense/kernal{number}": value for number in range(9)}
    index = write_bundle(tmp_path / "b", known | others | {"é" * 200: value})
    with pytest.raises(CheckpointError) as caught:
        read_tf1(index)
    assert "b.index: 10 names are not those of Google's BERT" in str(caught.value)
    assert (
        "'bert/encoder/layer_3/output/dense/kernal0'; did you mean "
        "'bert/encoder/layer_3/output/dense/kernel'?"
    ) in str(caught.value)
    assert "5 more" in str(caught.value)
    index = write_bundle(tmp_path / "c", {"bert/pooler/dense/kernel": value[0]})
    with pytest.raises(CheckpointError, match=r"kernel': expected a matrix, got the sizes \[2\]"):
        read_tf1(index)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"bert.poler.dense.bias": np.ones(2)}, r"did you mean 'bert\.pooler\.dense\.bias'"),
        ({"pooler.dense.weight": np.ones(2)}, r"'pooler\.dense\.weight': expected a matrix, got"),
        (
            {"pooler.dense.bias": np.ones(2), "bert.pooler.dense.bias": np.ones(2)},
            "with and without",
        ),
        ({"cls.predictions.bias": np.array(["a"])}, r"cls/predictions/output_bias': expected numb"),
        ({"cls.predictions.bias": np.ones([1] * 9)}, r"at most 8 axes, got float64 in 9"),
    ],
)
def test_what_is_not_written(tmp_path, tensors, message):
    with pytest.raises(CheckpointError, match=message):
        write_tf1(tmp_path / "x.ckpt", tensors)
    assert not list(tmp_path.iterdir())


def test_the_index_of_a_folder(tmp_path):
    for name in ("faiss.index", "**.index", "model.ckpt-1.meta"):
        (tmp_path / name).write_bytes(b"something else")
    assert tf1_files(tmp_path) is None
    assert tf1_files(tmp_path / "faiss.index") is None
    one = write_bundle(tmp_path / "model.ckpt-1", {"global_step": np.array(1)})
    assert tf1_files(tmp_path) == one
    write_bundle(tmp_path / "model.ckpt-2", {"global_step": np.array(2)})
    with pytest.raises(CheckpointError, match=r"got 2: model\.ckpt-1\.index, model\.ckpt-2\.index"):
        tf1_files(tmp_path)
    usual = write_bundle(tmp_path / "bert_model.ckpt", {"global_step": np.array(3)})
    assert tf1_files(tmp_path) == usual
