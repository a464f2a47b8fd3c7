"""Folders whose config.json names no class, as Google's and many old ones: their tensors say it."""

import json
import shutil

import numpy as np
import pytest
import torch

from filbert.checkpoint import Folder, Weights, convert, load, read_model, read_tensors, write_model
from filbert.checkpoint.families import BERT, FAMILIES
from filbert.checkpoint.rename import expected_tensors
from filbert.errors import CheckpointError, SettingsError
from filbert.tasks import Classify, Embed, Pretrain
from filbert.tokenizer import Tokenizer

CLASS = ("architectures", "id2label", "label2id")


@pytest.fixture
def make(tmp_path, family_shapes):
    """make("bert", "classify", 3) → a folder of that kind, whose configuration does not say so."""

    def write(name, kind, labels=0):
        family, shape = FAMILIES[name], family_shapes[name]
        row, random = family.kinds[kind], np.random.default_rng(5)
        tensors = {
            tensor.ours: random.normal(size=tensor.sizes).astype(np.float32)
            for part in ("encoder", *row.parts, *row.optional)
            for tensor in expected_tensors(part, family, shape, labels, prefixed=False)
        }
        tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b"]
        names = tuple(f"name {i}" for i in range(labels))
        weights = Weights(shape, kind, tensors, names, name)
        folder = write_model(tmp_path / f"{name}-{kind}", weights, tokenizer=Tokenizer(tokens))
        return forget(folder.path)

    return write


def forget(path):
    config = json.loads((path / "config.json").read_text())
    kept = {name: value for name, value in config.items() if name not in CLASS}
    (path / "config.json").write_text(json.dumps(kept))
    (path / "checksums.json").unlink()
    return path


@pytest.mark.parametrize("name", FAMILIES)
def test_masked_words_are_found_in_safetensors_and_in_a_pickle(make, name):
    path = make(name, "masked")
    # BERT's may have the next sentence, too, and this one has.
    kind = "pretraining" if name == "bert" else "masked"
    assert Folder(path).kind() == kind
    assert isinstance(Folder(path).task(), Pretrain)
    assert load(path).fresh == []
    values = {one: torch.from_numpy(value) for one, value in stored(path).items()}
    torch.save(values, path / "pytorch_model.bin")
    (path / "model.safetensors").unlink()
    assert Folder(path).kind() == kind
    assert load(path).fresh == []


def stored(path):
    return read_tensors(path / "model.safetensors")


@pytest.mark.parametrize("name", FAMILIES)
def test_a_classifier_has_the_labels_that_its_tensor_has(make, tmp_path, name):
    path = make(name, "classify", 3)
    labels = ("LABEL_0", "LABEL_1", "LABEL_2")
    task = Folder(path).task()
    assert isinstance(task, Classify)
    assert task.labels == labels
    assert load(path).fresh == []
    done = convert(path, tmp_path / "dst").folder
    assert (done.kind(), done.labels()) == ("classify", labels)
    assert done.config()["id2label"]["2"] == "LABEL_2"


def test_a_classifier_of_google_there_and_back(make, tmp_path):
    path = make("bert", "classify", 3)
    google = convert(path, tmp_path / "tf1", form="tf1").folder.path
    config = json.loads((google / "bert_config.json").read_text())
    for name in (*CLASS, "model_type"):
        config.pop(name, None)
    (google / "bert_config.json").write_text(json.dumps(config))
    (google / "checksums.json").unlink()
    assert Folder(google).task() == Folder(path).task()
    back = read_model(convert(google, tmp_path / "back").folder)
    assert back.kind == "classify"
    before = read_model(path).tensors
    assert before.keys() == back.tensors.keys()
    assert all(np.array_equal(before[one], back.tensors[one]) for one in before)


def test_what_config_says_is_not_guessed(make):
    path = make("bert", "classify", 3)
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"num_labels": 2}))
    with pytest.raises(CheckpointError, match=r"expected the sizes 2×8 by config\.json, got 3×8"):
        read_model(path)


def test_an_encoder_stays_one_and_so_does_a_folder_without_weights(make):
    path = make("bert", "encoder")
    assert isinstance(Folder(path).task(), Embed)
    (path / "model.safetensors").unlink()
    assert (Folder(path).kind(), len(Folder(path).labels())) == ("encoder", 2)


def test_a_sentence_folder_gives_vectors_whatever_stands_on_the_encoder(save_tiny, make):
    own = save_tiny("embed")
    masked = make("bert", "masked")
    for name in ("modules.json", "1_Pooling/config.json"):
        (masked / name).parent.mkdir(exist_ok=True)
        shutil.copy(own.path / name, masked / name)
    config = json.loads((masked / "config.json").read_text())
    config["architectures"] = [BERT.class_of("masked")]
    (masked / "config.json").write_text(json.dumps(config))
    task = Folder(masked).task()
    assert isinstance(task, Embed)
    assert (task.pooling, task.normalise) == ("first", True)
    assert load(masked).fresh == []


def test_a_pointer_of_git_lfs_is_named(save_tiny):
    path = save_tiny().path
    (path / "checksums.json").unlink()
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    (path / "model.safetensors").write_text(pointer)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: .* pointer of Git LFS"):
        load(path)


def test_a_refused_pickle_comes_with_no_advice_to_run_it(save_tiny):
    path = save_tiny().path
    (path / "checksums.json").unlink()
    (path / "model.safetensors").unlink()
    (path / "pytorch_model.bin").write_bytes(b"no pickle at all")
    with pytest.raises(CheckpointError, match=r"not a file of plain tensors: \w+") as caught:
        load(path)
    assert "weights_only" not in str(caught.value)


def test_an_index_without_its_values_is_named(make, tmp_path):
    google = convert(make("bert", "masked"), tmp_path / "tf1", form="tf1").folder.path
    (google / "bert_model.ckpt.data-00000-of-00001").unlink()
    (google / "checksums.json").unlink()
    with pytest.raises(CheckpointError, match=r"ckpt\.index: expected its values beside it"):
        load(google)


def test_links_to_nothing_and_places_that_are_links(make, tmp_path):
    src = make("bert", "masked")
    (src / "notes.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    done = convert(src, tmp_path / "link")
    assert done.left_out == ("notes.txt: no file, or a link to none",)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "model.safetensors").is_file()
    assert not list(tmp_path.glob(".tmp-*"))
    with pytest.raises(SettingsError, match="is there already"):
        convert(src, tmp_path / "link")
