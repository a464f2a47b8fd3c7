"""Files of examples as they come: JSON lines, TSV and CSV, with or without a head line."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filbert.errors import DataError, SettingsError
from filbert.files import Place
from filbert.files.whole_lines import read_lines
from filbert.tasks.reading.columns import PARTS, TEXT_FIELDS, find_columns

SUFFIXES = (".jsonl", ".tsv", ".csv", ".txt")

Paths = str | Path | Sequence[str | Path]
Reader = Callable[
    [Paths, Callable[[str], None], Mapping[str, str] | None], Sequence[Mapping[str, Any]]
]
"""Files, what hears of them, the names of columns → examples."""


def read_examples(
    paths: Paths,
    say: Callable[[str], None] = lambda text: None,
    columns: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Examples with what the file has of text, pair, label, choices and negatives, and their place.

    Fields are found by their usual names. In a table without a head line texts are the columns that
    hardly repeat themselves, and the label is what is left, or of that the one with numbers. What
    was found is said through `say`.

    columns  the file's own names ("review") for these ("text"); of a table without a head line,
             their numbers, counted from 1

    Raises DataError naming file, line and field.
    """
    examples: list[dict[str, Any]] = []
    listed = [paths] if isinstance(paths, str | Path) else paths
    for path in map(Path, listed):
        suffix = Path(path.name.lower().removesuffix(".gz")).suffix
        if suffix not in SUFFIXES:
            raise DataError(f"{path}: expected {', '.join(SUFFIXES)} or one of them with .gz")
        wanted = dict(columns or {})
        if suffix == ".jsonl":
            found = list(_json_lines(path, wanted))
        else:
            found = list(_table(path, suffix, wanted))
        if not found:
            raise DataError(f"{path}: no example in this file")
        fields = [name for name in PARTS if name in found[0]]
        say(f"{path}: {len(found):,} examples with {', '.join(fields)}")
        examples += found
    return examples


def refuse_columns(columns: Mapping[str, str] | None) -> None:
    """For files that are no tables. Raises SettingsError where columns are named all the same."""
    if columns:
        said = ", ".join(f"{part}={name}" for part, name in columns.items())
        raise SettingsError(f"columns are named for tables alone; expected none, got {said}")


def _json_lines(path: Path, wanted: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for record, place in json_records(path):
        names = {
            part: wanted.get(part) or next((name for name in known if name in record), None)
            for part, known in PARTS.items()
        }
        gone = next((name for name in names.values() if name and name not in record), None)
        if gone is not None:
            raise DataError(f"{place}: no field {gone!r:.60}; got {list(record)}")
        if names["text"] is None:
            raise DataError(f"{place}: no field of {', '.join(TEXT_FIELDS)}; got {list(record)}")
        yield _example({part: record[name] for part, name in names.items() if name}, place)


def json_records(path: Path) -> Iterator[tuple[dict[str, Any], Place]]:
    """The objects of a file of JSON lines, and where each stands.

    Raises DataError naming the line that is none.
    """
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
        yield record, place


def _table(path: Path, suffix: str, wanted: Mapping[str, str]) -> Iterator[dict[str, Any]]:
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
    columns, has_head = find_columns(path, [cells for cells, _ in records], wanted)
    places = [at for found in columns.values() for at in found]
    width = max(places) + 1
    full = len(records[0][0])
    for cells, number in records[has_head:]:
        place = Place(path, number)
        if len(cells) < width or (not has_head and len(cells) > full):
            raise DataError(f"{place}: expected {full} columns, got {len(cells)}")
        yield _example(
            {
                part: [cells[at] for at in found] if part in _LISTS else cells[found[0]]
                for part, found in columns.items()
            },
            place,
        )


_LISTS = ("choices", "negatives")


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


def _example(values: dict[str, Any], place: Place) -> dict[str, Any]:
    example: dict[str, Any] = {"place": place}
    for part, value in values.items():
        if part in ("text", "pair") and not isinstance(value, str):
            raise DataError(f"{place}: {part}: expected text, got {type(value).__name__}")
        if part in _LISTS:
            example[part] = _texts(value, part, place)
        elif part == "label" and isinstance(value, list):
            example["labels"] = [str(label) for label in value]
        elif isinstance(value, list | dict) or value is None:
            raise DataError(f"{place}: {part}: expected one value, got {value!r:.60}")
        else:
            example[part] = json.dumps(value) if isinstance(value, int | float) else value
    return example


def _texts(value: Any, part: str, place: Place) -> list[str]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
        raise DataError(f"{place}: {part}: expected a list of texts, got {value!r:.60}")
    return listed
