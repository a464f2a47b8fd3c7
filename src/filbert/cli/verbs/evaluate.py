"""filbert evaluate."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filbert.cli.options import add_device, add_json, add_quiet
from filbert.cli.output import progress_for, say, say_json
from filbert.errors import SettingsError
from filbert.progress import show_figures

if TYPE_CHECKING:
    from filbert.tasks import Answered, Interval, Scores, Task


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="one: its scores with their intervals; more: also whether each of the others differs "
        "from the first by more than chance explains",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FILE",
        help="labelled examples; for a pre-trained model shards, or a file of texts",
    )
    parser.add_argument(
        "--show",
        type=int,
        default=0,
        metavar="N",
        help="of two models, up to N examples that one of them alone has right",
    )
    add_device(parser)
    add_json(parser)
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Score each model on the data, and hold the others against the first."""
    from filbert.checkpoint import find_folder
    from filbert.engine import evaluate
    from filbert.engine.comparing import check_same_task
    from filbert.tasks.resampling import ROUNDS

    names = [str(name) for name in options.models]
    if options.show < 0 or (options.show and len(names) < 2):
        raise SettingsError(
            f"--show: expected 0 or more, and two models or more; got {options.show} and "
            f"{len(names)}"
        )
    progress = progress_for(options.quiet)
    folders = [find_folder(name) for name in names]
    tasks = [folder.task() for folder in folders]
    check_same_task(tasks, names)
    pretrained = tasks[0].name == "pretrain"
    data = None if pretrained else tasks[0].read(options.data, progress.note)
    answered = []
    for name, folder, task in zip(names, folders, tasks, strict=True):
        given = _texts(options.data, task) if data is None else data
        found = evaluate(folder, given, device=options.device, say=progress.note)
        answered.append(found)
        _say_scores(name, found, as_json=options.json)
    if not pretrained:
        progress.note(f"in brackets: 95 % intervals, examples drawn anew {ROUNDS:,} times")
    if len(names) > 1 and data is not None:
        _say_comparisons(names, answered, as_json=options.json)
        if options.show:
            _say_disagreements(names, answered, data, options)
    return 0


def _texts(path: Path, task: "Task") -> Any:
    """What a pre-trained model is scored on: the rows of shards, or the file as it is."""
    from filbert.shards import ShardReader

    if not (path / "shards.json").is_file():
        return path
    reader = ShardReader(path, max_tokens=task.max_tokens)
    return [reader.row(index) for index in range(len(reader.lengths))]


def _say_scores(name: str, answered: "Answered", *, as_json: bool) -> None:
    from filbert.tasks import bootstrap

    scores, intervals = answered.scores, {}
    if answered.task.name != "pretrain":
        intervals = bootstrap(answered.task, answered.answers, answered.references)
    if as_json:
        more = {"intervals": intervals} if intervals else {}
        say_json({"model": name, "scores": scores, **more})
    else:
        say(f"{name}: {_figures(scores, intervals, answered.task.main_score)}")


def _figures(scores: "Scores", intervals: "Mapping[str, Interval]", main: str) -> str:
    """The main score first, then those with an interval, then the others."""
    order = sorted(scores, key=lambda name: (name != main, name not in intervals, name))
    if not intervals:
        order = sorted(scores)
    shown = [
        f"{name} {intervals[name]}" if name in intervals else show_figures({name: scores[name]})
        for name in order
    ]
    return " · ".join(shown)


def _say_comparisons(
    names: Sequence[str], answered: "Sequence[Answered]", *, as_json: bool
) -> None:
    from filbert.engine.comparing import compare_with_first

    for name, one in zip(names[1:], compare_with_first(answered, names), strict=True):
        if as_json:
            said = {"larger_than_chance": one.larger_than_chance, "comparison": one}
            say_json({"model": name, "against": names[0], **said})
        else:
            for line in one.in_words(names[0], name):
                say(line)


def _say_disagreements(
    names: Sequence[str],
    answered: "Sequence[Answered]",
    data: Sequence[Mapping[str, Any]],
    options: argparse.Namespace,
) -> None:
    from filbert.cli.disagreements import described, in_lines
    from filbert.engine.comparing import disagreements

    first = answered[0]
    for name, other in zip(names[1:], answered[1:], strict=True):
        found = disagreements(first, other)
        pair = (names[0], name)
        if not options.json:
            say(f"{min(options.show, len(found))} of {len(found):,} examples that one has right:")
        for one in found[: options.show]:
            told = described(data[one.number], one, (first, other), pair)
            if options.json:
                say_json(told)
                continue
            for line in in_lines(told):
                say(line)
