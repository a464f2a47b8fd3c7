"""filbert vocab."""

import argparse
from pathlib import Path

from filbert.cli.options import add_quiet
from filbert.cli.output import progress_for, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "corpus", type=Path, metavar="CORPUS", help="a folder made by filbert corpus"
    )
    parser.add_argument("--size", type=int, required=True, metavar="N", help="tokens, e.g. 30000")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--cased", action="store_true", help="keep upper case and accents")
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Learn WordPiece and save the tokenizer."""
    from filbert.corpus import open_documents
    from filbert.disk import atomic_folder
    from filbert.tokenizer import learn_wordpiece

    tokenizer = learn_wordpiece(
        (document.text for document in open_documents(options.corpus)),
        options.size,
        lowercase=not options.cased,
        progress=progress_for(options.quiet),
    )
    with atomic_folder(options.out) as draft:
        tokenizer.save(draft)
    if not options.quiet:
        say(f"{options.out}: {tokenizer.vocab_size:,} tokens, {tokenizer.digest[:12]}")
    return 0
