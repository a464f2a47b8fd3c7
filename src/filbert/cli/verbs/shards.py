"""filbert shards."""

import argparse
from pathlib import Path

from filbert.cli.options import add_quiet
from filbert.cli.output import progress_for, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "corpus", type=Path, metavar="CORPUS", help="a folder made by filbert corpus"
    )
    parser.add_argument(
        "--tokenizer", type=Path, required=True, metavar="DIR", help="a tokenizer's, or a model's"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Tokenise and write."""
    from filbert.corpus import open_documents
    from filbert.shards import write_shards
    from filbert.tokenizer import Tokenizer

    contents = write_shards(
        open_documents(options.corpus),
        Tokenizer.load(options.tokenizer),
        options.out,
        progress=progress_for(options.quiet),
    )
    if not options.quiet:
        say(
            f"{options.out}: {contents.tokens:,} tokens of {contents.documents:,} documents in "
            f"{len(contents.shards)} shards ({contents.dtype})"
        )
    return 0
