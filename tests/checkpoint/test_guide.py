"""The guide for choosing: what it says of each model, counted."""

import pytest
import torch
import transformers

from filbert.checkpoint import Folder
from filbert.checkpoint.guide import read_guide

SIZES = {
    "bert-base-cased": {"vocab_size": 28996},
    "bert-large-uncased": {
        "num_hidden_layers": 24,
        "hidden_size": 1024,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
    "roberta-base": {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1},
    "xlm-roberta-base": {
        "vocab_size": 250002,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
    },
    "google/bert_uncased_L-2_H-128_A-2": (2, 128, 30522),
    "google/bert_uncased_L-4_H-512_A-8": (4, 512, 30522),
    "bert-base-chinese": {"vocab_size": 21128},
    "hfl/chinese-roberta-wwm-ext": {"vocab_size": 21128},
    "hfl/chinese-macbert-base": {"vocab_size": 21128},
    "bert-base-multilingual-cased": {"vocab_size": 119547},
    "sentence-transformers/all-MiniLM-L6-v2": (6, 384, 30522),
    "BAAI/bge-small-en-v1.5": (12, 384, 30522),
    "BAAI/bge-small-zh-v1.5": (4, 512, 21128),
}
"""What the models' config.json say beyond their family's defaults; short: depth, width, vocab."""


@pytest.mark.parametrize("model", read_guide(), ids=lambda model: model.name)
def test_what_the_guide_says_of_a_model_is_so(model, tmp_path):
    """filbert reads its shape, and transformers counts as many parameters in it."""
    sizes = SIZES.get(model.name, {})
    if isinstance(sizes, tuple):
        depth, width, vocab = sizes
        sizes = {"num_hidden_layers": depth, "hidden_size": width, "vocab_size": vocab}
        sizes |= {"num_attention_heads": width // 64, "intermediate_size": 4 * width}
    config = transformers.AutoConfig.for_model(model.family, **sizes)
    with torch.device("meta"):
        theirs = transformers.AutoModel.from_config(config)
    parameters = sum(tensor.numel() for tensor in theirs.parameters())
    assert model.parameters == pytest.approx(parameters / 1e6, abs=0.06)
    assert model.megabytes == pytest.approx(parameters * 4 / 1e6, rel=0.02, abs=1)
    config.architectures = [type(theirs).__name__]
    config.save_pretrained(tmp_path)
    shape = Folder(tmp_path).shape()
    assert shape.max_positions >= model.max_tokens
