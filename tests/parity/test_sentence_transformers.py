"""Embedding models of sentence-transformers in, ours out: the same vectors, prompts included."""

import json
import shutil

import numpy as np
import pytest
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

from filbert.checkpoint import Folder, convert, load, model_tensors, save
from filbert.engine import open_model
from filbert.tasks import Embed
from filbert.tokenizer import Tokenizer

WORDS = "query passage : a cat sits on the mat what is it ?".split()
TEXTS = ["a cat sits on the mat", "what is it ?", "cat", "the the the mat " * 9, "x"]
PROMPTS = {"query": "query : ", "passage": "passage : "}
CLOSE = 1e-5


@pytest.fixture
def bare(tmp_path):
    """A tiny random BERT with a tokenizer, as transformers writes them."""
    torch.manual_seed(0)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(WORDS)]
    config = transformers.BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=20, max_position_embeddings=32,
    )  # fmt: skip
    path = tmp_path / "bare"
    transformers.BertModel(config).save_pretrained(path)
    Tokenizer(tokens).save(path)
    return path


def peer_of(path):
    return SentenceTransformer(str(path), device="cpu")


def assert_same_vectors(ours, peer, prompts):
    for name in (None, *prompts):
        expected = peer.encode(TEXTS, prompt_name=name)
        found = ours.embed(TEXTS, prompt=name, long="truncate")
        np.testing.assert_allclose(found, expected, rtol=0, atol=CLOSE)


@pytest.mark.parametrize(
    ("pooling", "word", "include", "normalise", "default"),
    [
        ("mean", "mean", False, True, "query"),
        ("mean", "mean", True, False, None),
        ("first", "cls", True, True, "passage"),
        ("max", "max", False, False, None),
    ],
)
def test_in_and_out(bare, tmp_path, pooling, word, include, normalise, default):
    modules = [Transformer(str(bare)), Pooling(16, pooling_mode=word, include_prompt=include)]
    peer = SentenceTransformer(
        modules=[*modules, *([Normalize()] if normalise else [])],
        device="cpu",
        prompts=PROMPTS,
        default_prompt_name=default,
    )
    peer.save(str(tmp_path / "in"))
    folder = Folder(tmp_path / "in")
    task = folder.task()
    assert isinstance(task, Embed)
    assert (task.pooling, task.normalise, task.include_prompt) == (pooling, normalise, include)
    assert (task.default_prompt, task.max_tokens) == (default, 32)
    assert {name: task.prompts[name] for name in PROMPTS} == PROMPTS
    assert_same_vectors(open_model(folder.path), peer, PROMPTS)

    tensors, tokenizer = model_tensors(load(folder)), folder.tokenizer()
    saved = save(tmp_path / "out", tensors, shape=folder.shape(), task=task, tokenizer=tokenizer)
    again = peer_of(saved.path)
    assert (again.prompts, again.default_prompt_name) == (peer.prompts, default)
    assert [type(module) for module in again] == [type(module) for module in peer]
    assert again.max_seq_length == 32
    for name in (None, *PROMPTS):
        expected = peer.encode(TEXTS, prompt_name=name)
        np.testing.assert_allclose(
            again.encode(TEXTS, prompt_name=name), expected, rtol=0, atol=CLOSE
        )
    (saved.path / "task.json").unlink()
    assert Folder(saved.path).task() == task


def test_the_layout_of_old(bare, tmp_path):
    """The model in 0_Transformer, its length beside it, the switches of old."""
    place = tmp_path / "old"
    shutil.copytree(bare, place / "0_Transformer")
    (place / "1_Pooling").mkdir()
    files = {
        "modules.json": [
            {"idx": 0, "name": "0", "path": "0_Transformer",
             "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling",
             "type": "sentence_transformers.models.Pooling"},
        ],
        "1_Pooling/config.json": {
            "word_embedding_dimension": 16, "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": True,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
        "0_Transformer/sentence_bert_config.json": {"max_seq_length": 12, "do_lower_case": False},
        "config_sentence_transformers.json": {"__version__": {"sentence_transformers": "2.0.0"}},
    }  # fmt: skip
    for name, value in files.items():
        (place / name).write_text(json.dumps(value))
    folder = Folder(place)
    assert folder.task() == Embed(max_tokens=12, pooling="max", normalise=False)
    peer = peer_of(place)
    assert_same_vectors(open_model(place), peer, ())
    done = convert(place, tmp_path / "dst").folder
    assert done.task() == folder.task()
    assert_same_vectors(open_model(done.path), peer, ())
    np.testing.assert_array_equal(peer_of(done.path).encode(TEXTS), peer.encode(TEXTS))
