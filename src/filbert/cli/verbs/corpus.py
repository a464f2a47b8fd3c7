"""filbert corpus."""

import argparse
from pathlib import Path

from filbert.cli.options import add_quiet, add_text_reading
from filbert.cli.output import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "sources",
        nargs="+",
        type=Path,
        metavar="SOURCE",
        help=".txt, .md, .rst, .jsonl, .gz of them, or folders; UTF-8",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    add_text_reading(parser)
    parser.add_argument(
        "--min-characters", type=int, default=None, metavar="N", help="leave out shorter documents"
    )
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Read, clean, drop duplicates, write."""
    from filbert.corpus import clean, deduplicate, read, write

    frame = read(options.sources, split=options.split, text_field=options.text_field)
    few = {} if options.min_characters is None else {"min_characters": options.min_characters}
    report = write(deduplicate(clean(frame, **few)), options.out)
    if not options.quiet:
        say(
            f"{options.out}: {report.documents:,} documents, {report.sentences:,} sentences, "
            f"{report.characters:,} characters; left out: {report.short_documents:,} short, "
            f"{report.duplicate_documents:,} duplicates of {report.read_documents:,}"
        )
    return 0
