"""filbert finetune."""

import argparse
from pathlib import Path
from typing import Any

from filbert.cli.options import add_columns, add_device, add_quiet, add_set, columns_of
from filbert.cli.output import progress_for, say
from filbert.cli.run_report import train_and_report

TASKS = {
    "classify": "a label, or several, for a text or a pair",
    "regress": "a number for a text or a pair",
    "tag": "the entities of a text",
    "span": "the part of a passage that answers a question",
    "embed": "vectors, near to each other where texts belong together",
    "rerank": "how well a passage answers a query",
    "choose": "which of several endings fits",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    listed = "; ".join(f"{name}: {what}" for name, what in TASKS.items())
    parser.add_argument("task", choices=TASKS, metavar="TASK", help=listed)
    parser.add_argument(
        "--train",
        type=Path,
        required=True,
        metavar="FILE",
        help="examples: .jsonl, .tsv, .csv; tag: CoNLL's lines, too; span: SQuAD's JSON",
    )
    parser.add_argument("--dev", type=Path, metavar="FILE", help="to score on; else split off")
    parser.add_argument(
        "--test", type=Path, metavar="FILE", help="scored at the end; nothing is chosen by it"
    )
    parser.add_argument("--start", required=True, metavar="MODEL", help="the model to begin with")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN")
    parser.add_argument("--plan", metavar="RECIPE", help="a .toml file, or one of filbert's own")
    parser.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        help="so many runs, 1 to N, in RUN/seed-1 …: mean and spread of their scores; the best on "
        "the dev set is what RUN stands for",
    )
    add_columns(parser)
    add_set(parser)
    add_device(parser)
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Train, or go on where the run stands."""
    from filbert.train import finetune

    said: dict[str, Any] = {
        "start": options.start,
        "dev": options.dev,
        "columns": columns_of(options),
        "settings": options.set,
        "device": options.device,
        "progress": progress_for(options.quiet),
    }
    if options.plan:
        said["plan"] = options.plan
    if options.seeds is not None:
        return _several(options, said)
    done = train_and_report(
        options.out,
        lambda: finetune(options.task, options.train, options.out, **said),
        quiet=options.quiet,
    )
    if options.test is not None and done == 0:
        _say_test(options)
    return done


def _several(options: argparse.Namespace, said: dict[str, Any]) -> int:
    from filbert.train import finetune_seeds

    found = finetune_seeds(
        options.task, options.train, options.out, options.seeds, test=options.test, **said
    )
    for line in found.in_words():
        say(line)
    say(f"{options.out}: {found.best} is the best on the dev set")
    return 0


def _say_test(options: argparse.Namespace) -> None:
    from filbert.checkpoint import find_folder
    from filbert.progress import show_figures
    from filbert.train import score_folder

    folder = find_folder(options.out)
    scores = score_folder(folder, options.test, device=options.device)
    say(f"{options.test}: {show_figures(scores)}")
