"""filbert finetune."""

import argparse
from pathlib import Path

from filbert.cli.options import add_device, add_quiet, add_set
from filbert.cli.output import progress_for
from filbert.cli.run_report import train_and_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("task", choices=("classify",), metavar="TASK", help="classify")
    parser.add_argument(
        "--train", type=Path, required=True, metavar="FILE", help="examples: .jsonl, .tsv, .csv"
    )
    parser.add_argument("--dev", type=Path, metavar="FILE", help="to score on; else split off")
    parser.add_argument("--start", required=True, metavar="MODEL", help="the model to begin with")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN")
    parser.add_argument("--plan", metavar="RECIPE", help="a .toml file, or one of filbert's own")
    add_set(parser)
    add_device(parser)
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Train, or go on where the run stands."""
    from filbert.train import finetune

    return train_and_report(
        options.out,
        lambda: finetune(
            options.task,
            options.train,
            options.out,
            start=options.start,
            dev=options.dev,
            settings=options.set,
            device=options.device,
            progress=progress_for(options.quiet),
            **({"plan": options.plan} if options.plan else {}),
        ),
        quiet=options.quiet,
    )
