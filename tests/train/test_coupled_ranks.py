"""In-batch negatives over several processes: as one would learn; over gloo, on the CPU."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

import filbert
from filbert.checkpoint import model_tensors, read_tensors, save
from filbert.encoder import Encoder, Shape
from filbert.heads import build_model
from filbert.tasks import Embed
from filbert.tokenizer import Tokenizer
from filbert.train import RunFolder
from filbert.train.launch import launch

TOKENIZER = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh", *"好书北京"])
SHAPE = Shape(2, 16, 2, 32, TOKENIZER.vocab_size, 32, dropout_fraction=0.0)
TEXTS = ["a b c", "好书", "h", "a d", "e e e f", "北京", "c b", "d 好", "g a h"]
EXAMPLES: list[dict[str, Any]] = [
    {"text": text, "pair": TEXTS[number - 1]}
    | ({"negatives": ["f g", "书"]} if number % 4 == 1 else {})
    | ({"label": number / 5} if number % 3 == 2 else {})
    for number, text in enumerate(TEXTS)
]
# Of nine rows, some of two texts and some of four: the last step of an epoch leaves one rank none.
SETTINGS = [
    "train.epochs=2",
    "train.batch_tokens=48",
    "train.micro_tokens=24",
    "train.peak_lr=1e-2",
]
SETTINGS += ["train.evaluations=1", "train.keep_best=false", "train.precision=fp32"]
RUN = """
import json, sys
import filbert
examples, start, out, *settings = sys.argv[1:]
examples = json.loads(examples)
filbert.finetune(
    "embed", examples, out, start=start, dev=examples, settings=settings, device="cpu"
)
"""


def losses(place: Path) -> list[float]:
    return [line["loss"] for line in RunFolder(place).read_log() if "loss" in line]


def weights(place: Path) -> dict[str, np.ndarray]:
    folder = RunFolder(place).newest()
    assert folder is not None
    return read_tensors(folder.path / "model.safetensors")


def test_two_ranks_learn_what_one_learns(tmp_path: Path) -> None:
    task = Embed(max_tokens=16).with_tokenizer(TOKENIZER)
    torch.manual_seed(0)
    tensors = model_tensors(build_model(Encoder(SHAPE), task))
    start = save(tmp_path / "start", tensors, shape=SHAPE, task=task, tokenizer=TOKENIZER).path
    out = tmp_path / "two"
    command = [sys.executable, "-c", RUN, json.dumps(EXAMPLES), str(start), str(out), *SETTINGS]
    assert launch(command, 2) == 0
    filbert.finetune(
        "embed",
        EXAMPLES,
        tmp_path / "one",
        start=start,
        dev=EXAMPLES,
        settings=SETTINGS,
        device="cpu",
    )
    mine, theirs = losses(out), losses(tmp_path / "one")
    assert len(mine) >= 6
    assert np.allclose(mine, theirs, rtol=1e-5, atol=0)
    # They have learnt; else the weights would be equal in any case.
    before = read_tensors(start / "model.safetensors")
    found, expected = weights(out), weights(tmp_path / "one")
    assert max(np.abs(found[name] - before[name]).max() for name in found) > 1e-2
    for name in expected:
        assert np.abs(found[name] - expected[name]).max() <= 1e-5, name
