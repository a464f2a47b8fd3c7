"""The records of a file, one at a time: the cells of a table's line, the object of a JSON line."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, dropwhile, islice
from pathlib import Path
from typing import Any, NamedTuple

from filbert.errors import DataError
from filbert.files import Place
from filbert.files.whole_lines import Line
from filbert.tasks.reading.columns import LOOKED_AT, PARTS, Asked, find_columns

_LISTS = ("choices", "negatives")
_TEXTS = ("text", "pair", "question", "context")


class Cells(NamedTuple):
    """The cells of a table's line, or of several that quotes hold together, and where it begins."""

    cells: list[str]
    place: Place

    @property
    def blank(self) -> bool:
        """Whether nothing stands in any cell."""
        return not any(cell.strip() for cell in self.cells)


@dataclass(frozen=True)
class Table:
    """A table whose columns are known.

    columns  part of an example → its columns, counted from 0
    head     the names of all columns as they came; None: it has no head line
    width    how many cells its first line has
    records  the lines behind the head, to be read once
    """

    columns: Mapping[str, Sequence[int]]
    head: tuple[str, ...] | None
    width: int
    records: Iterator[Cells]


def read_cells(path: Path, lines: Iterable[Line], *, comma: bool) -> Iterator[Cells]:
    """The cells of each line that has any; quotes have a meaning in CSV only.

    lines  without their ends; of CSV with them, for they may stand in a cell

    Raises DataError naming the line where a record begins that is no CSV.
    """
    if not comma:
        for text, number in lines:
            if text:
                yield Cells(text.split("\t"), Place(path, number))
        return
    reader = csv.reader((text for text, _ in lines), strict=True)
    begun = 0
    try:
        for cells in reader:
            if cells:
                yield Cells(cells, Place(path, begun + 1))
            begun = reader.line_num
    except csv.Error as error:
        hint = "; is a quote left open there?" if reader.line_num > begun + 1 else ""
        raise DataError(f"{Place(path, begun + 1)}: not valid CSV: {error}{hint}") from error


def open_table(
    path: Path, records: Iterator[Cells], wanted: Mapping[str, str], asked: Asked | None = None
) -> Table | None:
    """A table, its columns found from the first LOOKED_AT of its lines; None for an empty one.

    wanted, asked: see `find_columns`, which raises DataError where they cannot be told.
    """
    records = dropwhile(lambda record: record.blank, records)
    looked = list(islice(records, LOOKED_AT))
    if not looked:
        return None
    filled = [record.cells for record in looked if not record.blank]
    columns, has_head = find_columns(path, filled, wanted, asked)
    first = looked[0].cells
    behind = chain(looked[has_head:], records)
    return Table(columns, tuple(first) if has_head else None, len(first), behind)


def example_of_cells(columns: Mapping[str, Sequence[int]], record: Cells) -> dict[str, Any]:
    """What the columns of a record say, as an example."""
    cells = record.cells
    values: dict[str, Any] = {
        part: [cells[at] for at in found] if part in _LISTS else cells[found[0]]
        for part, found in columns.items()
    }
    return make_example(values, record.place)


def fields_of(
    record: Mapping[str, Any],
    place: Place,
    wanted: Mapping[str, str],
    parts: Mapping[str, Sequence[str]] = PARTS,
    needed: Sequence[str] = ("text",),
) -> dict[str, Any]:
    """What a JSON object has of the parts of an example, under the names that `parts` knows.

    wanted: see `read_examples`. Raises DataError where a field is missing.
    """
    names = {
        part: wanted.get(part) or next((name for name in known if name in record), None)
        for part, known in parts.items()
    }
    gone = next((name for name in names.values() if name and name not in record), None)
    if gone is not None:
        raise DataError(f"{place}: no field {gone!r:.60}; got {list(record)}")
    for part in needed:
        if names[part] is None:
            raise DataError(f"{place}: no field of {', '.join(parts[part])}; got {list(record)}")
    return {part: record[name] for part, name in names.items() if name}


def json_objects(path: Path, lines: Iterable[Line]) -> Iterator[tuple[dict[str, Any], Place, str]]:
    """The objects of JSON lines, where each stands, and how it is written.

    Raises DataError naming the line that is none.
    """
    for text, number in lines:
        if not text.strip():
            continue
        place = Place(path, number)
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{place}: expected a JSON object: {error}") from error
        if not isinstance(record, dict):
            raise DataError(f"{place}: expected a JSON object, got {type(record).__name__}")
        yield record, place, text


def make_example(values: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """An example of what was found for each part of it, and its place.

    Raises DataError naming the part that is not what it should be.
    """
    example: dict[str, Any] = {"place": place}
    for part, value in values.items():
        if part in _TEXTS and not isinstance(value, str):
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
