"""Every family and every kind of model: transformers' folder in, ours out, equal outputs."""

from typing import Any

import numpy as np
import pytest
import torch
import transformers

from filbert.batch import Row, pack
from filbert.checkpoint import Folder, load, model_tensors, read_model, save, write_model
from filbert.checkpoint.families import FAMILIES, TASK_OF
from filbert.encoder import Encoder, to_tensors
from filbert.errors import CheckpointError
from filbert.heads import (
    ChooseHead,
    ClassifyHead,
    EmbedHead,
    Head,
    Model,
    PretrainHead,
    SpanHead,
    TagHead,
)
from filbert.tasks import Classify

LABELS = ("<b>one</b>", "zwei", "三")
CLOSE = 1e-5
SIZES: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "intermediate_size": 28,
    "max_position_embeddings": 24,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": SIZES,
    "distilbert": {
        "vocab_size": 60,
        "dim": 16,
        "n_layers": 2,
        "n_heads": 4,
        "hidden_dim": 28,
        "max_position_embeddings": 24,
    },
    "roberta": {**SIZES, "num_hidden_layers": 2, "max_position_embeddings": 26,
                "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "xlm-roberta": {**SIZES, "num_hidden_layers": 2, "max_position_embeddings": 28,
                    "type_vocab_size": 1, "pad_token_id": 3},
    "modernbert": {**SIZES, "local_attention": 6, "pad_token_id": 0, "bos_token_id": 1,
                   "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2},
}  # fmt: skip
AUTO = {
    "encoder": transformers.AutoModel,
    "masked": transformers.AutoModelForMaskedLM,
    "pretraining": transformers.AutoModelForPreTraining,
    "classify": transformers.AutoModelForSequenceClassification,
    "tag": transformers.AutoModelForTokenClassification,
    "span": transformers.AutoModelForQuestionAnswering,
    "choose": transformers.AutoModelForMultipleChoice,
}
CASES = [(name, kind) for name, family in FAMILIES.items() for kind in family.kinds]


def config_class(name):
    return type(transformers.AutoConfig.for_model(name))


def reference(name, kind, seed=0, **changes):
    """A model of transformers with random weights, norms and biases too."""
    torch.manual_seed(seed)
    more = dict(changes)
    if kind in ("classify", "tag"):
        more["id2label"] = dict(enumerate(LABELS))
        more["label2id"] = {label: i for i, label in enumerate(LABELS)}
    config = config_class(name)(**{**CONFIGS[name], **more, "attn_implementation": "eager"})
    model = getattr(transformers, FAMILIES[name].class_of(kind))(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def rows(segments=True):
    random = np.random.default_rng(1)
    return [
        Row(
            random.integers(4, 60, length).astype(np.int32),
            random.integers(0, 2 if segments else 1, length).astype(np.uint8),
        )
        for length in (1, 2, 5, 5, 24, 17)
    ]


def theirs(model, row):
    """All outputs of one row, in their order."""
    inputs = {"input_ids": torch.from_numpy(row.token_ids.astype(np.int64))[None]}
    if getattr(model.config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = torch.from_numpy(row.segments.astype(np.int64))[None]
    if type(model).__name__.endswith("ForMultipleChoice"):
        inputs = {name: values[:, None] for name, values in inputs.items()}  # one choice
    with torch.no_grad():
        output = model(**inputs)
    names = ("last_hidden_state", "logits", "prediction_logits", "start_logits", "end_logits")
    found = [output[name][0].numpy() for name in names if name in output]
    return np.stack(found, axis=-1) if len(found) == 2 else found[0]


def build(weights):
    """Our network of some arrays, whatever the kind."""
    encoder = Encoder(weights.shape)
    task = Classify(labels=weights.labels or ("x", "y"), pooling=weights.pooling)
    head: Head
    if weights.kind == "encoder":
        head = EmbedHead("mean")
    elif weights.kind in ("masked", "pretraining"):
        head = PretrainHead.build(encoder, task)
    else:
        kinds: dict[str, type[Head]] = {
            "classify": ClassifyHead,
            "tag": TagHead,
            "span": SpanHead,
            "choose": ChooseHead,
        }
        head = kinds[weights.kind].build(encoder, task)
    model = Model(encoder, head)
    wanted = model.state_dict()
    state = {name: torch.from_numpy(value) for name, value in weights.tensors.items()}
    more = {name for name in state if name not in wanted}
    assert {name.split(".")[1] for name in more} <= {"pooler", "next_sentence"}
    assert not more or weights.kind in ("encoder", "pretraining")
    model.load_state_dict({name: state[name] for name in wanted})
    return model.eval()


def ours(model, row):
    """The same outputs of our network."""
    packed = pack([row], {"positions": np.arange(len(row), dtype=np.int32)})
    tensors = to_tensors(packed, model.encoder.shape)
    with torch.no_grad():
        if isinstance(model.head, EmbedHead):
            return model.encoder(tensors).numpy()
        (output,) = model(tensors).values()
    return output.numpy().reshape(-1, *output.shape[1:])


def assert_close(model, expected, some):
    for row, values in zip(some, expected, strict=True):
        found = ours(model, row)
        np.testing.assert_allclose(found.reshape(values.shape), values, rtol=0, atol=CLOSE)


def reopened(kind, path):
    model, report = AUTO[kind].from_pretrained(
        path, output_loading_info=True, attn_implementation="eager"
    )
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not report[what], (what, report[what])
    return model.eval()


def assert_same(again, original, expected, some):
    """Weights bit by bit, and the outputs that they make with the config.json of ours."""
    before = original.state_dict()
    for name, value in again.state_dict().items():
        assert torch.equal(value, before[name]), name
    for row, values in zip(some, expected, strict=True):
        np.testing.assert_allclose(theirs(again, row), values, rtol=0, atol=CLOSE)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_in_and_out(tmp_path, name, kind):
    changes = {"classifier_pooling": "mean"} if (name, kind) == ("modernbert", "classify") else {}
    original = reference(name, kind, **changes)
    original.save_pretrained(tmp_path / "in")
    some = rows()
    expected = [theirs(original, row) for row in some]

    weights = read_model(tmp_path / "in")
    assert (weights.kind, weights.family) == (kind, name)
    assert weights.labels == (LABELS if kind in ("classify", "tag") else ())
    assert_close(build(weights), expected, some)

    written = write_model(tmp_path / "out", weights)
    again = reopened(kind, tmp_path / "out")
    assert type(again) is type(original)
    assert_same(again, original, expected, some)
    assert read_model(written).shape == weights.shape

    if TASK_OF.get(kind) is None:
        with pytest.raises(Exception, match="filbert has no task yet"):
            Folder(tmp_path / "in").task()
        return
    model = load(tmp_path / "in")
    assert model.fresh == []
    assert_close(model, expected, some)
    folder = Folder(tmp_path / "in")
    saved = save(
        tmp_path / "saved",
        model_tensors(model),
        shape=folder.shape(),
        task=folder.task(),
        tokenizer=None,
        family=name,
    )
    assert (saved.task(), saved.shape()) == (folder.task(), folder.shape())
    again = reopened("masked" if kind == "pretraining" else kind, saved.path)
    assert_same(again, original, expected, some)


def test_a_choice_by_the_mean_is_kept_and_not_answered(tmp_path):
    original = reference("modernbert", "choose", classifier_pooling="mean")
    original.save_pretrained(tmp_path / "in")
    with pytest.raises(CheckpointError, match="classifier_pooling 'mean': choose reads the first"):
        Folder(tmp_path / "in").task()
    written = write_model(tmp_path / "out", read_model(tmp_path / "in"))
    assert written.config()["classifier_pooling"] == "mean"


def hub_file(path, name, pooled, **changes):
    """A file as on the hub: an old pickle of the masked words, with a pooler that nobody taught."""
    original = reference(name, "masked", **changes)
    original.config.architectures = [type(original).__name__]
    original.config.save_pretrained(path)
    prefix = FAMILIES[name].prefix
    state = dict(original.state_dict())
    for end, sizes in (("weight", (16, 16)), ("bias", (16,))):
        if pooled:
            state[f"{prefix}pooler.dense.{end}"] = torch.randn(sizes)
    if name != "modernbert":
        places = original.config.max_position_embeddings
        state[f"{prefix}embeddings.position_ids"] = torch.arange(places)[None]
    torch.save(state, path / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    return original


@pytest.mark.parametrize(
    ("name", "pooled", "fresh"),
    [
        ("bert", True, ("output",)),
        ("distilbert", False, ("output", "pooler")),
        # transformers draws RoBERTa's layer below the labels anew, too: the pooler is another.
        ("roberta", True, ("output", "pooler")),
        ("xlm-roberta", False, ("output", "pooler")),
        ("modernbert", False, ("output",)),
    ],
)
def test_a_classifier_on_a_file_of_the_hub(tmp_path, name, pooled, fresh):
    original = hub_file(tmp_path, name, pooled)
    some = rows()
    assert_close(load(tmp_path), [theirs(original, row) for row in some], some)
    weights = read_model(tmp_path)
    assert weights.kind == "masked"
    assert ("head.pooler.weight" in weights.tensors) == pooled
    assert {name.split(".")[1] for name in weights.tensors if name.startswith("head.")} == {
        "transform", "norm", "bias", *(["pooler"] if pooled else [])}  # fmt: skip

    model = load(tmp_path, task=Classify(labels=LABELS, max_tokens=20))
    assert {one.split(".")[1] for one in model.fresh} == set(fresh)
    auto = AUTO["classify"].from_pretrained(tmp_path, num_labels=3, output_loading_info=True)
    drawn = {key.split(".")[0] for key in auto[1]["missing_keys"]}
    assert drawn == {"classifier", *(["pre_classifier"] if name == "distilbert" else [])}
    with torch.no_grad():
        for row in some[:3]:
            packed = to_tensors(pack([row]), model.encoder.shape)
            base = getattr(original, original.base_model_prefix)
            found = model.encoder(packed).numpy()
            np.testing.assert_allclose(found, theirs(base, row), rtol=0, atol=CLOSE)
