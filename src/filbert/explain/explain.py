"""The front of the room: one text, one page."""

from pathlib import Path
from typing import Literal

from filbert.disk import atomic_file
from filbert.engine import Predictor
from filbert.errors import DataError
from filbert.explain.looking import look
from filbert.explain.page import page


def explain_text(
    model: Predictor,
    text: str,
    pair: str | None = None,
    *,
    out: Path | str,
    language: str = "en",
    long: Literal["error", "truncate"] = "error",
    name: str | None = None,
) -> Path:
    """Write one HTML page that shows what the model does with a text; it loads nothing.

    model     from `filbert.open_model`
    pair      a second text, read together with the first
    out       the file; an existing one is replaced
    language  of the page's own words
    long      what happens to a text of more than 128 tokens, or than the model reads: "truncate"
              cuts it, and the page says how many tokens were left out
    name      of the model on the page; None: its folder's

    Returns the path. Raises RequestError for a text that is too long, DataError for one that is not
    valid Unicode, for another language, and where `out` is a folder.
    """
    goal = Path(out)
    if goal.is_dir():
        raise DataError(f"expected the path of a file for the page, got the folder {goal}")
    written = page(look(model, text, pair, name=name, long=long), language)
    with atomic_file(goal) as draft:
        draft.write_text(written, encoding="utf-8", newline="\n")
    return goal
