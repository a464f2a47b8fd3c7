"""Texts with marked parts: what was to be found in a text beside what was found there."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from filbert.errors import DataError
from filbert.report.escape import inline, markup, named, plain, shorten
from filbert.report.prose import figcaption

Mark = tuple[int, int, str, str]
"""(start, end, label, kind): characters of a text, what they are, and a key of KINDS."""
KINDS = {"right": "✓", "wrong": "✗", "missed": "○", "plain": ""}
"""Each kind's sign, so that nobody needs to see its colour."""
CHARACTERS_SHOWN = 4000
_UNBROKEN = 24  # characters of a label that stay on one line

Line = tuple[str, Sequence[Mark]]


def marked(lines: Mapping[str, Line], title: str, words: Mapping[str, str]) -> str:
    """Texts one below the other, each with its name before it.

    Marks may lie within or across each other. One that crosses another is drawn in pieces, with
    its label behind the last. A long text is cut, and it is said.

    Raises:
        DataError: not a mapping of names to (text, marks), or a mark that does not lie in its text.
    """
    if not isinstance(lines, Mapping):
        raise DataError(f"marked: expected a mapping of name to line, got {type(lines).__name__}")
    rows, notes = [], []
    for name, line in lines.items():
        where = f"marked: {shorten(repr(name), 60)}"
        text, marks = _checked(line, where)
        if len(text) > CHARACTERS_SHOWN:
            shown, count = f"{CHARACTERS_SHOWN:,}", f"{len(text):,}"
            notes.append(words["more_characters"].format(shown=shown, count=count))
        body = _with_marks(text[:CHARACTERS_SHOWN], marks, words)
        nothing = f'<span class="quiet">{words["empty"]}</span>'
        rows.append(
            f'<div><dt>{named(name)}</dt><dd dir="auto">{body if text else nothing}</dd></div>'
        )
    head = f'<p class="marked-title" dir="auto">{markup(shorten(title, 300))}</p>' if title else ""
    return f'<figure class="marked">{head}<dl>{"".join(rows)}</dl>{figcaption(*notes)}</figure>'


def _checked(line: Line, where: str) -> tuple[str, list[Mark]]:
    """A line's text and its marks, those that stand first and reach farthest first."""
    try:
        text, given = line
        marks = [(int(start), int(end), str(label), kind) for start, end, label, kind in given]
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{where}: expected (text, [(start, end, label, kind), …]), "
            f"got {shorten(repr(line), 80)}"
        ) from error
    if not isinstance(text, str):
        raise DataError(f"{where}: expected a text, got {type(text).__name__}")
    for start, end, _, kind in marks:
        if not 0 <= start < end <= len(text):
            raise DataError(
                f"{where}: characters {start} to {end} are not within the text's {len(text)}"
            )
        if kind not in KINDS:
            raise DataError(f"{where}: kind: expected one of {', '.join(KINDS)}, got {kind!r:.40}")
    return text, sorted(marks, key=lambda mark: (mark[0], -mark[1]))


def _with_marks(text: str, marks: Sequence[Mark], words: Mapping[str, str]) -> str:
    marks = [
        (start, min(end, len(text)), label, kind)
        for start, end, label, kind in marks
        if start < len(text)
    ]
    cuts = sorted({0, len(text)}.union(*((mark[0], mark[1]) for mark in marks)))
    waiting = list(reversed(marks))
    opened: list[Mark] = []
    parts = []

    def close_what_ends(at: int) -> None:
        across: list[Mark] = []
        while any(mark[1] <= at for mark in opened):
            mark = opened.pop()
            if mark[1] > at:
                across.append(mark)
            parts.append(f"{_label(mark, words) if mark[1] <= at else ''}</mark>")
        for mark in reversed(across):
            open_one(mark)

    def open_one(mark: Mark) -> None:
        opened.append(mark)
        parts.append(f'<mark class="is-{mark[3]}">')

    for at, until in pairwise(cuts):
        close_what_ends(at)
        while waiting and waiting[-1][0] == at:
            open_one(waiting.pop())
        parts.append(markup(text[at:until]))
    close_what_ends(len(text))
    return "".join(parts)


def _label(mark: Mark, words: Mapping[str, str]) -> str:
    """What stands small behind a marked part."""
    label, kind = mark[2], mark[3]
    said = " ".join(part for part in (shorten(label, 60), KINDS[kind]) if part)
    if not said:
        return ""
    about = f' title="{plain(words[f"mark_{kind}"])}"' if KINDS[kind] else ""
    classes = "what" if len(said) > _UNBROKEN else "what short"
    return f'<span class="{classes}"{about}>{inline(said)}</span>'
