"""Which column of a table is what: by the names of its head line, else by what stands in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from filbert.errors import DataError, did_you_mean
from filbert.files import Place

TEXT_FIELDS = (
    *("text", "sentence", "text_a", "sentence1", "premise", "question1", "question", "review"),
    *("query", "anchor", "context", "ctx", "sent1", "startphrase"),
)
PAIR_FIELDS = (
    *("pair", "text_b", "sentence2", "hypothesis", "question2", "passage", "positive", "document"),
)
LABEL_FIELDS = (
    "label",
    "labels",
    "class",
    "target",
    "category",
    "score",
    "gold_label",
    "relevance",
)
CHOICE_FIELDS = ("choices", "endings", "options")
NEGATIVE_FIELDS = ("negatives", "negative")

PARTS = {
    "text": TEXT_FIELDS,
    "pair": PAIR_FIELDS,
    "label": LABEL_FIELDS,
    "choices": CHOICE_FIELDS,
    "negatives": NEGATIVE_FIELDS,
}
"""What an example may have, and the names under which files have it."""

QUESTION_PARTS = {
    "text": ("question", "query"),
    "pair": ("context", "passage", "document"),
}
"""The same of a question and the passage with its answer."""

LOOKED_AT = 1000
"""So many rows of a table without a head line say what its columns are."""


@dataclass(frozen=True)
class Asked:
    """What is read of a file whose examples are to be answered: everything but their labels.

    task    the task's name, for messages
    parts   what its examples have, and the names under which files have it
    needed  the parts that each of them must have
    called  what the task calls a part, where that is another word
    labels  values by which a column of labels is known in a table without a head line
    """

    task: str
    parts: Mapping[str, Sequence[str]]
    needed: tuple[str, ...] = ("text",)
    called: Mapping[str, str] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()


def asked_by(task: str, labels: Sequence[str] = ()) -> Asked:
    """What a task, by its name, reads of a file to answer it; labels: see Asked."""
    if task == "span":
        called = {"text": "question", "pair": "context"}
        return Asked(task, QUESTION_PARTS, ("text", "pair"), called)
    parts = {"tag": ("text",), "choose": ("text", "pair", "choices")}.get(task, ("text", "pair"))
    needed = {"choose": ("text", "choices"), "rerank": ("text", "pair")}.get(task, ("text",))
    known = {part: PARTS[part] for part in parts}
    return Asked(task, known, needed, labels=frozenset(labels))


def find_columns(
    path: Path,
    rows: Sequence[Sequence[str]],
    wanted: Mapping[str, str],
    asked: Asked | None = None,
) -> tuple[dict[str, list[int]], int]:
    """(part of an example → its columns, how many lines the head has: 0 or 1).

    wanted  see `read_examples`
    asked   what is read to be answered; None: examples with labels are read

    Raises DataError where the columns cannot be told.
    """
    head = [cell.strip().lower() for cell in rows[0]]
    parts = PARTS if asked is None else {**PARTS, **asked.parts}
    named: dict[str, list[int]] = {}
    for part, known in parts.items():
        if part in ("choices", "negatives"):
            # ending0, ending1, …: as many columns as there are.
            stems = tuple(name.rstrip("s") for name in known)
            found = [at for at, cell in enumerate(head) if cell.rstrip("0123456789_s") in stems]
        else:
            name = next((name for name in known if name in head), None)
            found = [] if name is None else [head.index(name)]
        if found:
            named[part] = found
    if wanted and all(name.isdigit() for name in wanted.values()) and "text" not in named:
        return _numbered(path, rows, wanted), 0
    for part, name in wanted.items():
        if name.lower() not in head:
            raise DataError(
                f"{Place(path, 1)}: no column {name!r:.60}{did_you_mean(name, head)}; got {head}"
            )
        named[part] = [head.index(name.lower())]
    if "text" in named:
        return named, 1
    if named:
        raise DataError(
            f"{Place(path, 1)}: the head line names {', '.join(named)} but no text: expected one "
            f"of {', '.join(parts['text'])}; got {head}"
        )
    return _by_content(path, rows[:LOOKED_AT], head, asked), 0


def _numbered(
    path: Path, rows: Sequence[Sequence[str]], wanted: Mapping[str, str]
) -> dict[str, list[int]]:
    width = len(rows[0])
    found = {part: [int(name) - 1] for part, name in wanted.items()}
    for part, (at,) in found.items():
        if not 0 <= at < width:
            raise DataError(
                f"{Place(path, 1)}: {part}: no column {at + 1}; the line has {width} columns"
            )
    return found


@dataclass(frozen=True)
class _Column:
    """What stands in a column.

    kinds    how many different values, as a part of the rows
    length   mean characters
    numeric  whether all of it are numbers
    """

    at: int
    kinds: float
    length: float
    numeric: bool


def _by_content(
    path: Path, rows: Sequence[Sequence[str]], head: Sequence[str], asked: Asked | None
) -> dict[str, list[int]]:
    width = len(rows[0])
    if width == 1:
        return {"text": [0]}
    values = [[row[at] for row in rows if len(row) > at] for at in range(width)]
    columns = [_column(at, cells) for at, cells in enumerate(values)]
    filled = [column for column in columns if column.length > 0]
    if asked is not None:
        words = [c for c in filled if not c.numeric and not asked.labels.issuperset(values[c.at])]
        found = _to_be_answered(words, paired="pair" in asked.needed)
        if found:
            return found
        raise _cannot_tell(path, head)
    texts = [column for column in filled if not column.numeric and column.kinds > 0.5]
    if width == 2 and len(texts) != 1:
        # Few rows, or labels that are words: what differs less is the label.
        label = 0 if columns[0].kinds < columns[1].kinds else 1
        return {"text": [1 - label], "label": [label]}
    if width == 3 and sum(column.numeric for column in filled) == 1:
        # A table of pairs that come back again and again, or of a few rows.
        texts = [column for column in filled if not column.numeric]
    rest = [column for column in filled if column not in texts]
    if len(rest) > 1:
        rest = [column for column in rest if not _counts(values[column.at])]
    numbers = [column for column in rest if column.numeric and column.kinds * len(rows) > 1.5]
    labels = rest if len(rest) == 1 else numbers
    if not 1 <= len(texts) <= 2 or len(labels) > 1 or (rest and not labels):
        raise _cannot_tell(path, head)
    found = {"text": [texts[0].at]}
    if len(texts) == 2:
        found["pair"] = [texts[1].at]
    if labels:
        found["label"] = [labels[0].at]
    return found


def _to_be_answered(words: Sequence[_Column], *, paired: bool) -> dict[str, list[int]]:
    """Which of the columns of words are texts; empty where that cannot be told.

    Nothing but texts is looked for, so whatever else the table has need not be understood. Where
    pairs are needed, the first text of many may be the same: a query with its passages.
    """
    texts = [column for column in words if column.kinds > 0.5]
    if paired and len(words) == 2:
        texts = list(words)
    elif words and not texts:
        texts = [max(words, key=lambda column: column.kinds)]
    if not 1 <= len(texts) <= 2:
        return {}
    return {part: [text.at] for part, text in zip(("text", "pair"), texts, strict=False)}


def _cannot_tell(path: Path, head: Sequence[str]) -> DataError:
    return DataError(
        f"{Place(path, 1)}: {len(head)} columns and no head line that names one of "
        f"{', '.join(TEXT_FIELDS)}; say which columns are text and label; got {list(head)}"
    )


def _column(at: int, values: Sequence[str]) -> _Column:
    return _Column(
        at,
        len(set(values)) / max(1, len(values)),
        sum(map(len, values)) / max(1, len(values)),
        all(_is_number(value) for value in values),
    )


def _counts(values: Sequence[str]) -> bool:
    """Whether a column numbers the rows: whole numbers, each greater than the one before."""
    try:
        numbers = [int(value) for value in values]
    except ValueError:
        return False
    return all(before < after for before, after in pairwise(numbers))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
