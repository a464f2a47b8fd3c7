"""filbert doctor."""

import argparse
import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Iterable

from filbert.cli.output import say

EXTRAS = {
    "train": {"torch": "training and answering", "jaxtyping": "training and answering"},
    "data": {
        "daft": "reading a corpus",
        "pyarrow": "reading a corpus",
        "rensa": "near duplicates",
        "nupunkt": "English sentences",
    },
    "report": {"altair": "pages with charts", "vl_convert": "pages with charts"},
}
DISTRIBUTIONS = {"vl_convert": "vl-convert-python"}
PLAIN = ("numpy", "tokenizers", "safetensors", "msgspec", "rich")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb has no options."""


def run(options: argparse.Namespace) -> int:
    """Say what is here; the exit code is 0 even where an extra is missing: nothing is broken."""
    say(f"filbert {importlib.metadata.version('filbert')}, Python {platform.python_version()}")
    say(platform.platform())
    say(f"cores {os.cpu_count()}; {_versions(PLAIN)}")
    for extra, modules in EXTRAS.items():
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        here = _versions(name for name in modules if name not in missing)
        say(f"[{extra}] {here or 'nothing installed'}")
        for name in missing:
            say(f"  missing {name} ({modules[name]}): pip install 'filbert[{extra}]'")
    if importlib.util.find_spec("torch") is not None:
        from filbert.device import pick_device

        device = pick_device()
        say(f"device {device}; bfloat16 {'fast' if device.bf16 else 'not fast'} there")
    return 0


def _versions(names: Iterable[str]) -> str:
    return ", ".join(
        f"{name} {importlib.metadata.version(DISTRIBUTIONS.get(name, name))}" for name in names
    )
