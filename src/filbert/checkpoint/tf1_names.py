"""The names of Google's BERT in TensorFlow 1 and Hugging Face's, as one table read both ways.

Left stands Google's name, right Hugging Face's; `{i}` is a block. A kernel is stored as inputs ×
outputs, so it is turned on the way; what is called output_weights is outputs × inputs already.
Source: google-research/bert, modeling.py, run_pretraining.py, run_classifier.py, run_squad.py.
"""

import re

Table = tuple[tuple[str, str], ...]


def _linear(tf1: str, hf: str) -> Table:
    return (f"{tf1}/kernel", f"{hf}.weight"), (f"{tf1}/bias", f"{hf}.bias")


def _norm(tf1: str, hf: str) -> Table:
    return (f"{tf1}/gamma", f"{hf}.weight"), (f"{tf1}/beta", f"{hf}.bias")


def _output(tf1: str, hf: str) -> Table:
    return (f"{tf1}output_weights", f"{hf}.weight"), (f"{tf1}output_bias", f"{hf}.bias")


_TF1 = "bert/encoder/layer_{i}"
_HF = "bert.encoder.layer.{i}"

NAMES: Table = (
    ("bert/embeddings/word_embeddings", "bert.embeddings.word_embeddings.weight"),
    ("bert/embeddings/position_embeddings", "bert.embeddings.position_embeddings.weight"),
    ("bert/embeddings/token_type_embeddings", "bert.embeddings.token_type_embeddings.weight"),
    *_norm("bert/embeddings/LayerNorm", "bert.embeddings.LayerNorm"),
    *_linear(f"{_TF1}/attention/self/query", f"{_HF}.attention.self.query"),
    *_linear(f"{_TF1}/attention/self/key", f"{_HF}.attention.self.key"),
    *_linear(f"{_TF1}/attention/self/value", f"{_HF}.attention.self.value"),
    *_linear(f"{_TF1}/attention/output/dense", f"{_HF}.attention.output.dense"),
    *_norm(f"{_TF1}/attention/output/LayerNorm", f"{_HF}.attention.output.LayerNorm"),
    *_linear(f"{_TF1}/intermediate/dense", f"{_HF}.intermediate.dense"),
    *_linear(f"{_TF1}/output/dense", f"{_HF}.output.dense"),
    *_norm(f"{_TF1}/output/LayerNorm", f"{_HF}.output.LayerNorm"),
    *_linear("bert/pooler/dense", "bert.pooler.dense"),
    *_linear("cls/predictions/transform/dense", "cls.predictions.transform.dense"),
    *_norm("cls/predictions/transform/LayerNorm", "cls.predictions.transform.LayerNorm"),
    ("cls/predictions/output_bias", "cls.predictions.bias"),
    *_output("cls/seq_relationship/", "cls.seq_relationship"),
    *_output("cls/squad/", "qa_outputs"),
    *_output("", "classifier"),
)

TURNED = "/kernel"
"""How the names of those end that are turned."""

TRAINING: frozenset[str] = frozenset({
    "adam_m", "adam_v", "AdamWeightDecayOptimizer", "AdamWeightDecayOptimizer_1",
    "Adam", "Adam_1", "beta1_power", "beta2_power",
    "global_step", "good_steps", "bad_steps", "loss_scale", "current_loss_scale",
})  # fmt: skip
"""Last parts of names that only training needs: optimizers' slots and counters."""

_TF1_BLOCK = re.compile(r"(?<=/layer_)(?:0|[1-9]\d{0,3})(?=/)", re.ASCII)
_HF_BLOCK = re.compile(r"(?<=\.layer\.)(?:0|[1-9]\d{0,3})(?=\.)", re.ASCII)
_TO_HF = dict(NAMES)
_TO_TF1 = {hf: tf1 for tf1, hf in NAMES}


def to_hf(name: str) -> str | None:
    """Hugging Face's name of a variable; None for one that BERT has not."""
    return _translate(name, _TO_HF, _TF1_BLOCK)


def to_tf1(name: str) -> str | None:
    """Google's name of a tensor of Hugging Face's, with "bert." before it or without it."""
    found = _translate(name, _TO_TF1, _HF_BLOCK)
    return found or _translate(f"bert.{name}", _TO_TF1, _HF_BLOCK)


def near_tf1(name: str) -> list[str]:
    """Google's names, of the block that the name speaks of."""
    return [known.replace("{i}", _block(name, _TF1_BLOCK)) for known in _TO_HF]


def near_hf(name: str) -> list[str]:
    """Hugging Face's names, of the block that the name speaks of."""
    return [known.replace("{i}", _block(name, _HF_BLOCK)) for known in _TO_TF1]


def _translate(name: str, table: dict[str, str], block: re.Pattern[str]) -> str | None:
    if "{" in name:
        return None
    found = table.get(block.sub("{i}", name, count=1))
    return None if found is None else found.replace("{i}", _block(name, block))


def _block(name: str, block: re.Pattern[str]) -> str:
    found = block.search(name)
    return found[0] if found else "0"
