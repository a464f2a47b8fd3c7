"""Folders that transformers wrote: tiny random models with a small vocabulary."""

import gzip
import json
from pathlib import Path

import pytest
import torch
import transformers

WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat dog ran a b c d e . , ! ? ' ##s ##ing "
    "un ##a ##b ##c ##d ##e ##aff ##able who where in paris lives 猫 在 哪 里 ？ 。 天 地 é É The"
).split()
POSITIONS = 24

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()


def _write_tokenizer(folder: Path, vocab=WORDS, **settings) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in vocab), encoding="utf-8")
    settings = {"do_lower_case": True, "model_max_length": POSITIONS, **settings}
    config = json.dumps({"tokenizer_class": "BertTokenizer", **settings})
    (folder / "tokenizer_config.json").write_text(config, encoding="utf-8")
    return folder


def tiny_config(**changes):
    return transformers.BertConfig(
        **{
            "vocab_size": len(WORDS),
            "hidden_size": 16,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "intermediate_size": 28,
            "max_position_embeddings": POSITIONS,
            "attn_implementation": "eager",
            **changes,
        }
    )


def reference(kind, seed=0, **changes):
    """A model of transformers with random weights, norms and biases too, in eval mode."""
    torch.manual_seed(seed)
    model = kind(tiny_config(**changes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


@pytest.fixture(scope="session")
def write_tokenizer():
    """write_tokenizer(folder, vocab, **settings) → the folder, of a tokenizer alone."""
    return _write_tokenizer


@pytest.fixture
def write(tmp_path):
    """write(kind) → (the model of transformers, its folder with a tokenizer)."""

    def make(kind=transformers.BertModel, place="model", seed=0, **changes):
        model = reference(kind, seed, **changes)
        model.save_pretrained(tmp_path / place)
        _write_tokenizer(tmp_path / place)
        return model, tmp_path / place

    return make


@pytest.fixture(scope="session")
def real_vocab(shared_data):
    """real_vocab("vocab-bert-base-chinese.txt") → its lines."""

    def read(name: str) -> list[str]:
        path = shared_data / "ckpt" / name
        raw = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
        return raw.decode("utf-8").removesuffix("\n").split("\n")

    return read
