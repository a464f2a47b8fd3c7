"""Options that several verbs share, so that they are spelt alike everywhere."""

import argparse
from typing import Any


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """--quiet."""
    parser.add_argument("--quiet", action="store_true", help="say nothing but the result")


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device."""
    parser.add_argument(
        "--device", default="auto", metavar="NAME", help="auto (a GPU if any), cpu, cuda, cuda:N"
    )


def add_long(parser: argparse.ArgumentParser) -> None:
    """--long and --overlap."""
    parser.add_argument(
        "--long",
        choices=("windows", "truncate", "error"),
        default="windows",
        help="a text longer than the model reads: several windows whose answers are joined (the "
        "default), its beginning alone, or an error",
    )
    parser.add_argument(
        "--overlap", type=int, metavar="N", help="tokens that two neighbouring windows share"
    )


def long_of(options: argparse.Namespace) -> dict[str, Any]:
    """What --long and --overlap say, as a Predictor's methods take it."""
    overlap = {} if options.overlap is None else {"overlap_tokens": options.overlap}
    return {"long": options.long} | overlap


def add_set(parser: argparse.ArgumentParser) -> None:
    """--set, many times."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change one setting of the recipe, e.g. train.peak_lr=3e-4; may be repeated",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="answer in JSON, one object a line")


def add_text_reading(parser: argparse.ArgumentParser) -> None:
    """--split and --text-field."""
    parser.add_argument(
        "--split",
        choices=("file", "blank", "line"),
        default="file",
        help="what a document of a plain text file is: the file, what blank lines part, or a line",
    )
    parser.add_argument(
        "--text-field", default="text", metavar="NAME", help="the field of JSON lines with the text"
    )


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Which column of a table, or field of JSON lines, is what."""
    for name in COLUMNS:
        parser.add_argument(
            f"--{name}-column",
            metavar="NAME",
            help=f"where the {name} of an example stands: a name of the head line, or a number "
            "from 1 on; else it is found",
        )


def columns_of(options: argparse.Namespace) -> dict[str, str]:
    """What `add_columns` was given."""
    said = {name: getattr(options, f"{name}_column") for name in COLUMNS}
    return {name: value for name, value in said.items() if value is not None}


COLUMNS = ("text", "pair", "label")
