"""filbert fetch."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from filbert.cli.options import add_quiet
from filbert.cli.output import complain, progress_for, say
from filbert.errors import CheckpointError

if TYPE_CHECKING:
    from filbert.checkpoint import Folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "name",
        metavar="NAME",
        help="as the hub names it: bert-base-uncased, ORG/NAME, NAME@REVISION",
    )
    parser.add_argument(
        "--revision", metavar="R", help="a branch, a tag or a commit (default main)"
    )
    parser.add_argument(
        "--refresh", action="store_true", help="ask the hub anew, even if the cache has the model"
    )
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Print where the model is, how large, under which licence, and what it is."""
    from filbert.checkpoint.hub import fetch

    folder = fetch(
        options.name,
        revision=options.revision,
        refresh=options.refresh,
        progress=progress_for(options.quiet),
    )
    size = sum(file.stat().st_size for file in folder.path.rglob("*") if file.is_file())
    say(str(folder))
    say(f"size: {size / 1e6:,.1f} MB")
    say(f"licence: {_licence(folder.path / 'README.md')}")
    try:
        say(f"model: {_what_it_is(folder)}")
    except CheckpointError as error:
        complain(f"fetched, but this filbert cannot open it: {error}")
        return 1
    return 0


def _what_it_is(folder: "Folder") -> str:
    shape = folder.shape()
    family = str(folder.config().get("model_type", "bert"))
    try:
        task = f"task {folder.task().name}"
    except CheckpointError as error:
        task = f"no task of its own ({error})"
    return (
        f"{family:.40}, depth {shape.depth} × width {shape.width}, vocabulary {shape.vocab:,}, "
        f"{shape.max_positions:,} tokens at most, {task}"
    )


def _licence(card: Path) -> str:
    """What the model's card says at its head (YAML between two lines of ---)."""
    if not card.is_file():
        return "not stated: there is no card"
    head = card.read_bytes()[:20_000].decode("utf-8", "replace").split("---")
    found = re.search(r"^license:\s*(\S.*)$", head[1], re.MULTILINE) if len(head) > 2 else None
    return found[1].strip(" \"'")[:80] if found else f"not stated at the head of {card.name}"
