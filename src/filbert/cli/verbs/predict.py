"""filbert predict."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filbert.cli.options import (
    add_columns,
    add_device,
    add_json,
    add_long,
    columns_of,
    long_of,
)
from filbert.cli.output import say, say_json
from filbert.errors import DataError

if TYPE_CHECKING:
    from filbert.tasks import Task


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="examples (.jsonl, .tsv, .csv) or a text a line (.txt); none: standard input, a text "
        "a line",
    )
    add_columns(parser)
    add_long(parser)
    add_device(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Answer each text, as the model's task answers."""
    from filbert.engine import open_model

    model = open_model(options.model, device=options.device)
    examples = _examples(options, model.task)
    if not examples:
        raise DataError(f"{options.file or 'standard input'}: expected at least one text, got none")
    answers = model.ask(examples, **long_of(options))
    for example, answer in zip(examples, answers, strict=True):
        # An answer a line, whatever the text holds.
        text = _text_of(example)
        shown = text if isinstance(text, str) else " ".join(text)
        for mark in "\n\t":
            shown = shown.replace(mark, repr(mark)[1:-1])
        if options.json:
            say_json({"text": text} | _in_json(answer))
        elif isinstance(answer, tuple):
            say(f"{' | '.join(map(str, answer))}\t{shown}")
        else:
            say(f"{_in_line(answer)}\t{shown}")
    return 0


def _in_json(answer: Any) -> dict[str, Any]:
    """An answer; a vector is a plain list, with what was left out of its text beside it."""
    if hasattr(answer, "vector"):
        return {"answer": answer.vector.tolist(), "tokens_cut": answer.tokens_cut}
    return {"answer": answer}


def _in_line(answer: Any) -> str:
    return " ".join(f"{n:.6g}" for n in answer.vector) if hasattr(answer, "vector") else str(answer)


def _text_of(example: Mapping[str, Any]) -> str | list[str]:
    """What an answer is to: a text, or several."""
    texts = [example[name] for name in ("question", "context", "text", "pair") if name in example]
    return texts[0] if len(texts) == 1 else texts


def _examples(options: argparse.Namespace, task: "Task") -> list[Any]:
    file: Path | None = options.file
    if file is None:
        if task.name in ("span", "choose", "rerank"):
            raise DataError(f"a model for {task.name} reads more than a text: give a file")
        try:
            raw = sys.stdin.buffer.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise DataError(f"standard input:{line}: expected UTF-8 text") from error
        # Not splitlines: a page break or U+2028 inside a text ends no line of a file either.
        return [{"text": line.removesuffix("\r")} for line in raw.split("\n") if line.strip()]
    from filbert.files import read_texts
    from filbert.tasks import read_examples

    if file.name.removesuffix(".gz").endswith(".txt"):
        return [{"text": text.text} for text in read_texts(file, split="line")]
    if task.name == "tag" and file.name.removesuffix(".gz").endswith((".jsonl", ".tsv", ".csv")):
        # To be tagged, not tagged already: texts, as of any other table.
        return [{"text": e["text"]} for e in read_examples(file, columns=columns_of(options))]
    return list(task.read(file, columns=columns_of(options) or None))
