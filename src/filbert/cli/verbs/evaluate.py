"""filbert evaluate."""

import argparse
from pathlib import Path

from filbert.cli.options import add_device, add_json, add_quiet
from filbert.cli.output import progress_for, say, say_json
from filbert.progress import show_figures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FILE",
        help="labelled examples; for a pre-trained model shards, or a file of texts",
    )
    add_device(parser)
    add_json(parser)
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Score each model on the data."""
    from filbert.checkpoint import find_folder
    from filbert.engine import evaluate
    from filbert.shards import ShardReader

    progress = progress_for(options.quiet)
    for name in options.models:
        folder = find_folder(name)
        data = options.data
        if (options.data / "shards.json").is_file():
            reader = ShardReader(options.data, max_tokens=folder.task().max_tokens)
            data = [reader.row(index) for index in range(len(reader.lengths))]
        scores = evaluate(folder, data, device=options.device, say=progress.note).scores
        if options.json:
            say_json({"model": str(name), "scores": scores})
        else:
            say(f"{name}: {show_figures(dict(sorted(scores.items())))}")
    return 0
