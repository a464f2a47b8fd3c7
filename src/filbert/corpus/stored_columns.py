"""A corpus on disk in columns: what reads all of it need not make a Document of every text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from filbert.corpus.libraries import arrow_libraries
from filbert.corpus.stored import load_report
from filbert.disk import sha256_of
from filbert.errors import DataError

_BATCH_DOCUMENTS = 512


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group of a corpus's file: its number, its first document's row, how much is in it."""

    file: str
    number: int
    first: int
    documents: int
    text_bytes: int


@dataclass(frozen=True, slots=True)
class Columns:
    """Some documents.

    texts           [documents]
    languages       [documents], None where unknown
    sentence_ends   int32, those of all documents in a row, in characters of their own text
    sentences       int64 [documents], how many of them belong to each
    where           [documents], source and place, for messages
    """

    texts: Sequence[str]
    languages: Sequence[str | None]
    sentence_ends: NDArray[np.int32]
    sentences: NDArray[np.int64]
    where: Sequence[tuple[str, str]]

    def ends(self) -> list[list[int]]:
        """The sentence ends of each document."""
        all_ends = self.sentence_ends.tolist()
        stops = np.cumsum(self.sentences).tolist()
        starts = [0, *stops[:-1]]
        return [all_ends[start:stop] for start, stop in zip(starts, stops, strict=True)]


def row_groups(folder: Path) -> list[RowGroup]:
    """All row groups of a corpus in their order, without reading them.

    Raises DataError, naming the file, for one that cannot be read.
    """
    pa, _, pq = arrow_libraries()
    found = []
    for name, documents in load_report(folder).files.items():
        first = 0
        try:
            metadata = pq.read_metadata(folder / name)
            column = metadata.schema.names.index("text")
            for number in range(metadata.num_row_groups):
                group = metadata.row_group(number)
                size = group.column(column).total_uncompressed_size
                found.append(RowGroup(name, number, first, group.num_rows, size))
                first += group.num_rows
        except (OSError, ValueError, pa.ArrowException) as error:
            raise DataError(
                f"{folder / name}: expected a Parquet file of documents: {error}"
            ) from error
        if first != documents:
            raise DataError(f"{folder / name}: expected {documents} documents, found {first}")
    return found


def read_columns(
    folder: Path, file: str, groups: Sequence[int], *, sha256: str
) -> Iterator[Columns]:
    """The documents of some row groups of one file, some hundreds at a time.

    Raises DataError, naming the file, where it is damaged: its checksum is compared first.
    """
    pa, _, pq = arrow_libraries()
    path = folder / file
    names = ["text", "language", "sentence_ends", "source", "place"]
    try:
        if sha256_of(path) != sha256:
            raise DataError(f"{path}: the file is damaged: its SHA-256 is not that of corpus.json")
        with pq.ParquetFile(path) as opened:
            for batch in opened.iter_batches(
                _BATCH_DOCUMENTS, row_groups=list(groups), columns=names, use_threads=False
            ):
                ends = batch["sentence_ends"]
                lengths = ends.value_lengths().fill_null(0)
                yield Columns(
                    batch["text"].to_pylist(),
                    batch["language"].to_pylist(),
                    ends.flatten().to_numpy(zero_copy_only=False),
                    lengths.to_numpy(zero_copy_only=False).astype(np.int64),
                    _Places(batch),
                )
    except (OSError, KeyError, pa.ArrowException) as error:
        raise DataError(f"{path}: expected a Parquet file of documents: {error}") from error


class _Places(Sequence[tuple[str, str]]):
    """Sources and places, taken out of the batch when a message needs one."""

    def __init__(self, batch: object):
        self._batch = batch

    def __len__(self) -> int:
        return self._batch.num_rows  # type: ignore[attr-defined, no-any-return]

    def __getitem__(self, index: int) -> tuple[str, str]:  # type: ignore[override]
        columns = (self._batch[name] for name in ("source", "place"))  # type: ignore[index]
        source, place = (column[index].as_py() or "" for column in columns)
        return source, place
