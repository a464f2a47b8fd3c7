"""Hidden words and pairs beside transformers' BertForPreTraining: loss, gradients, folders."""

import dataclasses

import numpy as np
import pytest
import torch
import transformers

from filbert.batch import Row
from filbert.checkpoint import Folder, load, model_tensors, read_tensors, save
from filbert.checkpoint.families import BERT
from filbert.checkpoint.rename import to_theirs
from filbert.checkpoint.tensors import write_tensors
from filbert.device import pick_device
from filbert.encoder import MODERN_BASE, Encoder, to_tensors
from filbert.engine import open_model
from filbert.errors import CheckpointError, SettingsError
from filbert.heads import build_model
from filbert.tasks import Pretrain
from filbert.tokenizer import Tokenizer

WORDS = [f"w{number}" for number in range(75)]
TOKENIZER = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])
NEXT = Pretrain(max_tokens=24, pairs="next").with_tokenizer(TOKENIZER)
PARTS = [f"head.{part}.{end}" for part in ("pooler", "next_sentence") for end in ("weight", "bias")]


def reference(kind, seed=0):
    """A model of transformers with random weights, norms and biases too."""
    torch.manual_seed(seed)
    model = kind(
        transformers.BertConfig(
            vocab_size=80,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=28,
            max_position_embeddings=24,
            attn_implementation="eager",
        )
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def rows(count=9, seed=0):
    """Rows of sentences of 2 to 4 tokens, each with a partner."""
    random = np.random.default_rng(seed)

    def text(sentences):
        ends = np.cumsum(random.integers(2, 5, sentences)).astype(np.int32)
        return random.integers(5, 80, ends[-1]).astype(np.int32), ends

    found = []
    for number in range(count):
        (own, ends), (partner, partner_ends) = text(4), text(5)
        ids = np.concatenate(([2], own, [3])).astype(np.int32)
        found.append(
            Row(
                ids,
                np.zeros(len(ids), np.uint8),
                origin=(0, number),
                sentence_ends=ends + 1,
                partner=partner,
                partner_ends=partner_ends,
            )
        )
    return found


def padded(packed):
    """A pack as transformers wants it: ids, segments, mask, labels, all [sequences, length]."""
    longest, sequences = int(packed.lengths.max()), len(packed.ends)
    ids, segments, mask = (torch.zeros(sequences, longest, dtype=torch.long) for _ in range(3))
    labels = torch.full((sequences, longest), -100)
    every = np.full(packed.token_ids.size, -100)
    every[packed.targets["positions"]] = packed.targets["labels"]
    for number, (start, end) in enumerate(zip(packed.starts, packed.ends, strict=True)):
        size = end - start
        ids[number, :size] = torch.from_numpy(packed.token_ids[start:end].astype(np.int64))
        segments[number, :size] = torch.from_numpy(packed.segments[start:end].astype(np.int64))
        mask[number, :size] = 1
        labels[number, :size] = torch.from_numpy(every[start:end])
    return {
        "input_ids": ids,
        "token_type_ids": segments,
        "attention_mask": mask,
        "labels": labels,
        "next_sentence_label": torch.from_numpy(packed.targets["pair_labels"].astype(np.int64)),
    }


def same_loss_and_gradients(model, original, packed):
    loss = model.loss(to_tensors(packed, model.encoder.shape))
    assert {name: term.count for name, term in loss.terms.items()} == NEXT.counts(packed)
    mean = loss.mean(NEXT.counts(packed))
    expected = original(**padded(packed)).loss
    assert float(mean.detach()) == pytest.approx(float(expected.detach()), abs=1e-5)
    mean.backward()
    expected.backward()
    gradients = {name: p.grad.numpy() for name, p in model.named_parameters()}
    theirs = {
        name: parameter.grad
        for name, parameter in original.named_parameters()
        if "predictions.decoder" not in name
    }
    ours = to_theirs(gradients, model.encoder.shape, BERT, "pretraining", 0, "gradients")
    assert ours.keys() == theirs.keys()
    for name, gradient in ours.items():
        np.testing.assert_allclose(gradient, theirs[name].numpy(), rtol=0, atol=1e-5, err_msg=name)


def test_the_loss_of_words_and_pairs_and_its_gradients_are_theirs(tmp_path):
    original = reference(transformers.BertForPreTraining)
    original.save_pretrained(tmp_path)
    model = load(tmp_path, task=NEXT)
    assert model.fresh == []
    packed = NEXT.batch(rows(), 3, 0)
    assert set(packed.targets["pair_labels"].tolist()) == {0, 1}
    same_loss_and_gradients(model, original, packed)
    # What is scored is what was learnt from.
    answers = NEXT.decode(model.runner(pick_device("cpu"))(packed), packed)
    scores = NEXT.score(answers, NEXT.references(packed))
    with torch.no_grad():
        theirs = original(**padded(packed))
    right = theirs.seq_relationship_logits.argmax(1).numpy() == packed.targets["pair_labels"]
    assert scores["pairs_accuracy"] == right.mean()
    assert scores["pairs"] == len(right) == 9
    assert scores["loss"] + scores["pairs_loss"] == pytest.approx(float(theirs.loss), abs=1e-5)


def test_a_saved_model_is_a_bert_for_pre_training(tmp_path):
    model = load(_folder(tmp_path / "in", transformers.BertForPreTraining), task=NEXT)
    saved = _saved(tmp_path / "out", model, NEXT)
    again, report = transformers.BertForPreTraining.from_pretrained(
        tmp_path / "out", output_loading_info=True, attn_implementation="eager"
    )
    assert not any(report[f"{what}_keys"] for what in ("missing", "unexpected", "mismatched"))
    assert again.config.architectures == ["BertForPreTraining"]
    same_loss_and_gradients(load(saved).train(False), again.eval(), NEXT.batch(rows(), 5, 2))
    assert saved.task() == NEXT
    assert load(saved).fresh == []
    # The file says itself what it is, should config.json not.
    before = read_tensors(tmp_path / "out/model.safetensors")
    after = model_tensors(load(saved))
    assert len(before) - len(after) == 2 * 2 * 2  # of each of two layers, qkv is three


def _folder(path, kind):
    reference(kind).save_pretrained(path)
    return Folder(path)


def _saved(path, model, task):
    return save(
        path,
        model_tensors(model),
        shape=model.encoder.shape,
        task=task,
        tokenizer=TOKENIZER,
        family=model.family,
    )


def test_its_folder_fills_masks_and_embeds_as_one_without_pairs(tmp_path):
    """The pairs' parts change no other answer."""
    model = load(_folder(tmp_path / "in", transformers.BertForPreTraining), task=NEXT)
    _saved(tmp_path / "pairs", model, NEXT)
    plain = Pretrain(max_tokens=24)
    _saved(tmp_path / "plain", load(tmp_path / "in", task=plain), plain)
    texts = ["w1 w2 [MASK] w4", "w7 [MASK]"]
    one, other = (open_model(tmp_path / name, device="cpu") for name in ("pairs", "plain"))
    assert one.fill_mask(texts) == other.fill_mask(texts)
    np.testing.assert_array_equal(one.embed(texts), other.embed(texts))


@pytest.mark.parametrize("kind", [transformers.BertForMaskedLM, transformers.BertModel])
def test_a_start_without_the_pairs_parts_draws_them_anew_and_says_so(tmp_path, kind):
    model = load(_folder(tmp_path, kind), task=NEXT)
    drawn = PARTS if kind is transformers.BertForMaskedLM else [*PARTS[2:]]
    assert [name for name in model.fresh if name in PARTS] == drawn
    assert all(tensor.device.type == "cpu" for tensor in model.state_dict().values())
    assert float(model.state_dict()["head.next_sentence.weight"].std()) < 0.03


def test_words_alone_go_on_from_a_bert_for_pre_training_as_before(tmp_path):
    task = Pretrain(max_tokens=24).with_tokenizer(TOKENIZER)
    model = load(_folder(tmp_path / "in", transformers.BertForPreTraining), task=task)
    assert model.fresh == []
    assert not set(model.state_dict()) & set(PARTS)
    saved = _saved(tmp_path / "out", model, task)
    assert saved.kind() == "masked"
    assert saved.config()["architectures"] == ["BertForMaskedLM"]
    _, report = transformers.BertForMaskedLM.from_pretrained(
        tmp_path / "out", output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]


def test_a_missing_part_is_named(tmp_path):
    model = load(_folder(tmp_path / "in", transformers.BertForPreTraining), task=NEXT)
    saved = _saved(tmp_path / "out", model, NEXT)
    for name in ("bert.pooler.dense.bias", "cls.seq_relationship.weight"):
        tensors = read_tensors(tmp_path / "out/model.safetensors")
        write_tensors(
            tmp_path / "out/model.safetensors", {k: v for k, v in tensors.items() if k != name}
        )
        with pytest.raises(CheckpointError, match=f"missing: '{name}'"):
            load(saved, verify=False)
        write_tensors(tmp_path / "out/model.safetensors", tensors)


@pytest.mark.parametrize(("segments", "error"), [(1, SettingsError), (2, CheckpointError)])
def test_a_family_without_pairs_has_no_form_for_them(tmp_path, segments, error):
    config = transformers.RobertaConfig(
        vocab_size=80,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=28,
        max_position_embeddings=26,
        type_vocab_size=segments,
        layer_norm_eps=1e-12,
    )
    transformers.RobertaForMaskedLM(config).save_pretrained(tmp_path)
    said = "shape.segments 2 or more" if segments == 1 else "RobertaForPreTraining: it has"
    with pytest.raises(error, match=said):
        load(tmp_path, task=NEXT)


def test_networks_without_segments_make_no_pairs():
    shape = dataclasses.replace(MODERN_BASE, depth=2, width=16, attention_heads=2, vocab=80)
    with pytest.raises(
        SettingsError, match=r"task.pairs 'order' needs a BERT, .* got 0 and 'gelu'"
    ):
        build_model(Encoder(shape), dataclasses.replace(NEXT, pairs="order"))


def test_a_batch_without_any_pair_learns_its_words_alone(tmp_path):
    model = load(_folder(tmp_path, transformers.BertForPreTraining), task=NEXT)
    plain = load(tmp_path, task=Pretrain(max_tokens=24))
    alone = [dataclasses.replace(row, sentence_ends=None, partner=None) for row in rows()]
    packed = NEXT.batch(alone, 1, 0)
    assert NEXT.counts(packed) == {"masked": len(packed.targets["labels"]), "pairs": 0}
    losses = [m.loss(to_tensors(packed, m.encoder.shape)).mean() for m in (model, plain)]
    assert float(losses[0].detach()) == float(losses[1].detach())
    losses[0].backward()
    # Every rank must have a gradient for every weight, pairs or not.
    gradients = {name: p.grad for name, p in model.named_parameters()}
    assert all(gradient is not None for gradient in gradients.values())
    assert not any(gradients[name].any() for name in PARTS)
    scores = NEXT.score(
        NEXT.decode(model.runner(pick_device("cpu"))(packed), packed), NEXT.references(packed)
    )
    assert "pairs" not in scores
