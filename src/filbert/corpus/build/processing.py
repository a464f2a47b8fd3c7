"""A part → its clean documents and their sketches, in files: the same for everyone who does it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from filbert.corpus.build.cleaning import Dropped, clean
from filbert.corpus.build.memory import give_back_memory
from filbert.corpus.build.parts import Part, Piece
from filbert.corpus.build.reading import kind_of, read_piece
from filbert.corpus.build.settings import CorpusSettings
from filbert.corpus.build.tally import Tally
from filbert.corpus.document import Document
from filbert.corpus.duplicates import PartSketches, digest, sketch
from filbert.corpus.libraries import arrow_libraries
from filbert.corpus.tables import GROUP_CHARACTERS, GROUP_DOCUMENTS, schema, to_table
from filbert.disk import atomic_file
from filbert.errors import DataError
from filbert.files import Found, Problem

_SKETCH_WIDTH = 128
_CLEANED_CHARACTERS = 1 << 18
_CLEANED_TEXTS = 1 << 10


@dataclass(frozen=True, slots=True)
class PartFiles:
    """Where the results of a part lie; `done`, written last, says that all of them do."""

    folder: Path
    number: int

    def _of(self, end: str) -> Path:
        return self.folder / f"part-{self.number:05d}.{end}"

    @property
    def documents(self) -> Path:
        """The documents that no rule dropped."""
        return self._of("parquet")

    @property
    def done(self) -> Path:
        """The counts."""
        return self._of("json")

    @property
    def sketches(self) -> PartSketches:
        """What duplicates are found by."""
        return PartSketches(self._of("digests.npy"), self._of("sketches.npy"))

    def tally(self) -> Tally:
        """The counts of a finished part; DataError where they cannot be read."""
        try:
            return Tally.from_json(json.loads(self.done.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{self.done}: expected the counts of a part ({error}); --restart begins anew"
            ) from error


@dataclass(frozen=True, slots=True)
class PartWork:
    """All that is needed to do a part; can be sent to another process."""

    part: Part
    settings: CorpusSettings
    folder: Path
    strict: bool


def process_part(work: PartWork) -> int:
    """Read a part, clean it, write it; returns how many documents were read.

    Memory does not grow with the part: some four million characters are held at a time, and one
    text more.

    Raises DataError for the first text that is lost where the work is strict, FilbertError where
    the disk is full; what it has written by then is removed.
    """
    files = PartFiles(work.folder, work.part.number)
    tally = Tally()
    with ExitStack() as stack:
        writer = stack.enter_context(_Writer(files, work.settings, stack))
        for piece in work.part.pieces:
            _read(piece, work, tally, writer)
        writer.flush()
    with atomic_file(files.done) as draft:
        draft.write_text(json.dumps(tally.to_json(), ensure_ascii=False), encoding="utf-8")
    give_back_memory()
    return tally.read_documents


def _read(piece: Piece, work: PartWork, tally: Tally, writer: "_Writer") -> None:
    kind = kind_of(piece)
    before = tally.read_documents, tally.kept_documents
    cleaning = _Cleaning(work.settings, tally, writer)
    for source, item in read_piece(piece, kind, work.settings):
        if isinstance(item, Problem):
            if work.strict and item.lost:
                raise DataError(strict_message(source, item.place, item.message))
            tally.problem(item, source)
        else:
            cleaning.add(item, source)
    cleaning.flush()
    tally.source(
        kind,
        files=int(piece.start == 0),
        bytes=piece.size,
        read_documents=tally.read_documents - before[0],
        kept_documents=tally.kept_documents - before[1],
    )


class _Cleaning:
    """Gathers raw texts, cleans them together, counts them and hands on what stays."""

    def __init__(self, settings: CorpusSettings, tally: Tally, writer: "_Writer") -> None:
        self._settings, self._tally, self._writer = settings, tally, writer
        self._found: list[Found] = []
        self._sources: list[str] = []
        self._characters = 0

    def add(self, found: Found, source: str) -> None:
        self._found.append(found)
        self._sources.append(source)
        self._characters += len(found.text)
        if self._characters >= _CLEANED_CHARACTERS or len(self._found) >= _CLEANED_TEXTS:
            self.flush()

    def flush(self) -> None:
        found, sources = self._found, self._sources
        results = clean(found, sources, self._settings)
        for item, source, result in zip(found, sources, results, strict=True):
            self._tally.read_documents += 1
            if isinstance(result, Dropped):
                self._tally.drop(result.rule, result.text, source, item.place)
            else:
                self._tally.kept_documents += 1
                self._writer.add(result)
        self._found, self._sources, self._characters = [], [], 0


def strict_message(source: str, place: str, message: str) -> str:
    """What is said of a problem that ends the work."""
    return f"{source}: {place}: {message}" if place else f"{source}: {message}"


class _Writer:
    """Gathers documents into row groups, and their digests and sketches into tables beside."""

    def __init__(self, files: PartFiles, settings: CorpusSettings, stack: ExitStack) -> None:
        self._settings = settings
        self._waiting: list[Document] = []
        self._characters = 0
        _, _, self._pq = arrow_libraries()
        drafts = [
            stack.enter_context(atomic_file(path))
            for path in (files.sketches.digests, files.sketches.sketches, files.documents)
        ]
        self._digests = _Rows(drafts[0], 2, np.uint64)
        self._sketches = _Rows(drafts[1], _SKETCH_WIDTH, np.uint32)
        stack.enter_context(self._digests)
        stack.enter_context(self._sketches)
        self._parquet = self._pq.ParquetWriter(drafts[2], schema(), compression="lz4")

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is None:
            self._parquet.close()
        else:
            with suppress(Exception):  # the end of a file on a full disk; the first error is said
                self._parquet.close()

    def add(self, document: Document) -> None:
        """Take a document."""
        self._waiting.append(document)
        self._characters += len(document.text)
        if self._characters >= GROUP_CHARACTERS or len(self._waiting) >= GROUP_DOCUMENTS:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        if not self._waiting:
            return
        texts = [document.text for document in self._waiting]
        duplicates = self._settings.duplicates
        self._parquet.write_table(to_table(self._waiting))
        self._waiting, self._characters = [], 0
        self._digests.add(digest(texts))
        if duplicates.near:
            self._sketches.add(sketch(texts))


class _Rows:
    """A .npy file that is written row by row: its head is written again when their number is known.

    The sketches of a part of very short texts are larger than the part.
    """

    def __init__(self, path: Path, width: int, kind: type[np.generic]) -> None:
        self._file = path.open("wb")
        self._width, self._kind, self._rows = width, np.dtype(kind), 0

    def __enter__(self) -> "_Rows":
        self._head()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._file.seek(0)
                self._head()
            self._file.close()
        except OSError:
            with suppress(OSError):
                self._file.close()
            if kind is None:
                raise

    def _head(self) -> None:
        # NumPy leaves room in the head for a longer shape.
        np.lib.format.write_array_header_1_0(
            self._file,
            {
                "descr": np.lib.format.dtype_to_descr(self._kind),
                "fortran_order": False,
                "shape": (self._rows, self._width),
            },
        )

    def add(self, rows: npt.NDArray[Any]) -> None:
        self._file.write(np.ascontiguousarray(rows, self._kind).tobytes())
        self._rows += len(rows)


def read_rows(path: Path, rows: list[int]) -> Iterator[Document]:
    """Single documents of a part, for the report."""
    from filbert.corpus.tables import to_documents

    _, _, pq = arrow_libraries()
    with pq.ParquetFile(path) as file:
        start = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            wanted = [row - start for row in rows if start <= row < start + count]
            if wanted:
                yield from to_documents(file.read_row_group(group).take(wanted))
            start += count
