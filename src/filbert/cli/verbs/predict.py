"""filbert predict."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from filbert.cli.options import (
    add_columns,
    add_device,
    add_json,
    add_long,
    add_quiet,
    columns_of,
    long_of,
)
from filbert.cli.output import complain, progress_for, say, say_json
from filbert.errors import SettingsError

_STOPPED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="examples (.jsonl, .tsv, .csv) or a text a line (.txt), of any size; none: standard "
        "input, a text a line",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="OUT",
        help="a new file with the examples and their answers: .csv or .tsv (all columns as they "
        "came, the answer's behind them), .jsonl (the whole answer), .gz of these; of questions in "
        "SQuAD's form also .json. What is not finished lies in OUT.part: the same command goes on",
    )
    add_columns(parser)
    add_long(parser)
    add_device(parser)
    add_json(parser)
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Answer each text, as the model's task answers."""
    from filbert.engine import open_model, stream_answers

    if options.out is not None:
        return _to_file(options)
    model = open_model(options.model, device=options.device)
    answers = stream_answers(
        model, _source(options), columns=columns_of(options), **long_of(options)
    )
    for record, answer in answers:
        _say(record.example, answer, in_json=options.json)
    return 0


def _to_file(options: argparse.Namespace) -> int:
    from filbert.engine import open_model, predict_file
    from filbert.engine.drafts import Draft, refuse_existing

    if options.json:
        raise SettingsError("--json is for standard output; the form of a file is its name's")
    refuse_existing(options.out)  # before a model is opened
    model = open_model(options.model, device=options.device)
    progress = progress_for(options.quiet)
    try:
        done = predict_file(
            model,
            _source(options),
            options.out,
            columns=columns_of(options),
            progress=progress,
            **long_of(options),
        )
    except KeyboardInterrupt:
        draft = Draft(options.out).path
        kept = f"what is answered stands in {draft}: the same command goes on from there"
        complain(f"stopped; {kept if draft.exists() else 'nothing was written yet'}")
        return _STOPPED
    said = f"{done.path}: {done.examples:,} examples answered"
    if done.resumed_at:
        said += f", {done.resumed_at:,} of them by an earlier call"
    progress.note(said)
    return 0


def _source(options: argparse.Namespace) -> Path | BinaryIO:
    return sys.stdin.buffer if options.file is None else options.file


def _say(example: Mapping[str, Any], answer: Any, *, in_json: bool) -> None:
    """An answer a line, whatever the text holds."""
    from filbert.engine.answer_forms import plain_answer

    text = _text_of(example)
    shown = text if isinstance(text, str) else " ".join(text)
    for mark in "\n\t":
        shown = shown.replace(mark, repr(mark)[1:-1])
    if in_json:
        say_json({"text": text} | plain_answer(answer))
    elif isinstance(answer, tuple):
        say(f"{' | '.join(map(str, answer))}\t{shown}")
    else:
        say(f"{_in_line(answer)}\t{shown}")


def _in_line(answer: Any) -> str:
    return " ".join(f"{n:.6g}" for n in answer.vector) if hasattr(answer, "vector") else str(answer)


def _text_of(example: Mapping[str, Any]) -> str | list[str]:
    """What an answer is to: a text, or several."""
    texts = [example[name] for name in ("question", "context", "text", "pair") if name in example]
    return texts[0] if len(texts) == 1 else texts
