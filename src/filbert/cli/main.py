"""From the words of a command line to the verb that does the work."""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from types import ModuleType

from filbert.cli.output import complain
from filbert.errors import FilbertError, explain_missing

VERBS = {
    "quickstart": "the whole way once: raw text to a useful BERT, in minutes",
    "corpus": "dumps, crawls, files → clean documents (Parquet) and a report",
    "vocab": "documents → a WordPiece tokenizer",
    "shards": "documents and a tokenizer → token shards",
    "show": "look at shards: documents, or what pre-training would see",
    "pretrain": "shards → a pre-trained model",
    "finetune": "examples and a model → a model that does a task",
    "reproduce": "a run made once more from what its folder says, and compared to the bit",
    "compare": "runs beside each other: scores, settings that differ, curves",
    "evaluate": "scores of models on labelled data",
    "predict": "a model's answers for a file, or for standard input",
    "fill-mask": "the likeliest words for each [MASK] of a text",
    "embed": "texts → vectors (.npy)",
    "explain": "a text → one page that shows all that the network does with it",
    "models": "a short guide for choosing a model, in English or Chinese",
    "fetch": "a model by its name on the hub → a folder, checked and kept",
    "convert": "a model's folder → another form, bit by bit the same",
    "doctor": "versions, device, threads; what is missing and how to get it",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; the exit code: 0 done, 1 an error that was said, 2 wrong use, 130 stopped."""
    _settle_environment()
    try:
        try:
            words = sys.argv[1:] if arguments is None else arguments
            options = _parser(words).parse_args(words)
            code: int = options.run(options)
        finally:
            # What is still in the buffer (of --help, too, which leaves by SystemExit) may meet a
            # reader that has gone: here, not at Python's exit.
            sys.stdout.flush()
    except FilbertError as error:
        complain(str(error))
        return 1
    except ModuleNotFoundError as error:
        said = explain_missing(error)
        if said is error:
            raise
        complain(str(said))
        return 1
    except KeyboardInterrupt:
        complain("stopped")
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone (`filbert … | head`); Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 1
    return code


def _settle_environment() -> None:
    """Settings that libraries read when they are imported, unless the user has set them.

    OMP_WAIT_POLICY: threads that spin while they wait take the very core that they wait for as soon
    as anything else runs on the machine: training became ten times slower (docs/log.md).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows no Chinese gets escapes, not a traceback.
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only the verb that is asked for is imported."""
    from rich_argparse import RichHelpFormatter

    class Formatter(RichHelpFormatter):
        """Texts as they are: "[a-z]" in a help text is no style of rich's."""

        help_markup = text_markup = False

    parser = argparse.ArgumentParser(
        prog="filbert",
        description="BERT in a nutshell: from raw text to a useful model.",
        formatter_class=Formatter,
    )
    parser.add_argument("--version", action="version", version=f"filbert {version('filbert')}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    asked = next((word for word in words if not word.startswith("-")), None)
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=summary, formatter_class=Formatter)
        if name == asked:
            module = _verb(name)
            module.add_arguments(verb)
            verb.set_defaults(run=module.run)
    return parser


def _verb(name: str) -> ModuleType:
    return importlib.import_module(f"filbert.cli.verbs.{name.replace('-', '_')}")
