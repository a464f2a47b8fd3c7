"""What the front cannot do it refuses by name, and what comes in by other doors it opens."""

import subprocess
import sys

import pytest
import torch
import transformers

import filbert
from filbert.checkpoint import model_tensors, save
from filbert.encoder import Encoder, Shape
from filbert.errors import FilbertError
from filbert.heads import build_model
from filbert.tasks import Classify, Embed, Pretrain
from filbert.tokenizer import Tokenizer

IDS = torch.tensor([[2, 5, 6, 3], [2, 5, 3, 0]])
MASK = (IDS != 0).long()


def three_d(mask):
    return mask[:, None, :].expand(2, 4, 4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"input_ids": [[2, 5, 3]]}, "input_ids: expected a tensor .*return_tensors='pt'"),
        ({}, "input_ids: expected a tensor .* got NoneType"),
        ({"input_ids": IDS[0]}, r"expected \[sequences, length\], got \[4\]"),
        ({"input_ids": IDS[:, :0]}, "at least one token"),
        ({"input_ids": IDS + 0.5}, "input_ids: expected whole numbers, got torch.float32"),
        (
            {"input_ids": IDS.repeat(1, 8)},
            "sequences of 32 tokens; this model reads at most 24.*truncation=True, max_length=24",
        ),
        ({"input_ids": IDS + 47}, "input_ids: 53 is outside of this model's 0 to 47"),
        ({"input_ids": IDS, "token_type_ids": IDS}, "token_type_ids: 6 is outside .* 0 to 1"),
        ({"input_ids": IDS, "position_ids": IDS + 20}, "position_ids: 26 is outside"),
        ({"input_ids": IDS, "position_ids": IDS[:, :3]}, r"position_ids: expected the \[2, 4\]"),
        (
            {"input_ids": IDS, "attention_mask": MASK[:, :3]},
            r"attention_mask: expected the \[2, 4\]",
        ),
        ({"input_ids": IDS, "attention_mask": three_d(MASK)}, r"got \[2, 4, 4\]"),
        ({"input_ids": IDS, "attention_mask": MASK * 0}, "sequence 0 of 2 has no real token"),
        ({"input_ids": IDS, "attention_mask": MASK.to("meta")}, "is on meta, but input_ids on cpu"),
        ({"inputs_embeds": torch.zeros(2, 4, 16)}, "does not take inputs_embeds: .*give input_ids"),
        ({"input_ids": IDS, "past_key_values": 1}, "past_key_values: .*keeps no cache"),
        ({"input_ids": IDS, "offset_mapping": IDS}, "offset_mapping: it is for you"),
        ({"input_ids": IDS, "labels": IDS}, "BertModel does not take labels: known are input_ids"),
    ],
)
def test_inputs_that_the_network_cannot_read(write, given, message):
    _, folder = write()
    model = filbert.BertModel.from_pretrained(folder)
    with pytest.raises(FilbertError, match=message):
        model(**given)


def test_labels_that_do_not_fit(write):
    _, folder = write(transformers.BertForMaskedLM)
    model = filbert.BertForMaskedLM.from_pretrained(folder)
    with pytest.raises(FilbertError, match=r"labels: expected the sizes \[2, 4\], got \[2, 3\]"):
        model(IDS, MASK, labels=IDS[:, :3])
    with pytest.raises(FilbertError, match="labels: expected a tensor, got list"):
        model(IDS, MASK, labels=IDS.tolist())
    with pytest.warns(UserWarning, match="1 labels at padding are left out"):
        loose = model(IDS, MASK, labels=IDS).loss
    assert torch.equal(loose, model(IDS, MASK, labels=IDS.where(MASK.bool(), -100)).loss)

    _, folder = write(transformers.BertForSequenceClassification, place="classifier")
    classifier = filbert.BertForSequenceClassification.from_pretrained(folder)
    with pytest.raises(FilbertError, match=r"labels: expected the sizes \[2\], got \[3\]"):
        classifier(IDS, MASK, labels=torch.tensor([0, 1, 1]))
    with pytest.raises(FilbertError, match="labels: 2 is outside of this model's 0 to 1"):
        classifier(IDS, MASK, labels=torch.tensor([-100, 2]))
    with pytest.raises(FilbertError, match="labels: -1 is outside of this model's 0 to 47"):
        model(IDS, MASK, labels=IDS.where(MASK.bool(), -100).where(IDS != 6, -1))

    _, folder = write(transformers.BertForQuestionAnswering, place="span")
    reader = filbert.BertForQuestionAnswering.from_pretrained(folder)
    with pytest.raises(FilbertError, match="end_positions: an answer stands at padding"):
        reader(IDS, MASK, start_positions=torch.tensor([1, 1]), end_positions=torch.tensor([2, 3]))
    assert int(reader(IDS, MASK).start_logits[1].argmin()) == 3, "padding is never an answer"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"torch_dtype": "auto"}, "BertModel.from_pretrained: torch_dtype is not known here"),
        ({"num_labls": 3}, "did you mean 'num_labels'"),
        ({"num_labels": 0}, "num_labels: expected a whole number from 1 on, got 0"),
        ({"num_labels": 2, "id2label": {0: "a"}}, "num_labels 2: id2label has 1 labels"),
        ({"id2label": {0: "a", 2: "b"}}, "id2label: expected ids from 0 on"),
        ({"problem_type": "ranking"}, "problem_type 'ranking'"),
        ({"dtype": "auto"}, "dtype: expected a kind of float, such as 'bfloat16', got 'auto'"),
        ({"dtype": torch.int64}, "dtype: expected a kind of float"),
        ({"hidden_dropout_prob": 2}, "hidden_dropout_prob: expected 0 to less than 1, got 2"),
    ],
)
def test_options_that_do_not_fit(write, options, message):
    _, folder = write()
    with pytest.raises(FilbertError, match=message):
        filbert.BertModel.from_pretrained(folder, **options)


def test_other_families_are_for_open_model(tmp_path, tokenizer_kinds):
    config = transformers.RobertaConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    transformers.RobertaModel(config).save_pretrained(tmp_path / "roberta")
    for kind in (filbert.BertModel, filbert.BertTokenizer):
        with pytest.raises(FilbertError, match=r"model_type 'roberta'.*filbert\.open_model"):
            kind.from_pretrained(tmp_path / "roberta")
    with pytest.raises(FilbertError, match="joins two texts in another way"):
        filbert.BertTokenizer.from_pretrained(tokenizer_kinds["roberta"])
    with pytest.raises(FilbertError, match="nothing"):
        filbert.BertModel.from_pretrained(tmp_path / "nowhere")
    for kind in (filbert.BertModel, filbert.BertTokenizer):
        for nameless in ("", None, 3):
            with pytest.raises(FilbertError, match="expected a folder or the name of a model"):
                kind.from_pretrained(nameless)
    with pytest.raises(FilbertError, match=r"got 'vocab.txt'; BertTokenizer\.from_pretrained"):
        filbert.BertTokenizer("vocab.txt")


def test_parts_with_other_names_are_pointed_at(write):
    _, folder = write(transformers.BertForSequenceClassification)
    model = filbert.BertForSequenceClassification.from_pretrained(folder)
    for theirs, ours in (("bert", "encoder"), ("classifier", "head")):
        assert not hasattr(model, theirs)
        with pytest.raises(AttributeError, match=f"no '{theirs}': .* look at '{ours}'"):
            getattr(model, theirs)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        model.nonsense  # noqa: B018


def filbert_folder(path, task):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b", "中"]
    shape = Shape(depth=2, width=8, attention_heads=2, mlp_width=12, vocab=10, max_positions=16)
    model = build_model(Encoder(shape), task)
    tokenizer = Tokenizer(words)
    return model, save(path, model_tensors(model), shape=shape, task=task, tokenizer=tokenizer)


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        (Pretrain(max_tokens=16), "BertForMaskedLM"),
        (Classify(labels=("x", "y", "三"), max_tokens=16), "BertForSequenceClassification"),
    ],
)
def test_what_filbert_trained_opens_here(tmp_path, task, kind):
    model, _ = filbert_folder(tmp_path / "run" / "step-00000001", task)
    (tmp_path / "run" / "run.json").write_text("{}")
    tokenizer = filbert.BertTokenizer.from_pretrained(tmp_path / "run")
    assert tokenizer.model_max_length == 16
    opened = getattr(filbert, kind).from_pretrained(tmp_path / "run")
    assert opened.state_dict().keys() == model.state_dict().keys()
    logits = opened(**tokenizer(["a 中", "ab"], padding=True, return_tensors="pt")).logits
    assert torch.isfinite(logits).all()
    if kind == "BertForSequenceClassification":
        assert opened.config.id2label == {0: "x", 1: "y", 2: "三"}


def test_a_model_and_its_tokenizer_share_a_folder(tmp_path, write):
    _, folder = write(transformers.BertForMaskedLM)
    model = filbert.BertForMaskedLM.from_pretrained(folder)
    tokenizer = filbert.BertTokenizer.from_pretrained(folder)
    out = tmp_path / "new" / "out"
    tokenizer.save_pretrained(out)
    for _ in range(2):  # the second time over the first
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
    assert sorted(path.name for path in out.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    inputs = tokenizer(["the cat", "a"], padding=True, return_tensors="pt")
    again = filbert.BertForMaskedLM.from_pretrained(out)
    assert torch.equal(again(**inputs).logits, model(**inputs).logits)
    assert str(filbert.open_model(out).fill_mask(["the [MASK]"])[0])
    theirs = transformers.AutoTokenizer.from_pretrained(out)
    assert theirs(["the cat", "a"], padding=True)["input_ids"] == inputs.input_ids.tolist()


def test_a_folder_of_filberts_own_is_not_written_into(tmp_path, write):
    filbert_folder(tmp_path / "whole", Embed(max_tokens=16))
    _, folder = write()
    for part in (filbert.BertModel, filbert.BertTokenizer):
        with pytest.raises(FilbertError, match=r"filbert saved whole \(task\.json\)"):
            part.from_pretrained(folder).save_pretrained(tmp_path / "whole")
    (tmp_path / "file").write_text("")
    with pytest.raises(FilbertError, match="cannot be made"):
        filbert.BertModel.from_pretrained(folder).save_pretrained(tmp_path / "file")


def test_importing_is_light_and_a_tokenizer_needs_no_torch(write):
    _, folder = write()
    script = f"""
import sys
import filbert
assert "filbert.pretrained" not in sys.modules
tokenizer = filbert.BertTokenizer.from_pretrained({str(folder)!r})
assert tokenizer("the cat", return_tensors="np")["input_ids"].shape == (1, 4)
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
