"""The examples of a file that are to be answered, a chunk at a time."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from filbert.errors import DataError
from filbert.tasks import Task
from filbert.tasks.reading import Record, Records, asked_by, open_records

CHUNK_EXAMPLES = 2048
CHUNK_CHARACTERS = 1_000_000

Source = Path | str | BinaryIO
"""A file; or an open one with a text a line, such as sys.stdin.buffer."""


def open_source(task: Task, source: Source, columns: Mapping[str, str] | None) -> Records:
    """The records of a file, as a task reads them to answer them; see `open_records`."""
    asked = asked_by(task.name, getattr(task, "labels", ()))
    return open_records(Path(source) if isinstance(source, str) else source, asked, columns)


def first_of(records: Records) -> tuple[Record, Iterator[Record]]:
    """The first record, and all of them. Raises DataError where there is none."""
    first = next(records.items, None)
    if first is None:
        raise DataError(f"{records.path}: expected at least one text, got none")
    return first, chain([first], records.items)


def cut_chunks(
    records: Iterable[Record], most_examples: int, most_characters: int
) -> Iterator[tuple[list[Record], bool]]:
    """Records in chunks, each with whether it is full: the last may be cut short by the end.

    A chunk ends with its `most_examples`th record, or the one that brings its characters to
    `most_characters`.
    """
    chunk: list[Record] = []
    characters = 0
    for record in records:
        chunk.append(record)
        characters += record.characters
        if len(chunk) >= most_examples or characters >= most_characters:
            yield chunk, True
            chunk, characters = [], 0
    if chunk:
        yield chunk, False
