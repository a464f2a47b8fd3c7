"""Files of examples as they come: JSON lines, TSV and CSV, with or without a head line."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filbert.errors import DataError, SettingsError
from filbert.files import Place
from filbert.files.whole_lines import read_lines
from filbert.tasks.reading.columns import PARTS
from filbert.tasks.reading.records import (
    example_of_cells,
    fields_of,
    json_objects,
    make_example,
    open_table,
    read_cells,
)

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
        yield make_example(fields_of(record, place, wanted), place)


def json_records(path: Path) -> Iterator[tuple[dict[str, Any], Place]]:
    """The objects of a file of JSON lines, and where each stands.

    Raises DataError naming the line that is none.
    """
    for record, place, _ in json_objects(path, read_lines(path)):
        yield record, place


def _table(path: Path, suffix: str, wanted: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    comma = suffix == ".csv"
    lines = read_lines(path, keep_ends=comma)
    if suffix == ".txt":
        listed = list(lines)
        if not any("\t" in text for text, _ in listed):
            # Prose: a text a line; its commas part nothing.
            for text, number in listed:
                if text.strip():
                    yield make_example({"text": text}, Place(path, number))
            return
        lines = iter(listed)
    records = (record for record in read_cells(path, lines, comma=comma) if not record.blank)
    table = open_table(path, records, wanted)
    if table is None:
        return
    needed = max(at for found in table.columns.values() for at in found) + 1
    for record in table.records:
        found = len(record.cells)
        if found < needed or (table.head is None and found > table.width):
            raise DataError(f"{record.place}: expected {table.width} columns, got {found}")
        yield example_of_cells(table.columns, record)
