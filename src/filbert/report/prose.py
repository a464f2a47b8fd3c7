"""Sections that are words and numbers: paragraphs, code, facts and tables."""

import re
from collections.abc import Iterable, Mapping, Sequence

from filbert.errors import DataError
from filbert.report.escape import folded, inline, markup, plain
from filbert.report.links import Link, anchor
from filbert.report.numbers import Cell, cell, is_number

Entry = Cell | Link
"""What a table's cell may hold."""

ROWS_SHOWN = 500
LONG_FACT = 20
"""Characters from which a fact gets a line of its own instead of a tile."""

_SHORT_WORD = 16  # characters


def paragraphs(text: str) -> str:
    """Running text; blank lines part its paragraphs."""
    parts = [part.strip("\n") for part in re.split(r"\n\s*\n", str(text).replace("\r\n", "\n"))]
    return "".join(f'<p dir="auto">{markup(part)}</p>' for part in parts if part.strip())


def code(text: str) -> str:
    """Commands or code, letter by letter."""
    return f'<pre tabindex="0"><code>{markup(text)}</code></pre>'


def facts(values: Mapping[str, Cell]) -> str:
    """Names and values as a definition list: short values as tiles, long ones on their own line."""
    if not isinstance(values, Mapping):
        raise DataError(f"facts: expected a mapping of name to value, got {type(values).__name__}")
    rows = []
    for name, value in values.items():
        long = not is_number(value) and len(str(value)) > LONG_FACT
        rows.append(
            f'<div class="{"fact long" if long else "fact"}"><dt>{inline(name)}</dt>'
            f"<dd>{cell(value)}</dd></div>"
        )
    return f'<dl class="facts">{"".join(rows)}</dl>'


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Entry]],
    caption: str,
    words: Mapping[str, str],
) -> str:
    """A table; columns of numbers are set to the right; past ROWS_SHOWN rows it says so.

    Raises:
        DataError: a row has not one cell for each column (the row is named).
    """
    heads = list(columns)
    lines: list[list[Entry]] = []
    for index, row in enumerate(rows):
        if isinstance(row, str | bytes) or not isinstance(row, Iterable):
            raise DataError(f"table row {index}: expected a list of cells, got {row!r:.80}")
        line = list(row)
        if len(line) != len(heads):
            raise DataError(f"table row {index}: expected {len(heads)} cells, got {len(line)}")
        lines.append(line)
    numeric = [
        bool(lines) and all(line[at] is None or is_number(line[at]) for line in lines)
        for at in range(len(heads))
    ]
    marks = [
        ' class="number"' if yes else ' class="words"' if _of_short_words(lines, at) else ""
        for at, yes in enumerate(numeric)
    ]
    top = "".join(
        f'<th scope="col"{mark}>{inline(name)}</th>'
        for name, mark in zip(heads, marks, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{mark}>{_table_cell(value, words)}</td>"
            for value, mark in zip(line, marks, strict=True)
        )
        + "</tr>"
        for line in lines[:ROWS_SHOWN]
    )
    if not lines:
        body = f'<tr><td class="quiet" colspan="{max(1, len(heads))}">{words["nothing"]}</td></tr>'
    notes = [inline(caption)] if caption else []
    if len(lines) > ROWS_SHOWN:
        notes.append(words["more_rows"].format(shown=ROWS_SHOWN, count=f"{len(lines):,}"))
    label = plain(caption) if caption else words["table"]
    whole = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    return f"<figure>{scroller(whole, label)}{figcaption(*notes)}</figure>"


def _of_short_words(lines: Sequence[Sequence[Entry]], at: int) -> bool:
    """Whether a column never needs a cut within a word; paths, addresses and code may."""
    entries = [line[at] for line in lines]
    named = [entry.text if isinstance(entry, Link) else entry for entry in entries]
    texts = [text for text in named if isinstance(text, str)]
    return len(texts) == len(lines) and all(
        len(word) <= _SHORT_WORD for text in texts for word in text.split()
    )


def _table_cell(value: Entry, words: Mapping[str, str]) -> str:
    if isinstance(value, Link):
        return anchor(value)
    if isinstance(value, str):
        return folded(value, words["show_all"])
    return cell(value)


def scroller(inner: str, label: str) -> str:
    """A box that scrolls sideways, also by keyboard, so that the page itself never does."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">{inner}</div>'


def figcaption(*notes: str) -> str:
    """The small text under a figure; nothing if there is none. Takes HTML."""
    said = " ".join(note for note in notes if note)
    return f"<figcaption>{said}</figcaption>" if said else ""


def figure_title(title: str) -> str:
    """The name above a figure; nothing if there is none."""
    return f'<p class="figure-title" dir="auto">{markup(title)}</p>' if title else ""
