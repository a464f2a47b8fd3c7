"""Small models as plain arrays, and folders of them; no torch is needed for any of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from filbert.checkpoint import Folder, save
from filbert.checkpoint.families import BERT, KIND_OF
from filbert.checkpoint.rename import expected_tensors
from filbert.encoder import Shape
from filbert.tasks import Classify, Embed, Pretrain, Task
from filbert.tokenizer import Tokenizer

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b", "中"]
SHAPE = Shape(depth=2, width=8, attention_heads=2, mlp_width=12, vocab=10, max_positions=16)
TASKS: dict[str, Task] = {
    "pretrain": Pretrain(max_tokens=16),
    "classify": Classify(labels=("<i>x</i>", "y", "三"), max_tokens=16),
    "embed": Embed(max_tokens=16, pooling="first", normalise=True),
}

FAMILY_SHAPES = {
    "bert": Shape(2, 8, 2, 12, vocab=10, max_positions=16),
    "distilbert": Shape(
        2, 8, 2, 12, vocab=10, max_positions=16, segments=0, head_activation="relu"
    ),
    "roberta": Shape(2, 8, 2, 12, vocab=10, max_positions=16, segments=1, positions_offset=2),
    "xlm-roberta": Shape(2, 8, 2, 12, vocab=10, max_positions=16, segments=1, positions_offset=4),
    "modernbert": Shape(
        3, 8, 2, 12, vocab=10, max_positions=16, segments=0, norm_epsilon=1e-5, positions="rotary",
        norm_place="before", gated=True, bias=False, window=3, global_every=2, theta=160_000.0,
        head_activation="gelu",
    ),
}  # fmt: skip
"""A small shape of each family."""

Arrays = dict[str, np.ndarray]


def arrays_of(shape: Shape, task: Task, *, seed: int = 0, pooler: bool = True) -> Arrays:
    """Random weights by our names, exactly those of the task's model."""
    random = np.random.default_rng(seed)
    row = BERT.kinds[KIND_OF[task.name]]
    parts = ("encoder", *row.parts, *(["pooler"] if pooler and task.name == "embed" else []))
    return {
        tensor.ours: random.normal(size=tensor.sizes).astype(np.float32)
        for part in parts
        for tensor in expected_tensors(
            part, BERT, shape, len(getattr(task, "labels", ())), prefixed=False
        )
    }


@pytest.fixture
def shape() -> Shape:
    return SHAPE


@pytest.fixture(scope="session")
def family_shapes() -> dict[str, Shape]:
    return FAMILY_SHAPES


@pytest.fixture
def tasks() -> dict[str, Task]:
    return TASKS


@pytest.fixture
def tokenizer() -> Tokenizer:
    return Tokenizer(TOKENS)


@pytest.fixture
def arrays() -> Callable[..., Arrays]:
    return arrays_of


@pytest.fixture
def save_tiny(tmp_path: Path, tokenizer: Tokenizer) -> Callable[..., Folder]:
    """save_tiny("classify") → a Folder; more keywords go to `save`."""

    def make(name: str = "embed", place: str = "model", seed: int = 0, **more: Any) -> Folder:
        task = TASKS[name]
        return save(
            tmp_path / place,
            arrays_of(SHAPE, task, seed=seed),
            **{"shape": SHAPE, "task": task, "tokenizer": tokenizer, **more},
        )

    return make
