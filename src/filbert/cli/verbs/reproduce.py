"""filbert reproduce."""

import argparse
from pathlib import Path

from filbert.cli.options import add_device, add_quiet
from filbert.cli.output import progress_for, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("original", type=Path, metavar="RUN", help="the run's folder")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN2", help="of the second one")
    parser.add_argument(
        "--data",
        action="append",
        metavar="SHARDS",
        help="where the data lie now, if not where they lay; as often as the run had some",
    )
    parser.add_argument("--start", metavar="MODEL", help="where the start lies now")
    parser.add_argument("--dev", metavar="SHARDS", help="where the dev set lies now")
    add_device(parser)
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Repeat and compare; the exit code is 0 if all is equal bit for bit, else 1."""
    from filbert.train import reproduce

    done = reproduce(
        options.original,
        options.out,
        data=options.data,
        start=options.start,
        dev=options.dev,
        device=options.device,
        progress=progress_for(options.quiet),
    )
    say(str(done))
    return 0 if done.equal else 1
