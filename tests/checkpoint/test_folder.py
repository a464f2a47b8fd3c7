"""What a folder says of itself, and what it may not say."""

import json
import subprocess
import sys

import pytest

from filbert.checkpoint import Folder, find_folder
from filbert.checkpoint.config import config_of, shape_of
from filbert.checkpoint.families import BERT
from filbert.checkpoint.sentence_folder import read_sentence_settings, sentence_files
from filbert.errors import CheckpointError
from filbert.tasks import Classify, Embed
from filbert.tokenizer import Rules, Tokenizer


def rewrite(path, **changes):
    """Change fields of a JSON file; a field whose new value is ... goes."""
    value = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    value = {name: content for name, content in value.items() if content is not ...}
    path.write_text(json.dumps(value), encoding="utf-8")


def test_torch_is_not_imported(tmp_path):
    code = (
        "import sys, filbert.checkpoint as c; c.Folder('.'); c.save;"
        "print([n for n in ('torch', 'transformers', 'safetensors.torch') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_saved_folder_says_what_it_is(save_tiny, shape, tasks, tokenizer):
    for name, task in tasks.items():
        folder = save_tiny(name, place=name, train={"state": {"step": 3}}, scores={"f1": 0.5})
        assert folder.shape() == shape
        assert folder.task() == task
        assert folder.tokenizer().digest == tokenizer.digest
        assert folder.scores() == {"f1": 0.5}
        assert folder.train() == {"state": {"step": 3}}
        assert folder.is_complete()
        assert folder.verify() >= 7
    bare = save_tiny(place="bare", tokenizer=None)
    assert (bare.scores(), bare.train()) == ({}, {})
    with pytest.raises(CheckpointError, match=r"expected a tokenizer \(tokenizer.json or vocab"):
        bare.tokenizer()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "deberta-v2"}, "model_type 'deberta-v2': expected one of bert, distil"),
        ({"model_type": "rberta"}, "did you mean 'roberta'"),
        ({"model_type": ["bert"]}, "expected one of bert"),
        ({"model_type": ..., "architectures": ["DebertaModel"]}, "'DebertaModel': expected one"),
        ({"hidden_act": "relu"}, "hidden_act 'relu': filbert's BERT knows only 'gelu'"),
        ({"hidden_act": "gelu_new"}, "hidden_act 'gelu_new'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key'"),
        ({"is_decoder": True}, "is_decoder True"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"hidden_size": ...}, "hidden_size: expected a whole number from 1 to .* got None"),
        ({"hidden_size": 10**12}, "hidden_size: expected a whole number from 1 to 65,536"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers: expected"),
        ({"num_hidden_layers": 0}, "num_hidden_layers: expected"),
        ({"num_hidden_layers": "2"}, "num_hidden_layers: expected .* got '2'"),
        ({"num_hidden_layers": 2.0}, "num_hidden_layers: expected .* got 2.0"),
        ({"vocab_size": True}, "vocab_size: expected .* got True"),
        ({"vocab_size": -1}, "vocab_size: expected"),
        ({"vocab_size": 10**4000}, "vocab_size: expected"),
        ({"num_attention_heads": 3}, "hidden_size 8 is not a multiple of num_attention_heads 3"),
        (
            {"hidden_size": 65_536, "intermediate_size": 262_144, "num_hidden_layers": 1000},
            "parameters, more than",
        ),
        ({"layer_norm_eps": "x"}, "layer_norm_eps: expected 0 to less than 1, got 'x'"),
        ({"hidden_dropout_prob": 1.5}, "hidden_dropout_prob: expected 0 to less than 1"),
        ({"hidden_dropout_prob": -0.1}, "hidden_dropout_prob"),
        ({"attention_probs_dropout_prob": None}, "attention_probs_dropout_prob"),
    ],
)
def test_a_config_of_another_kind_or_beyond_belief(save_tiny, changes, message):
    folder = save_tiny()
    rewrite(folder.path / "config.json", **changes)
    with pytest.raises(CheckpointError, match=message) as caught:
        folder.shape()
    assert "config.json" in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"3", b"\xff\xfe", b"[" * 100_000, b'{"hidden_size": NaN}', b"null"]
)
def test_a_config_that_is_no_json_object(save_tiny, raw):
    folder = save_tiny()
    (folder.path / "config.json").write_bytes(raw)
    with pytest.raises(
        CheckpointError, match=r"config\.json: (not valid JSON|expected a JSON obj)"
    ):
        folder.shape()


def test_paths_that_are_no_folder(tmp_path):
    with pytest.raises(CheckpointError, match="expected the folder of a model, there is nothing"):
        Folder(tmp_path / "x")
    (tmp_path / "x").write_text("x")
    with pytest.raises(CheckpointError, match="there is a file"):
        Folder(tmp_path / "x")
    with pytest.raises(CheckpointError, match=r"expected the configuration \(config\.json or"):
        Folder(tmp_path).shape()
    with pytest.raises(CheckpointError, match=r"expected weights \(model\.safetensors or"):
        Folder(tmp_path).weights_file()


def test_config_of_old_has_another_name_and_fewer_fields(save_tiny, shape):
    folder = save_tiny()
    config = folder.config()
    for name in ("model_type", "architectures", "layer_norm_eps", "dtype", "type_vocab_size"):
        del config[name]
    (folder.path / "config.json").unlink()
    (folder.path / "bert_config.json").write_text(json.dumps(config))
    assert folder.shape() == shape


def test_config_there_and_back(shape):
    config = config_of(shape, BERT, "masked")
    assert shape_of(json.loads(json.dumps(config)), "test") == shape


@pytest.mark.parametrize(
    ("config", "labels"),
    [
        ({"id2label": {"0": "b", "1": "a"}}, ("b", "a")),
        ({"num_labels": 3}, ("LABEL_0", "LABEL_1", "LABEL_2")),
        ({}, ("LABEL_0", "LABEL_1")),
    ],
)
def test_labels_of_a_foreign_classifier(save_tiny, config, labels):
    folder = save_tiny("classify")
    (folder.path / "task.json").unlink()
    rewrite(folder.path / "config.json", **{"id2label": ..., "label2id": ..., **config})
    assert folder.task() == Classify(labels=labels, max_tokens=16)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"id2label": {"0": "a", "2": "b"}}, "id2label: expected a text for each id from 0 to 1"),
        ({"id2label": {"0": "a", "1": 7}}, "id2label: expected a text"),
        ({"id2label": {"0": "a", "1": "a"}}, "id2label: a label stands there twice"),
        ({"id2label": ["a", "b"]}, "id2label: expected an object"),
        ({"id2label": {}}, "id2label: expected an object"),
        ({"id2label": ..., "num_labels": 10**9}, "num_labels: expected a whole number"),
        ({"id2label": {"0": "a"}}, "with 1 labels: expected 'single_label_classification'"),
        ({"problem_type": "regression"}, "problem_type 'regression'"),
        ({"architectures": ["BertForNextSentencePrediction"]}, "none that filbert has a task for"),
        ({"architectures": [["BertModel"]]}, "none that filbert has a task for"),
        ({"architectures": ["BertForMaskedLLM"]}, "did you mean 'BertForMaskedLM'"),
    ],
)
def test_labels_and_classes_that_make_no_task(save_tiny, config, message):
    folder = save_tiny("classify")
    (folder.path / "task.json").unlink()
    rewrite(folder.path / "config.json", **config)
    with pytest.raises(CheckpointError, match=message):
        folder.task()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, 'expected "format": 1, got 2; it may come from a newer filbert'),
        ({"task": []}, "expected an object in the field 'task'"),
        ({"task": {"name": "clasify", "settings": {}}}, "'clasify' is unknown; did you mean"),
        ({"task": {"name": ["classify"], "settings": {}}}, "is unknown"),
        ({"task": {"name": "classify"}}, "settings: expected an object"),
        ({"task": {"name": "classify", "settings": {"labls": []}}}, "unknown setting 'labls'"),
        ({"task": {"name": "classify", "settings": {"labels": "x"}}}, "task.json"),
        ({"task": {"name": "classify", "settings": {"labels": ["a"]}}}, "two different labels"),
        (
            {"task": {"name": "classify", "settings": {"labels": ["a", "b"]}}},
            "labels are not those of id2label in config.json",
        ),
    ],
)
def test_task_json_that_does_not_fit(save_tiny, changes, message):
    folder = save_tiny("classify")
    rewrite(folder.path / "task.json", **changes)
    with pytest.raises(CheckpointError, match=message) as caught:
        folder.task()
    assert "task.json" in str(caught.value)


def test_a_vocabulary_larger_than_the_embedding(save_tiny, tmp_path):
    folder = save_tiny()
    more = [f"word{i}" for i in range(9)]
    Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *more]).save(folder.path)
    with pytest.raises(
        CheckpointError, match=r"14 tokens, but vocab_size .* embeddings\.tokens\.weight have 10"
    ):
        folder.tokenizer()


# An index of several files


@pytest.mark.parametrize(
    "name",
    [
        "../out.safetensors",
        "/etc/passwd",
        "a/../../out.safetensors",
        "sub/x.safetensors",
        "..\\out.safetensors",
        "C:x.safetensors",
        "x.safetensors\0",
        "config.json",
        "",
        ".",
        7,
        None,
    ],
)
def test_an_index_never_leads_out_of_its_folder(save_tiny, name):
    folder = save_tiny()
    (folder.path.parent / "out.safetensors").write_bytes(b"secret")
    (folder.path / "sub").mkdir()
    (folder.path / "sub/x.safetensors").write_bytes(b"")
    (folder.path / "model.safetensors").unlink()
    index = folder.path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": name}}))
    with pytest.raises(CheckpointError, match=r"index\.json: weight_map: "):
        folder.weight_files()


@pytest.mark.parametrize("table", [{}, {"weight_map": []}, {"weight_map": {}}])
def test_an_index_without_files(save_tiny, table):
    folder = save_tiny()
    (folder.path / "model.safetensors").unlink()
    (folder.path / "model.safetensors.index.json").write_text(json.dumps(table))
    with pytest.raises(CheckpointError, match="weight_map: expected an object"):
        folder.weight_files()


# Checksums


def test_each_changed_or_missing_file_is_named(save_tiny):
    folder = save_tiny("classify", train={}, scores={}, extra_files={"optimizer/a.bin": b"abc"})
    files = [path for path in folder.path.rglob("*") if path.is_file()]
    for path in files:
        raw = path.read_bytes()
        if path.name in ("README.md", "checksums.json"):
            continue
        path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
        with pytest.raises(CheckpointError, match=f"{path.name}: damaged: its SHA-256"):
            folder.verify()
        path.unlink()
        with pytest.raises(CheckpointError, match=f"{path.name}: is missing"):
            folder.verify()
        assert not folder.is_complete()
        path.write_bytes(raw)
    (folder.path / "README.md").write_text("My own words.")
    assert folder.verify() == len(files) - 2


def test_checksums_never_lead_out_of_the_folder(save_tiny):
    folder = save_tiny()
    rewrite(folder.path / "checksums.json", sha256={"../x": "00"})
    with pytest.raises(CheckpointError, match="is not a file inside of the folder"):
        folder.verify()
    assert not folder.is_complete()


# sentence-transformers


@pytest.mark.parametrize("pooling", ["mean", "first", "max"])
@pytest.mark.parametrize(
    "more",
    [
        {"normalise": True},
        {"normalise": False, "include_prompt": False, "prompts": {"query": "q: ", "文": "查询："}},
        {"prompts": {"query": "q: ", "document": ""}, "default_prompt": "query"},
    ],
)
def test_sentence_files_there_and_back(save_tiny, pooling, more):
    task = Embed(max_tokens=12, pooling=pooling, **more)
    folder = save_tiny(task=task)
    (folder.path / "task.json").unlink()
    assert folder.task() == task


@pytest.mark.parametrize(
    ("file", "value", "message"),
    [
        ("modules.json", {}, "expected a list of modules"),
        ("modules.json", [], "got none"),
        (
            "modules.json",
            [{"type": "a.Transformer"}, {"type": "a.Dense"}],
            "got Transformer, Dense",
        ),
        (
            "modules.json",
            [{"type": "a.Transformer"}, {"type": "b.Pooling", "path": "../out"}],
            "is not a file inside of the folder",
        ),
        (
            "1_Pooling/config.json",
            {"pooling_mode_lasttoken": True},
            "pools by one of mean, first, max",
        ),
        (
            "1_Pooling/config.json",
            {"pooling_mode": "cls", "include_prompt": 1},
            "include_prompt: expected true or false, got 1",
        ),
        ("config_sentence_transformers.json", {"prompts": ["q"]}, "prompts: expected an object"),
        ("config_sentence_transformers.json", {"prompts": {"q": 1}}, "prompts: expected an object"),
        (
            "config_sentence_transformers.json",
            {"prompts": {"q": ""}, "default_prompt_name": "x"},
            "default_prompt_name 'x' is not one of the prompts: q",
        ),
        (
            "sentence_bert_config.json",
            {"modality_config": {"text": {"method_output_name": "pooler_output"}}},
            "method_output_name 'pooler_output': filbert pools 'last_hidden_state'",
        ),
        (
            "1_Pooling/config.json",
            {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
            "pooling_mode",
        ),
        ("1_Pooling/config.json", {"pooling_mode": "weightedmean"}, "'weightedmean'"),
        ("1_Pooling/config.json", {}, r"pooling_mode \[\]"),
        ("sentence_bert_config.json", {"max_seq_length": "9"}, "max_seq_length: expected"),
        ("sentence_bert_config.json", {"max_seq_length": 1}, "max_seq_length: expected"),
    ],
)
def test_sentence_folders_that_filbert_cannot_read(save_tiny, file, value, message):
    folder = save_tiny()
    (folder.path / "task.json").unlink()
    (folder.path / file).write_text(json.dumps(value))
    with pytest.raises(CheckpointError, match=message) as caught:
        folder.task()
    assert file.split("/")[-1] in str(caught.value)


def test_case_that_is_folded_before_the_tokenizer(save_tiny, tokenizer):
    folder = save_tiny(
        tokenizer=Tokenizer(tokenizer.tokens(range(8)), rules=Rules(lowercase=False))
    )
    (folder.path / "task.json").unlink()
    path = folder.path / "sentence_bert_config.json"
    assert isinstance(folder.task(), Embed)
    rewrite(path, do_lower_case=True)
    with pytest.raises(CheckpointError, match=r"do_lower_case .* but the tokenizer keeps case"):
        folder.task()
    tokenizer.save(folder.path)
    assert isinstance(folder.task(), Embed)


def test_the_words_of_newer_sentence_transformers(tmp_path):
    files = dict(sentence_files(pooling="first", normalise=False, max_tokens=9, width=4))
    files["1_Pooling/config.json"] = {"embedding_dimension": 4, "pooling_mode": "cls"}
    for name, value in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(value))
    found = read_sentence_settings(tmp_path)
    assert found is not None
    assert (found.pooling, found.normalise, found.max_tokens) == ("first", False, 9)


@pytest.mark.parametrize("path", ["../out", "/etc", "a/../..", "a\\b"])
def test_a_transformer_outside_of_its_folder(save_tiny, path):
    folder = save_tiny()
    (folder.path.parent / "out").mkdir()
    (folder.path / "config.json").rename(folder.path.parent / "out/config.json")
    modules = json.loads((folder.path / "modules.json").read_text())
    modules[0]["path"] = path
    (folder.path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(CheckpointError, match="is not a file inside of the folder"):
        folder.shape()


@pytest.mark.parametrize("named", ["", None, 3])
def test_nothing_is_no_folder(named):
    with pytest.raises(CheckpointError, match="expected a model's folder or its name on the hub"):
        find_folder(named)
