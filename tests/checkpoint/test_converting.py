"""A folder in another form: every tensor bit by bit, and what stands beside it, or nothing."""

import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from filbert.checkpoint import Folder, convert, load, model_tensors, read_model, write_model
from filbert.checkpoint.families import FAMILIES
from filbert.checkpoint.model import Weights
from filbert.checkpoint.rename import expected_tensors
from filbert.checkpoint.tensors import encode, read_header, stream_tensors
from filbert.checkpoint.tf1 import read_tf1, tf1_files
from filbert.cli.main import main
from filbert.errors import CheckpointError, SettingsError
from filbert.tokenizer import Tokenizer

KINDS = ("F32", "F16", "BF16", "F64")
CASES = [(name, kind) for name, family in FAMILIES.items() for kind in family.kinds]


def bits(folder):
    """name → kind, sizes and raw bytes of all that a folder's files store."""
    found = {}
    for file in Folder(folder).weight_files():
        raw = file.read_bytes()
        for name, one in read_header(file).items():
            found[name] = (one.kind, one.sizes, raw[one.start : one.stop])
    return found


def values(folder):
    """name → kind and values, from TensorFlow's checkpoint."""
    index = tf1_files(folder)
    assert index is not None
    return {name: (one.kind, one.read().tobytes()) for name, one in read_tf1(index).items()}


@pytest.fixture
def make(tmp_path, family_shapes):
    """make("bert", "tag") → a folder with random weights, with all that the kind may have."""

    def write(name, kind, place="src", without=()):
        family, shape = FAMILIES[name], family_shapes[name]
        row, random = family.kinds[kind], np.random.default_rng(5)
        labels = ("x", "y", "<三>") if kind in ("classify", "tag") else ()
        tensors = {
            tensor.ours: random.normal(size=tensor.sizes).astype(np.float32)
            for part in ("encoder", *row.parts, *row.optional)
            if part not in without
            for tensor in expected_tensors(part, family, shape, len(labels) or 1, prefixed=False)
        }
        tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b"]
        weights = Weights(shape, kind, tensors, labels, name)
        return write_model(tmp_path / place, weights, tokenizer=Tokenizer(tokens)).path

    return write


def recast(folder, kinds):
    """Store the tensors of a folder again, each in the kind of number that its turn has."""
    path = folder / "model.safetensors"
    stored = read_header(path)
    chosen = {name: kinds[i % len(kinds)] for i, name in enumerate(sorted(stored))}
    loaded = {name: one.read() for name, one in stored.items()}
    stream_tensors(
        path,
        {name: (chosen[name], one.sizes) for name, one in stored.items()},
        lambda name: encode(loaded[name], chosen[name], name),
    )
    (folder / "checksums.json").unlink(missing_ok=True)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_family_and_kind_stays_what_it_is(make, tmp_path, name, kind):
    src = make(name, kind)
    recast(src, KINDS)
    before = bits(src)
    assert {one for one, _, _ in before.values()} == set(KINDS)
    done = convert(src, tmp_path / "dst")
    assert bits(done.folder.path) == before
    assert done.left_out == ()
    assert done.tensors == len(before)
    for file in ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        assert (done.folder.path / file).read_bytes() == (src / file).read_bytes()
    assert done.folder.verify() >= 5
    first, second = read_model(src), read_model(done.folder)
    assert (first.family, first.kind, first.labels) == (second.family, second.kind, second.labels)
    assert all(np.array_equal(first.tensors[one], second.tensors[one]) for one in first.tensors)


@settings(max_examples=200, deadline=None)
@given(some.integers(0, 0xFFFF))
def test_every_bfloat16_comes_back_bit_by_bit(number):
    """NaNs with their payload, infinities, numbers below the normal ones."""
    wide = (np.array([number], np.uint32) << 16).view(np.float32)
    assert encode(wide, "BF16", "x").tolist() == [number]


@settings(max_examples=300, deadline=None)
@given(some.floats(width=32, allow_nan=False))
def test_bfloat16_is_rounded_as_torch_rounds(number):
    expected = torch.tensor([number], dtype=torch.float32).bfloat16()
    if torch.isinf(expected).item() and np.isfinite(number):
        with pytest.raises(CheckpointError, match="x: holds a number that is too large for BF16"):
            encode(np.array([number], np.float32), "BF16", "x")
        return
    found = encode(np.array([number], np.float32), "BF16", "x")
    assert found.view(np.int16).tolist() == expected.view(torch.int16).tolist()


@pytest.mark.parametrize("kind", FAMILIES["bert"].kinds)
def test_to_tensorflow_and_back(make, tmp_path, kind):
    src = make("bert", kind, without=("crf",))
    recast(src, ("F32", "F16", "F64"))
    to = convert(src, tmp_path / "tf1", form="tf1").folder
    assert not list(to.path.glob("*.safetensors"))
    assert (to.kind(), to.labels(), to.shape()) == (
        kind, Folder(src).labels(), Folder(src).shape())  # fmt: skip
    back = convert(to, tmp_path / "back").folder
    assert bits(back.path) == bits(src)
    for file in src.iterdir():
        if file.name not in ("model.safetensors", "checksums.json"):
            assert (back.path / file.name).read_bytes() == file.read_bytes(), file.name
    again = convert(back, tmp_path / "again", form="tf1").folder
    assert values(again.path) == values(to.path)


def test_a_crf_has_no_place_in_tensorflow(make, tmp_path):
    with pytest.raises(CheckpointError, match=r"3 names have no place in a checkpoint of Tensor"):
        convert(make("bert", "tag"), tmp_path / "tf1", form="tf1")
    assert not (tmp_path / "tf1").exists()


def test_pickled_sharded_and_old_names_become_one_file(make, tmp_path):
    src = make("bert", "masked")
    before = bits(src)
    state = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): torch.frombuffer(bytearray(raw), dtype=torch.float32).view(sizes)
        for name, (_, sizes, raw) in before.items()
    }
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"]
    state["bert.embeddings.position_ids"] = torch.arange(16)[None]
    (src / "model.safetensors").unlink()
    (src / "checksums.json").unlink()
    names = sorted(state)
    index = {}
    for i in range(3):
        file = f"pytorch_model-{i}.bin"
        torch.save({name: state[name] for name in names[i::3]}, src / file)
        index |= dict.fromkeys(names[i::3], file)
    (src / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    done = convert(src, tmp_path / "dst")
    assert bits(done.folder.path) == before
    said = " ".join(done.left_out)
    assert "tensor cls.predictions.decoder.weight" in said
    assert "tensor bert.embeddings.position_ids" in said
    assert len(done.left_out) == 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_pickle_keeps_its_kind_of_number(make, tmp_path, dtype):
    src = make("distilbert", "encoder")
    state = {
        name: torch.frombuffer(bytearray(raw), dtype=torch.float32).view(sizes).to(dtype)
        for name, (_, sizes, raw) in bits(src).items()
    }
    (src / "model.safetensors").unlink()
    (src / "checksums.json").unlink()
    torch.save(state, src / "pytorch_model.bin")
    found = bits(convert(src, tmp_path / "dst").folder.path)
    kinds = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64"}
    assert found == {
        name: (kinds[dtype], tuple(one.shape), one.view(torch.uint8).numpy().tobytes())
        for name, one in state.items()
    }


@pytest.mark.parametrize(("dtype", "kind"), [("float16", "F16"), ("bfloat16", "BF16")])
def test_another_kind_of_number_where_asked(make, tmp_path, dtype, kind):
    from safetensors.torch import load_file

    src = make("roberta", "tag")
    done = convert(src, tmp_path / "dst", dtype=dtype)
    assert {one for one, _, _ in bits(done.folder.path).values()} == {kind}
    assert done.folder.config()["dtype"] == dtype
    before, after = (load_file(one / "model.safetensors") for one in (src, done.folder.path))
    for name, value in before.items():
        assert torch.equal(after[name], value.to(getattr(torch, dtype))), name
    wide = convert(done.folder, tmp_path / "wide", dtype="float32").folder
    assert {one for one, _, _ in bits(wide.path).values()} == {"F32"}


def test_a_number_too_large_is_not_made_infinite(make, tmp_path):
    src = make("bert", "encoder")
    weights = read_model(src)
    tensors = {name: value.copy() for name, value in weights.tensors.items()}
    tensors["encoder.blocks.0.up.bias"][0] = 1e6
    shutil.rmtree(src)
    write_model(src, Weights(weights.shape, "encoder", tensors, (), "bert"))
    with pytest.raises(CheckpointError, match=r"layer\.0\.inter.*bias': holds a number .* F16"):
        convert(src, tmp_path / "dst", dtype="float16")
    assert not (tmp_path / "dst").exists()
    assert not list(tmp_path.glob(".tmp*"))


def test_a_disk_that_takes_no_more_leaves_nothing(make, tmp_path):
    """At any size that a file may have: the weights, the tokenizer or the config is too large."""
    import resource

    src = make("bert", "masked")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    refused = r"dst/[\w.-]+( could not be written: File|: truncated: tensor).*nothing was changed"
    for form in ("hf", "tf1"):
        whole = convert(src, tmp_path / "dst", form=form).folder.path
        largest = max(file.stat().st_size for file in whole.iterdir())
        shutil.rmtree(whole)
        for most in (20, 500, largest // 2, largest - 1):
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, usual[1]))
            try:
                with pytest.raises(CheckpointError, match=refused):
                    convert(src, tmp_path / "dst", form=form)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, usual)
            assert [path.name for path in tmp_path.iterdir()] == ["src"]


def test_what_cannot_be_carried_is_said(make, tmp_path):
    for name in ("distilbert", "roberta", "xlm-roberta", "modernbert"):
        with pytest.raises(CheckpointError, match=f"no place for a {name}; expected the form hf"):
            convert(make(name, "masked", name), tmp_path / "dst", form="tf1")
    src = make("bert", "encoder")
    with pytest.raises(CheckpointError, match="bfloat16 is not written in the form tf1"):
        convert(src, tmp_path / "dst", form="tf1", dtype="bfloat16")
    with pytest.raises(SettingsError, match="form: expected one of hf, tf1, got 'onnx'"):
        convert(src, tmp_path / "dst", form="onnx")
    with pytest.raises(SettingsError, match=r"dtype: expected .*got 'flaot16'; did you mean"):
        convert(src, tmp_path / "dst", dtype="flaot16")
    assert not (tmp_path / "dst").exists()
    for name in ("model.onnx", "optimizer.pt", "deep/x.json", ".hidden"):
        (src / name).parent.mkdir(exist_ok=True)
        (src / name).write_bytes(b"{}")
    done = convert(src, tmp_path / "dst")
    assert [line.partition(":")[0] for line in done.left_out] == [
        "deep/x.json", "model.onnx", "optimizer.pt"]  # fmt: skip


def test_code_in_a_folder_is_neither_run_nor_carried(make, tmp_path):
    src, trace = make("bert", "classify"), tmp_path / "trace"
    code = f"open({str(trace)!r}, 'w')\nclass Model: pass\nclass Config: pass\n"
    for name in ("modeling_custom.py", "configuration_custom.py", "__init__.py"):
        (src / name).write_text(code)
    config = Folder(src).config()
    config["auto_map"] = {
        "AutoModelForSequenceClassification": "modeling_custom.Model",
        "AutoConfig": "configuration_custom.Config",
    }
    (src / "config.json").write_text(json.dumps(config))
    (src / "checksums.json").unlink()
    assert load(src).fresh == []
    assert Folder(src).labels() == ("x", "y", "<三>")
    read_model(src)
    done = convert(src, tmp_path / "dst")
    assert not trace.exists()
    assert not list(done.folder.path.glob("*.py"))
    assert "auto_map" not in done.folder.config()
    assert sum("auto_map" in line or ".py:" in line for line in done.left_out) == 4


def test_nothing_is_overwritten(make, tmp_path):
    src = make("bert", "encoder")
    before = {file.name: file.read_bytes() for file in src.iterdir()}
    (tmp_path / "dst").mkdir()
    (tmp_path / "dst/mine.txt").write_text("mine")
    for dst in (src, tmp_path / "dst"):
        with pytest.raises(SettingsError, match="is there already"):
            convert(src, dst)
    assert {file.name: file.read_bytes() for file in src.iterdir()} == before
    assert [file.name for file in (tmp_path / "dst").iterdir()] == ["mine.txt"]


def test_a_folder_of_ours_keeps_its_task_card_and_run(save_tiny, tmp_path):
    folder = save_tiny("embed", scores={"x": 1.0}, train={"a": 1}, extra_files={"LICENSE": b"free"})
    for form in ("hf", "tf1"):
        done = convert(folder, tmp_path / form, form=form).folder
        assert done.task() == folder.task()
        assert (done.scores(), done.train()) == ({"x": 1.0}, {"a": 1})
        for name in ("README.md", "LICENSE", "modules.json", "1_Pooling/config.json", "task.json"):
            assert (done.path / name).read_bytes() == (folder.path / name).read_bytes()
        assert done.is_complete()
        found, expected = model_tensors(load(done)), model_tensors(load(folder))
        assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_casing_is_written_down_where_only_the_vocabulary_shows_it(make, tmp_path):
    import transformers

    src = make("bert", "encoder")
    (src / "checksums.json").unlink()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (src / name).unlink()
    (src / "vocab.txt").write_bytes(b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nA\na\n##B")
    done = convert(src, tmp_path / "dst").folder
    assert (done.path / "vocab.txt").read_bytes() == (src / "vocab.txt").read_bytes()
    theirs = transformers.AutoTokenizer.from_pretrained(done.path)
    assert theirs("A a")["input_ids"] == [2, 5, 6, 3]
    assert done.tokenizer().encode("A a").token_ids.tolist() == [2, 5, 6, 3]
    # And TensorFlow's form gets a vocab.txt from a tokenizer.json.
    (done.path / "vocab.txt").unlink()
    (done.path / "checksums.json").unlink()
    tf1 = convert(done, tmp_path / "tf1", form="tf1").folder
    lines = (tf1.path / "vocab.txt").read_text().splitlines()
    assert lines == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "A", "a", "##B"]


def test_googles_own_files(shared_data, tmp_path):
    src = shared_data / "ckpt/tf1-tiny-bert"
    done = convert(src, tmp_path / "hf")
    assert done.left_out == ("93 variables of TensorFlow that only training needs",)
    assert done.folder.kind() == "pretraining"
    back = convert(done.folder, tmp_path / "tf1", form="tf1").folder
    assert values(back.path) == values(src)
    assert (back.path / "vocab.txt").read_bytes() == (src / "vocab.txt").read_bytes()
    model = load(src)
    assert (model.fresh, Folder(src).task().name) == ([], "pretrain")


def test_the_verb(make, tmp_path, capsys):
    src = make("xlm-roberta", "span")
    (src / "tf_model.h5").write_bytes(b"x")
    assert main(["convert", str(src), str(tmp_path / "dst"), "--dtype", "float16"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'dst'}: {len(bits(src))} tensors\n"
    assert said.err.startswith("filbert: left out: tf_model.h5: ")
    assert Folder(tmp_path / "dst").config()["model_type"] == "xlm-roberta"
    assert main(["convert", str(src), str(tmp_path / "dst")]) == 1
    assert "is there already" in capsys.readouterr().err
