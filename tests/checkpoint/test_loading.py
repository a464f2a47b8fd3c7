"""Loading is strict: names, sizes, damaged files, and pickles that would run code."""

import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from filbert.checkpoint import Folder, load, model_tensors
from filbert.checkpoint.tensors import read_tensors, write_tensors
from filbert.errors import CheckpointError, SettingsError
from filbert.tasks import Classify, Pretrain

POSITIONS = "bert.embeddings.position_embeddings.weight"
WORDS = "bert.embeddings.word_embeddings.weight"
DECODER = "cls.predictions.decoder.weight"


@pytest.fixture
def edit(save_tiny):
    """edit("pretrain", change) → a Folder whose stored tensors were changed in place."""

    def make(name, change, place="edited"):
        folder = save_tiny(name, place=place)
        path = folder.path / "model.safetensors"
        tensors = read_tensors(path)
        change(tensors)
        write_tensors(path, tensors)
        (folder.path / "checksums.json").unlink()
        return folder

    return make


@pytest.mark.parametrize("name", ["pretrain", "classify", "embed"])
def test_what_was_saved_is_loaded_bit_by_bit(save_tiny, arrays, shape, tasks, name):
    model = load(save_tiny(name))
    expected = arrays(shape, tasks[name])
    found = model_tensors(model)
    assert set(found) == set(expected)
    assert all(np.array_equal(found[key], expected[key]) for key in expected)
    assert model.fresh == []
    assert not model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert model.encoder.shape == shape


def test_an_embedding_model_without_a_pooler(save_tiny, arrays, shape, tasks):
    tensors = arrays(shape, tasks["embed"], pooler=False)
    folder = save_tiny(place="x")
    from filbert.checkpoint import save

    save(folder.path, tensors, shape=shape, task=tasks["embed"], tokenizer=None, replace=True)
    assert set(model_tensors(load(folder.path))) == set(tensors)


def test_a_path_a_text_and_a_folder_are_the_same(save_tiny):
    folder = save_tiny()
    first = model_tensors(load(folder))
    for place in (folder.path, str(folder.path)):
        assert all(
            np.array_equal(value, first[name]) for name, value in model_tensors(load(place)).items()
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop(POSITIONS), rf"missing: '{POSITIONS}'"),
        (
            lambda t: t.update({POSITIONS.replace("bert.", "bert.x"): t.pop(POSITIONS)}),
            r"missing: .*did you mean(.|\n)*unexpected: 'bert\.xemb.*did you mean 'bert\.emb",
        ),
        (
            lambda t: t.update({"bert.encoder.layer.2.output.dense.bias": np.zeros(8, np.float32)}),
            r"unexpected: 'bert\.encoder\.layer\.2\.output\.dense\.bias'; did you mean",
        ),
        (lambda t: t.update({"lm_head.weight": np.zeros(1)}), r"unexpected: 'lm_head\.weight'"),
        (lambda t: t.pop("cls.predictions.bias"), r"missing: 'cls\.predictions\.bias'"),
        (
            lambda t: t.update({"bert.pooler.dense.bias": np.zeros(8, np.float32)}),
            r"missing: 'bert\.pooler\.dense\.weight'",
        ),
        (
            lambda t: t.update({POSITIONS: t[POSITIONS][:-1]}),
            rf"tensor '{POSITIONS}': expected the sizes 16×8 by config.json, got 15×8",
        ),
        (
            lambda t: t.update({"cls.predictions.bias": np.float32(0)}),
            "expected the sizes 10 by config.json, got a single number",
        ),
        (
            lambda t: t.update({POSITIONS: t[POSITIONS].astype(np.int32)}),
            rf"tensor '{POSITIONS}': expected floats .*, got I32",
        ),
        (
            lambda t: t.update(
                {"bert.embeddings.LayerNorm.gamma": t["bert.embeddings.LayerNorm.weight"]}
            ),
            "are the same tensor, expected one of them",
        ),
        (lambda t: t.clear(), r"missing: 'bert|missing: 'embeddings"),
    ],
)
def test_names_and_sizes_that_do_not_fit(edit, change, message):
    folder = edit("pretrain", change)
    with pytest.raises(CheckpointError, match=message) as caught:
        load(folder)
    assert str(folder) in str(caught.value)
    assert len(str(caught.value)) < 2_000


def test_many_wrong_names_are_counted(edit):
    def rename(tensors):
        for name in list(tensors):
            tensors[name.replace("bert.", "roberta.")] = tensors.pop(name)

    with pytest.raises(CheckpointError, match=r"missing: \d+ more\n  unexpected"):
        load(edit("classify", rename))


def test_a_classifier_of_another_size_than_its_labels(edit):
    def grow(tensors):
        for end in ("weight", "bias"):
            tensors[f"classifier.{end}"] = np.repeat(tensors[f"classifier.{end}"], 2, axis=0)

    with pytest.raises(CheckpointError, match=r"classifier\.\w+': expected the sizes 3"):
        load(edit("classify", grow))


def test_buffers_and_true_copies_are_harmless(edit):
    def add(tensors):
        tensors["bert.embeddings.position_ids"] = np.arange(16)[None]
        tensors[DECODER] = tensors[WORDS]
        tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"]

    assert load(edit("pretrain", add)).fresh == []


@pytest.mark.parametrize(("copy", "original"), [(DECODER, WORDS), (
    "cls.predictions.decoder.bias", "cls.predictions.bias")])  # fmt: skip
def test_a_copy_that_differs_is_not_dropped_in_silence(edit, copy, original):
    def add(tensors):
        tensors[copy] = tensors[original].copy()
        tensors[copy].flat[-1] += 1e-6

    with pytest.raises(CheckpointError, match=rf"'{copy}' differs from '{original}'"):
        load(edit("pretrain", add))


def test_a_new_task_on_an_old_encoder(save_tiny, tasks):
    torch.manual_seed(0)
    folder = save_tiny("classify")
    same = load(folder, task=Classify(labels=tasks["classify"].labels, max_tokens=8))
    assert same.fresh == []
    other = load(folder, task=Classify(labels=("x", "y", "z"), max_tokens=8))
    assert other.fresh == ["head.output.weight", "head.output.bias"]
    assert torch.equal(other.head.pooler.weight, same.head.pooler.weight)
    assert not torch.equal(other.head.output.weight, same.head.output.weight)
    assert not any(parameter.is_meta for parameter in other.parameters())
    words = load(folder, task=Pretrain(max_tokens=8))
    assert {name.split(".")[1] for name in words.fresh} == {"transform", "norm", "bias"}


def test_rows_longer_than_the_positions(save_tiny):
    folder = save_tiny()
    with pytest.raises(SettingsError, match="max_tokens is 17, but the model has only 16 pos"):
        load(folder, task=Pretrain(max_tokens=17))
    table = json.loads((folder.path / "task.json").read_text())
    table["task"]["settings"]["max_tokens"] = 17
    (folder.path / "task.json").write_text(json.dumps(table))
    with pytest.raises(CheckpointError, match="max_tokens is 17"):
        load(folder, verify=False)


# Damage


def test_a_flipped_byte_anywhere_is_found_and_named(save_tiny):
    folder = save_tiny("classify")
    path = folder.path / "model.safetensors"
    raw = path.read_bytes()
    for place in (0, 9, 200, len(raw) // 2, len(raw) - 1):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 64]) + raw[place + 1 :])
        with pytest.raises(CheckpointError, match=r"model\.safetensors: damaged"):
            load(folder)


def test_a_truncated_file_is_named_even_without_checksums(save_tiny):
    folder = save_tiny()
    (folder.path / "checksums.json").unlink()
    path = folder.path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: truncated: tensor '"):
        load(folder)


def test_absurd_sizes_take_no_memory(save_tiny):
    """A config within bounds, for a model of 40 GB, against a small file: refused at once."""
    import resource

    folder = save_tiny()
    config = json.loads((folder.path / "config.json").read_text())
    config |= {"hidden_size": 8192, "intermediate_size": 32768, "num_hidden_layers": 12}
    (folder.path / "config.json").write_text(json.dumps(config))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match=r"missing|expected the sizes"):
        load(folder, verify=False)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_a_tensor_in_two_files(save_tiny):
    folder = save_tiny()
    path = folder.path / "model.safetensors"
    for name in ("a.safetensors", "b.safetensors"):
        (folder.path / name).write_bytes(path.read_bytes())
    path.unlink()
    index = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}
    (folder.path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="stands in another file, too"):
        load(folder, verify=False)
    index["weight_map"]["y"] = "c.safetensors"
    (folder.path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"'c\.safetensors' is not there"):
        load(folder, verify=False)


# Pickles


@pytest.fixture
def pickled(save_tiny):
    """A folder whose weights are a pytorch_model.bin, to be written by the test."""
    folder = save_tiny()
    tensors = read_tensors(folder.path / "model.safetensors")
    (folder.path / "model.safetensors").unlink()
    (folder.path / "checksums.json").unlink()
    state = {name: torch.from_numpy(value) for name, value in tensors.items()}
    return folder, state, folder.path / "pytorch_model.bin"


class Malicious:
    """What a pickle can do: run a command when it is read."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("form", ["zip", "old", "plain"])
@pytest.mark.parametrize("place", ["alone", "inside"])
def test_a_pickle_with_code_is_refused_and_not_run(pickled, tmp_path, form, place):
    folder, state, path = pickled
    trace = tmp_path / "trace"
    bad = Malicious(f"touch {trace}")
    content = bad if place == "alone" else {"x": bad, **({} if form == "plain" else state)}
    if form == "plain":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin: refused: .*'\w+\.system'"):
        load(folder)
    assert not trace.exists()
    # The trap is real: the ordinary reader falls into it.
    if form == "plain":
        pickle.loads(path.read_bytes())
        assert trace.exists()


@pytest.mark.parametrize("old", [False, True])
def test_an_honest_pickle(pickled, old, arrays, shape, tasks):
    folder, state, path = pickled
    torch.save(state, path, _use_new_zipfile_serialization=not old)
    found = model_tensors(load(folder))
    expected = arrays(shape, tasks["embed"])
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_a_pickle_of_tensors_that_claim_more_than_they_hold(pickled):
    folder, state, path = pickled
    name = "embeddings.word_embeddings.weight"
    huge = torch.zeros(1).expand(1_000_000, 1_000_000)
    torch.save({**state, name: huge}, path)
    with pytest.raises(CheckpointError, match=r"refused: its tensors take 4,000,\d+,\d+,\d+ bytes"):
        load(folder)
    # Those that config.json asks for, too; before any memory is taken.
    few = {one: torch.zeros(1).expand(value.shape) for one, value in state.items()}
    torch.save(few, path)
    with pytest.raises(CheckpointError, match="refused: its tensors take"):
        load(folder)


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {3: torch.zeros(1)}, None])
def test_a_pickle_of_something_else(pickled, content):
    folder, _, path = pickled
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin: .*expected"):
        load(folder)


def test_a_sparse_tensor(pickled):
    folder, state, path = pickled
    name = "embeddings.word_embeddings.weight"
    torch.save({**state, name: state[name].to_sparse()}, path)
    with pytest.raises(CheckpointError, match="expected a dense tensor"):
        load(folder)


def test_damaged_pickles_give_our_error(pickled):
    folder, state, path = pickled
    random = np.random.default_rng(0)
    for old in (False, True):
        torch.save(state, path, _use_new_zipfile_serialization=not old)
        raw = path.read_bytes()
        cuts = [0, 1, 2, 10, 100, len(raw) // 2, len(raw) - 1]
        for length in cuts:
            path.write_bytes(raw[:length])
            with pytest.raises(CheckpointError, match=r"pytorch_model\.bin|missing"):
                load(folder)
        for _ in range(60):
            damaged = bytearray(raw)
            damaged[random.integers(0, min(2000, len(raw)))] = random.integers(0, 256)
            path.write_bytes(bytes(damaged))
            try:
                load(folder)
            except CheckpointError:
                continue


def test_a_zip_that_is_no_checkpoint(pickled):
    folder, _, path = pickled
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../evil", "x")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin"):
        load(folder)


def test_a_folder_that_holds_neither_task_nor_weights(tmp_path):
    with pytest.raises(CheckpointError, match="expected the configuration"):
        load(tmp_path)
    assert not Folder(tmp_path).is_complete()


def test_a_file_of_a_million_letters_and_many_names(edit):
    def add_long(tensors):
        tensors["bert." + "x" * 1_000_000] = np.zeros(1)

    def add_many(tensors):
        tensors.update({f"bert.layer.{i}.weight": np.zeros(1) for i in range(20_000)})

    for change, message in (
        (add_long, "a name of 1,000,005 letters, expected at most 512"),
        (add_many, "unexpected: 19,995 more"),
    ):
        with pytest.raises(CheckpointError, match=message) as caught:
            load(edit("pretrain", change, change.__name__))
        assert len(str(caught.value)) < 3_000


def test_a_real_folder_of_2019(shared_data, tmp_path):
    """pytorch-pretrained-bert's layout: bert_config.json, gamma and beta, the old pickle form."""
    import tarfile

    with tarfile.open(shared_data / "ckpt/pytorch-tiny-bert-fixture.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    (config,) = tmp_path.rglob("bert_config.json")
    folder = Folder(config.parent)
    stored = torch.load(folder.path / "pytorch_model.bin", weights_only=True)
    model = load(folder)
    assert not model.fresh
    (name,) = [name for name in stored if name.endswith("word_embeddings.weight")]
    assert torch.equal(model.encoder.embeddings.tokens.weight, stored[name])
