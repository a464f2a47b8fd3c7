"""A corpus on disk: corpus.json beside numbered files, documents-00000.parquet and on."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from filbert.corpus.document import Document
from filbert.corpus.libraries import arrow_libraries
from filbert.disk import sha256_of
from filbert.errors import DataError

FORMAT = 1
REPORT_NAME = "corpus.json"
_BATCH_DOCUMENTS = 256


@dataclass(frozen=True, slots=True)
class CorpusReport:
    """What was read, what was left out and why, what was written.

    Attributes:
        read_documents: documents that came in.
        short_documents: left out, because they had too few characters.
        duplicate_documents: left out, because the same text had come before.
        documents: written.
        sentences: in the written documents.
        characters: in the written documents.
        files: the Parquet files in their order, each with its number of documents.
        sha256: the SHA-256 of each of them, hexadecimal.
    """

    read_documents: int
    short_documents: int
    duplicate_documents: int
    documents: int
    sentences: int
    characters: int
    files: dict[str, int]
    sha256: dict[str, str]

    def to_json(self) -> str:
        """As it stands in corpus.json."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n"


def load_report(folder: Path) -> CorpusReport:
    """The report of a corpus; DataError where the folder holds none that can be read."""
    path = Path(folder) / REPORT_NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format") != FORMAT:
            raise DataError(f"{path}: expected a corpus of format {FORMAT}")
        report = CorpusReport(**values)
        names = [*report.files, *report.sha256]
    except FileNotFoundError as error:
        raise DataError(f"{folder}: expected a corpus, but there is no {REPORT_NAME}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: expected the report of a corpus: {error}") from error
    if (
        any(Path(name).name != name for name in names)
        or report.files.keys() != report.sha256.keys()
    ):
        raise DataError(f"{path}: expected names of files in this folder, each twice, got {names}")
    return report


def open_documents(folder: Path) -> Iterator[Document]:
    """The documents of a corpus in their order, a few hundred at a time in memory.

    Each file is compared with its checksum before its first document is given out. Raises
    DataError, naming the file, for one that is missing or damaged.
    """
    report = load_report(folder)
    return _documents(Path(folder), report)


def _documents(folder: Path, report: CorpusReport) -> Iterator[Document]:
    for name, expected in report.files.items():
        yield from _read(folder / name, expected, report.sha256[name])


def _read(path: Path, documents: int, sha256: str) -> Iterator[Document]:
    pa, _, pq = arrow_libraries()
    columns = ["text", "source", "line", "label", "sentence_ends"]
    try:
        if sha256_of(path) != sha256:
            raise DataError(
                f"{path}: the file is damaged: its SHA-256 is not that of {REPORT_NAME}"
            )
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows != documents:
                raise DataError(
                    f"{path}: expected {documents} documents, found {file.metadata.num_rows}"
                )
            for batch in file.iter_batches(_BATCH_DOCUMENTS, columns=columns):
                for values in zip(*(batch[name].to_pylist() for name in columns), strict=True):
                    yield Document(*values)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file") from error
    except (OSError, KeyError, pa.ArrowException) as error:
        raise DataError(f"{path}: expected a Parquet file of documents: {error}") from error
