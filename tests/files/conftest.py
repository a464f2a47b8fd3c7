"""A web server and object store on this machine: store_on_loopback.py."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A store; no proxy stands between, and nobody waits before trying again."""
    path = Path(__file__).with_name("store_on_loopback.py")
    specification = importlib.util.spec_from_file_location("store_on_loopback", path)
    assert specification is not None
    assert specification.loader is not None
    module = sys.modules["store_on_loopback"] = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("filbert.files.web.PAUSES_SECONDS", (0.0, 0.0, 0.0))
    store = module.StoreOnLoopback()
    yield store
    store.close()
