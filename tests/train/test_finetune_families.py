"""Any family can be trained on, and stays what it was."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from filbert.engine import open_model
from filbert.train import finetune

SIZES = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 48}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "distilbert": (
        "modernbert",
        {"dim": 32, "n_layers": 1, "n_heads": 4, "hidden_dim": 48, "max_position_embeddings": 32},
    ),
    "roberta": (
        "roberta",
        SIZES | {"num_hidden_layers": 1, "max_position_embeddings": 34, "type_vocab_size": 1},
    ),
    "xlm-roberta": (
        "xlm-roberta",
        SIZES | {"num_hidden_layers": 1, "max_position_embeddings": 34, "type_vocab_size": 1},
    ),
    "modernbert": (
        "modernbert",
        SIZES | {"num_hidden_layers": 3, "max_position_embeddings": 32, "local_attention": 8},
    ),
}
EXAMPLES = [
    {"text": f"{subject} {ending}", "label": label}
    for subject in ("the quick fox", "今天", "a lazy dog 🙂", "we")
    for ending, label in (("is good and fast", "good"), ("很不好", "不好"))
]
SETTINGS = (
    "train.steps=2", "train.peak_lr=1e-3", "train.batch_tokens=64", "task.max_tokens=32",
)  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_fine_tuned_model_stays_in_its_family(
    name: str, tokenizer_kinds: dict[str, Path], tmp_path: Path
) -> None:
    kind, sizes = MODELS[name]
    words = transformers.AutoTokenizer.from_pretrained(tokenizer_kinds[kind])
    torch.manual_seed(1)
    config = transformers.AutoConfig.for_model(
        name, vocab_size=len(words), pad_token_id=words.pad_token_id, **sizes
    )
    transformers.AutoModelForMaskedLM.from_config(config).save_pretrained(tmp_path / "start")
    words.save_pretrained(tmp_path / "start")

    folder = finetune(
        "classify", EXAMPLES, tmp_path / "run", start=tmp_path / "start", dev=EXAMPLES,
        settings=SETTINGS,
    )  # fmt: skip
    assert json.loads((folder.path / "config.json").read_text())["model_type"] == name
    theirs, report = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder.path, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    reader = transformers.AutoTokenizer.from_pretrained(folder.path)
    texts = [example["text"] for example in EXAMPLES]
    # Found on the dev set, and not in the weights.
    temperature = getattr(folder.task(), "temperature", 1.0)
    for text, answer in zip(texts, open_model(tmp_path / "run").classify(texts), strict=True):
        with torch.no_grad():
            logits = theirs.eval()(**reader(text, return_tensors="pt")).logits[0] / temperature
        label = theirs.config.id2label[int(logits.argmax())]
        assert answer.label == label
        assert answer.probability == pytest.approx(float(logits.softmax(-1).max()), abs=1e-5)
