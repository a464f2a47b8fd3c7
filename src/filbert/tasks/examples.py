"""Files of examples as they come: JSON lines, TSV and CSV, with or without a head line."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from filbert.errors import DataError
from filbert.files import Place
from filbert.files.whole_lines import read_lines

SUFFIXES = (".jsonl", ".tsv", ".csv", ".txt")
TEXT_FIELDS = ("text", "sentence", "text_a", "sentence1", "premise", "question", "review")
PAIR_FIELDS = ("pair", "text_b", "sentence2", "hypothesis")
LABEL_FIELDS = ("label", "labels", "class", "target", "category")

Paths = str | Path | Sequence[str | Path]


def read_examples(
    paths: Paths, say: Callable[[str], None] = lambda text: None
) -> list[dict[str, Any]]:
    """Examples with text, pair and label (where the file has them), and the place of each.

    Fields are found by their usual names; a table of two columns without a head line has its label
    in the column with fewer different values. What was found is said through `say`.
    Raises DataError naming file, line and field.
    """
    examples: list[dict[str, Any]] = []
    listed = [paths] if isinstance(paths, str | Path) else paths
    for path in map(Path, listed):
        suffix = Path(path.name.lower().removesuffix(".gz")).suffix
        if suffix not in SUFFIXES:
            raise DataError(f"{path}: expected {', '.join(SUFFIXES)} or one of them with .gz")
        found = list(_json_lines(path) if suffix == ".jsonl" else _table(path, suffix))
        if not found:
            raise DataError(f"{path}: no example in this file")
        fields = [name for name in ("text", "pair", "label") if name in found[0]]
        say(f"{path}: {len(found):,} examples with {', '.join(fields)}")
        examples += found
    return examples


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    for text, number in read_lines(path):
        if not text.strip():
            continue
        place = Place(path, number)
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{place}: expected a JSON object: {error}") from error
        if not isinstance(record, dict):
            raise DataError(f"{place}: expected a JSON object, got {type(record).__name__}")
        names = {
            part: next((name for name in known if name in record), None)
            for part, known in _PARTS.items()
        }
        if names["text"] is None:
            raise DataError(f"{place}: no field of {', '.join(TEXT_FIELDS)}; got {list(record)}")
        yield _example({part: record[name] for part, name in names.items() if name}, place)


_PARTS = {"text": TEXT_FIELDS, "pair": PAIR_FIELDS, "label": LABEL_FIELDS}


def _table(path: Path, suffix: str) -> Iterator[dict[str, Any]]:
    lines = list(read_lines(path))
    if suffix == ".txt" and not any("\t" in text for text, _ in lines):
        # Prose: a text a line; its commas part nothing.
        for text, number in lines:
            if text.strip():
                yield _example({"text": text}, Place(path, number))
        return
    records = list(_records(path, lines, comma=suffix == ".csv"))
    if not records:
        return
    columns = _columns(path, [cells for cells, _ in records])
    has_head = columns.pop("head")
    width = max(columns.values()) + 1
    for cells, number in records[has_head:]:
        place = Place(path, number)
        if len(cells) < width or (not has_head and len(cells) > width):
            raise DataError(f"{place}: expected {width} columns, got {len(cells)}")
        yield _example({part: cells[column] for part, column in columns.items()}, place)


def _records(
    path: Path, lines: Iterable[tuple[str, int]], comma: bool
) -> Iterator[tuple[list[str], int]]:
    """The cells of each line that has any; quotes have a meaning in CSV only."""
    if not comma:
        for text, number in lines:
            if text.strip():
                yield text.split("\t"), number
        return
    listed = list(lines)
    reader = csv.reader((text + "\n" for text, _ in listed), strict=True)
    begun = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield cells, listed[begun].line  # type: ignore[attr-defined]
            begun = reader.line_num
    except csv.Error as error:
        raise DataError(
            f"{Place(path, max(1, reader.line_num))}: not valid CSV: {error}"
        ) from error


def _columns(path: Path, rows: list[list[str]]) -> dict[str, int]:
    """Which column is what, by the names of the head line, else by what stands in them."""
    head = [cell.strip().lower() for cell in rows[0]]
    named = {
        part: head.index(name)
        for part, known in _PARTS.items()
        if (name := next((name for name in known if name in head), None))
    }
    if "text" in named:
        return named | {"head": 1}
    if named:
        raise DataError(
            f"{Place(path, 1)}: the head line names {', '.join(named)} but no text: expected one "
            f"of {', '.join(TEXT_FIELDS)}; got {head}"
        )
    width = len(rows[0])
    if width == 1:
        return {"text": 0, "head": 0}
    if width == 2:
        kinds = [len({row[column] for row in rows if len(row) > column}) for column in (0, 1)]
        label = 0 if kinds[0] < kinds[1] else 1
        return {"text": 1 - label, "label": label, "head": 0}
    raise DataError(
        f"{Place(path, 1)}: {width} columns and no head line that names one of "
        f"{', '.join(TEXT_FIELDS)}; got {head}"
    )


def _example(values: dict[str, Any], place: Place) -> dict[str, Any]:
    example: dict[str, Any] = {"place": place}
    for part, value in values.items():
        if part in ("text", "pair") and not isinstance(value, str):
            raise DataError(f"{place}: {part}: expected text, got {type(value).__name__}")
        if isinstance(value, list | dict) or value is None:
            raise DataError(f"{place}: {part}: expected one value, got {value!r:.60}")
        example[part] = json.dumps(value) if isinstance(value, int | float) else value
    return example
