"""A small world to train in: real text, a tokenizer of its own, shards."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest

from filbert.corpus import Document, standard_library
from filbert.shards import write_shards
from filbert.tokenizer import Tokenizer, learn_wordpiece
from filbert.train import Plan, make_plan


@dataclass(frozen=True)
class World:
    documents: list[Document]
    tokenizer: Tokenizer
    shards: Path


def sentences(text: str) -> list[int]:
    return [place + 1 for place, letter in enumerate(text) if letter == "."] + [len(text)]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A few hundred docstrings."""
    found = islice((d for d in standard_library(["docstrings"]) if len(d.text) > 60), 300)
    documents = [
        Document(d.text, d.source, d.place, d.label, sentence_ends=sorted(set(sentences(d.text))))
        for d in found
    ]
    tokenizer = learn_wordpiece((d.text for d in documents), 1000)
    shards = tmp_path_factory.mktemp("world") / "shards"
    write_shards(documents, tokenizer, shards)
    return World(documents, tokenizer, shards)


@pytest.fixture
def plan() -> Plan:
    """A network so small that steps take milliseconds; dropout on, so that chance matters."""
    return make_plan(
        {
            "name": "tiny",
            "preset": "bert-tiny",
            "shape": {
                "depth": 2,
                "width": 32,
                "attention_heads": 2,
                "mlp_width": 64,
                "max_positions": 64,
                "dropout_fraction": 0.1,
            },
            "task": {"max_tokens": 64},
            "train": {
                "steps": 12,
                "batch_tokens": 512,
                "peak_lr": 3e-3,
                "precision": "fp32",
                "save_every_seconds": 1e9,
            },
        }
    )
