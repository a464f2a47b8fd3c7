"""A corpus on disk: corpus.json and report.html beside files documents-00000.parquet and on.

problems.jsonl is there too where something could not be read.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filbert.corpus.document import Document
from filbert.corpus.libraries import arrow_libraries
from filbert.corpus.tables import COLUMNS, to_documents
from filbert.disk import sha256_of
from filbert.errors import DataError, did_you_mean

FORMAT = 2
REPORT_NAME = "corpus.json"
PAGE_NAME = "report.html"
PROBLEMS_NAME = "problems.jsonl"
_BATCH_DOCUMENTS = 256


@dataclass(frozen=True, slots=True)
class LanguageCounts:
    """What of a corpus is in one language.

    Attributes:
        documents: written.
        sentences: in them.
        characters: in them.
        words: in them; of a large corpus counted in a sample and scaled up, see
            `CorpusReport.words_counted_share`; None where filbert[zh] was missing.
    """

    documents: int
    sentences: int
    characters: int
    words: int | None


@dataclass(frozen=True, slots=True)
class CorpusReport:
    """What was read, what was left out and why, what was written.

    Attributes:
        read_documents: documents that came in.
        dropped: how many each rule left out (filbert.corpus.rules.RULES), by its name.
        exact_duplicates: left out, because the same text had come before.
        near_duplicates: left out, because nearly the same text had come before.
        documents: written.
        sentences: in the written documents.
        characters: in the written documents.
        words: in the written documents.
        words_counted_share: the share of the characters in which words were counted; 1 is all.
        languages: the same by language, the largest first.
        problems: what could not be read, or was only noted, by kind.
        sources: files, bytes and documents by kind of source.
        settings: by which it was made.
        files: the Parquet files in their order, each with its number of documents.
        sha256: the SHA-256 of each of them, hexadecimal.
    """

    read_documents: int
    dropped: dict[str, int]
    exact_duplicates: int
    near_duplicates: int
    documents: int
    sentences: int
    characters: int
    words: int
    words_counted_share: float
    languages: dict[str, LanguageCounts]
    problems: dict[str, int]
    sources: dict[str, dict[str, int]]
    files: dict[str, int]
    sha256: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def dropped_documents(self) -> int:
        """Left out by all rules together."""
        return sum(self.dropped.values())

    @property
    def duplicate_documents(self) -> int:
        """Left out as duplicates of both kinds."""
        return self.exact_duplicates + self.near_duplicates

    def to_json(self) -> str:
        """As it stands in corpus.json."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"


def load_report(folder: Path) -> CorpusReport:
    """The report of a corpus; DataError where the folder holds none that can be read."""
    path = Path(folder) / REPORT_NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if (found := values.pop("format")) != FORMAT:
            raise DataError(
                f"{path}: expected a corpus of format {FORMAT}, got format {found!r}; "
                "make it anew by filbert corpus"
            )
        languages = values["languages"].items()
        values["languages"] = {name: LanguageCounts(**counts) for name, counts in languages}
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


def open_documents(
    folder: Path, *, files: slice | Sequence[str] | None = None
) -> Iterator[Document]:
    """The documents of a corpus in their order, a few hundred at a time in memory.

    Each file is compared with its checksum before its first document is given out.

    Args:
        folder: made by build_corpus.
        files: only those of `load_report(folder).files`: a slice of them, or names; None: all.

    Raises DataError, naming the file, for one that is missing or damaged, or is not of the corpus.
    """
    report = load_report(folder)
    return _documents(Path(folder), report, _chosen(Path(folder), report, files))


def _chosen(folder: Path, report: CorpusReport, files: slice | Sequence[str] | None) -> list[str]:
    names = list(report.files)
    if files is None:
        return names
    if isinstance(files, slice):
        return names[files]
    for name in files:
        if name not in report.files:
            raise DataError(f"{folder}: has no file {name!r}{did_you_mean(name, names)}")
    return list(files)


def _documents(folder: Path, report: CorpusReport, names: list[str]) -> Iterator[Document]:
    for name in names:
        yield from _read(folder / name, report.files[name], report.sha256[name])


def _read(path: Path, documents: int, sha256: str) -> Iterator[Document]:
    pa, _, pq = arrow_libraries()
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
            for batch in file.iter_batches(_BATCH_DOCUMENTS, columns=list(COLUMNS)):
                yield from to_documents(batch)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file") from error
    except (OSError, KeyError, pa.ArrowException) as error:
        raise DataError(f"{path}: expected a Parquet file of documents: {error}") from error
