"""filbert convert."""

import argparse
from pathlib import Path

from filbert.cli.options import add_quiet
from filbert.cli.output import complain, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("src", metavar="SRC", help="a model's folder, or its name on the hub")
    parser.add_argument("dst", type=Path, metavar="DST", help="the new folder; never one there is")
    parser.add_argument(
        "--form",
        choices=("hf", "tf1"),
        default="hf",
        help="hf: config.json and model.safetensors (the default); tf1: Google's TensorFlow 1",
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "float16", "bfloat16"),
        help="the kind of number of all weights; as each is stored if not given",
    )
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Print where the new folder is; what it has not is said on standard error."""
    from filbert.checkpoint import convert

    done = convert(options.src, options.dst, form=options.form, dtype=options.dtype)
    if not options.quiet:
        for line in done.left_out:
            complain(f"left out: {line}")
    say(f"{done.folder}: {done.tensors:,} tensors")
    return 0
