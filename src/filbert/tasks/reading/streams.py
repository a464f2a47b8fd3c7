"""Files of examples to be answered: one at a time, each with its record as it came."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from filbert.errors import DataError
from filbert.files import Place
from filbert.files.lines import has_mark
from filbert.files.whole_lines import read_lines
from filbert.tasks.reading.columns import Asked
from filbert.tasks.reading.questions import read_questions
from filbert.tasks.reading.records import (
    Table,
    example_of_cells,
    fields_of,
    json_objects,
    make_example,
    open_table,
    read_cells,
)
from filbert.tasks.reading.tables import SUFFIXES, refuse_columns
from filbert.tasks.reading.tags import read_tagged
from filbert.tasks.reading.whole import whole_text

STANDARD_INPUT = Path("standard input")
TEXT = "text"
"""The name of the one column that a file of texts has."""


@dataclass(frozen=True, slots=True)
class Record:
    """An example to be answered, and what it was read from.

    example  what the task reads, and its place; without labels
    cells    of a table or a file of texts: as they came
    fields   of JSON: the object; None for a table
    written  the object as it was written
    """

    example: Mapping[str, Any]
    cells: tuple[str, ...] = ()
    fields: Mapping[str, Any] | None = None
    written: str = ""

    @property
    def characters(self) -> int:
        """How many characters were read for it, about."""
        return len(self.written) + sum(map(len, self.cells))

    @property
    def raw(self) -> bytes:
        """All of it, so that different records give different bytes."""
        if self.fields is not None:
            return self.written.encode("utf-8", "surrogatepass") + b"\n"
        return "".join(f"{len(cell)}:{cell}" for cell in self.cells).encode("utf-8") + b"\n"


@dataclass
class _Position:
    at: int = 0

    def move(self, at: int) -> None:
        self.at = at


@dataclass
class Records:
    """The records of a file, to be read once.

    path    the file, for messages
    items   the records
    head    of a table: the names of its columns; None: it has no head line, or it is no table
    table   whether the records have cells
    marked  whether the file begins with a byte order mark
    found   of a table: part of an example → the columns that it is read from, for people
    total   how much there is to read, if that is known, in `unit`s
    """

    path: Path
    items: Iterator[Record]
    head: tuple[str, ...] | None = None
    table: bool = False
    marked: bool = False
    found: Mapping[str, str] = field(default_factory=dict)
    total: int | None = None
    unit: str = "bytes"
    _position: _Position = field(default_factory=_Position)

    @property
    def at(self) -> int:
        """How much of `total` has been read."""
        return self._position.at


def open_records(
    source: Path | BinaryIO, asked: Asked, columns: Mapping[str, str] | None = None
) -> Records:
    """The records of a file, or of an open one with a text a line, such as standard input.

    .jsonl, .tsv and .csv by the names of their fields or columns, .txt a text a line; each also
    with .gz, and read at bounded memory. What has no text is passed over: blank lines. What else
    the task `asked` for reads (SQuAD's form, tagged words) is read whole.

    columns  see `read_examples`; a label is not looked for

    Raises DataError naming file, line and field, also while the records are read: for a table's
    line with more or fewer cells than its first.
    """
    wanted = {part: name for part, name in (columns or {}).items() if part in asked.parts}
    if not isinstance(source, Path):
        return _texts(STANDARD_INPUT, source, asked)
    suffix = Path(source.name.lower().removesuffix(".gz")).suffix
    if suffix == ".txt":
        return _texts(source, None, asked)
    if suffix == ".jsonl":
        return _objects(source, asked, wanted)
    if suffix in (".tsv", ".csv"):
        return _cells(source, asked, wanted, comma=suffix == ".csv")
    if asked.task not in _WHOLE:
        raise DataError(f"{source}: expected {', '.join(SUFFIXES)} or one of them with .gz")
    refuse_columns(wanted)
    listed = _WHOLE[asked.task](source)
    position = _Position()
    items = _counted(listed, position)
    return Records(source, items, total=len(listed), unit="examples", _position=position)


def _texts(path: Path, file: BinaryIO | None, asked: Asked) -> Records:
    """A text a line; a tab or a comma parts nothing."""
    if asked.needed != ("text",):
        raise DataError(
            f"{path}: a model for {asked.task} reads more than a text: give a file that has it, "
            f".jsonl, .tsv or .csv"
        )
    position = _Position()
    lines = read_lines(path, file=file, at=position.move)
    items = (
        Record({"text": text, "place": Place(path, number)}, (text,))
        for text, number in lines
        if text.strip()
    )
    size = _size(path) if file is None else None
    return Records(path, items, (TEXT,), table=True, total=size, _position=position)


def _objects(path: Path, asked: Asked, wanted: Mapping[str, str]) -> Records:
    position = _Position()

    def items() -> Iterator[Record]:
        lines = read_lines(path, at=position.move)
        for fields, place, written in json_objects(path, lines):
            values = fields_of(fields, place, wanted, asked.parts, asked.needed)
            example = make_example(_called(values, asked), place)
            whole = {part: _whole(value) for part, value in example.items()}
            yield Record(whole, fields=fields, written=written.strip())

    return Records(path, items(), total=_size(path), _position=position)


def _cells(path: Path, asked: Asked, wanted: Mapping[str, str], *, comma: bool) -> Records:
    position = _Position()
    lines = read_lines(path, keep_ends=comma, at=position.move)
    table = open_table(path, read_cells(path, lines, comma=comma), wanted, asked)
    if table is None:
        return Records(path, iter(()), table=True)
    columns = {part: at for part, at in table.columns.items() if part in asked.parts}
    for part in asked.needed:
        if part not in columns:
            line = f"; got {list(table.head)}" if table.head else ""
            raise DataError(
                f"{Place(path, 1)}: a model for {asked.task} needs a column for the "
                f"{asked.called.get(part, part)}, one of {', '.join(asked.parts[part])}{line}"
            )
    columns = _called(columns, asked)
    return Records(
        path,
        _table_records(table, columns),
        table.head,
        table=True,
        marked=has_mark(path),
        found={part: _name(table, at) for part, at in columns.items()},
        total=_size(path),
        _position=position,
    )


def _table_records(table: Table, columns: Mapping[str, Sequence[int]]) -> Iterator[Record]:
    for record in table.records:
        if len(record.cells) != table.width:
            if record.blank:
                continue
            raise DataError(
                f"{record.place}: expected {table.width} columns, got {len(record.cells)}"
            )
        yield Record(example_of_cells(columns, record), tuple(record.cells))


def _name(table: Table, places: Sequence[int]) -> str:
    """Columns for people: by their names in the head line, else by their numbers from 1."""
    names = [repr(table.head[at]) if table.head else str(at + 1) for at in places]
    return f"column{'s' * (len(names) > 1)} {', '.join(names)}"


def _called(values: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    """Parts under the task's own words for them."""
    return {asked.called.get(part, part): value for part, value in values.items()}


def _whole(value: Any) -> Any:
    """Texts without halves of surrogate pairs, which no tokenizer reads; of the same length."""
    if isinstance(value, list):
        return [whole_text(text) for text in value]
    return whole_text(value) if isinstance(value, str) else value


def _size(path: Path) -> int | None:
    """The stored bytes of a file; None where it is not there, which reading it will say."""
    return path.stat().st_size if path.is_file() else None


def _counted(records: Iterable[Record], position: _Position) -> Iterator[Record]:
    for number, record in enumerate(records, 1):
        position.move(number)
        yield record


def _questions(path: Path) -> list[Record]:
    return [
        _record({part: example[part] for part in ("id", "question", "context")}, example["place"])
        for example in read_questions(path)
    ]


def _tagged(path: Path) -> list[Record]:
    """Texts with the words that the file has; its tags are not shown to the network."""
    found = []
    for example in read_tagged(path):
        text, words = example["text"], example["words"]
        fields = {"text": text, "words": [text[start:end] for start, end in words]}
        found.append(_record(fields, example["place"], words=words))
    return found


def _record(fields: Mapping[str, Any], place: Place | str, **other: Any) -> Record:
    example = {**fields, **other, "place": place}
    return Record(example, fields=fields, written=json.dumps(fields, ensure_ascii=False))


_WHOLE = {"span": _questions, "tag": _tagged}
