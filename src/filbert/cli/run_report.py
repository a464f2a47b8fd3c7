"""The page of a run, made when it ends or is stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from filbert.cli.output import complain, say
from filbert.errors import FilbertError
from filbert.progress import show_figures

if TYPE_CHECKING:
    from filbert.checkpoint import Folder


def train_and_report(out: Path, train: "Callable[[], Folder]", *, quiet: bool) -> int:
    """Train, write the run's page and say what came of it; a run that is stopped has its page, too.

    A page that cannot be made (the extra [report] is not there) fails no run.
    """
    from filbert.train.ranks import place

    first = place().first
    try:
        folder = train()
    except KeyboardInterrupt:
        if not first:
            return 130  # one rank says "stopped" for all
        _page(out, quiet)
        raise
    if first:
        say(f"{folder}: {show_figures(folder.scores())}")
        _page(out, quiet)
    return 0


def _page(out: Path, quiet: bool) -> None:
    from filbert.train.page import write_report

    try:
        page = write_report(out)
        if not quiet:
            say(f"a page to look at: {page}")
    except FilbertError as error:
        complain(f"no page of the run: {error}")
