"""filbert compare."""

import argparse
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from filbert.cli.output import say
from filbert.errors import SettingsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="folders of runs, two or more, one kind"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.html",
        help="a page with their curves over each other, by steps, tokens and seconds",
    )


def run(options: argparse.Namespace) -> int:
    """Print how the runs did and what differs; write the page if one is asked for."""
    from filbert.train.compare import compare, write_comparison

    out: Path | None = options.out
    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise SettingsError(f"--out {out}: expected the name of a page, FILE.html")
    compared = compare(options.runs)
    figures, settings = compared.figures(), compared.settings()
    rows = [["", *compared.names], *([name, *values] for name, values in figures)]
    if settings:
        rows += [[], ["settings that differ"], *([name, *values] for name, values in settings)]
    _say_table(rows)
    if out is not None:
        say("")
        say(f"{write_comparison(compared, out)}: the curves over each other")
    return 0


def _say_table(rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns: names to the left, what each run has to the right."""
    widths = [max(_width(row[at]) for row in rows if at < len(row)) for at in range(len(rows[0]))]
    for row in rows:
        cells = []
        for at, (text, width) in enumerate(zip(row, widths, strict=False)):
            room = " " * (width - _width(text))
            cells.append(room + text if at else text + room)
        say("  ".join(cells).rstrip())


def _width(text: str) -> int:
    """Columns of a terminal; Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
