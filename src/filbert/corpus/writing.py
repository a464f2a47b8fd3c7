"""A frame of clean documents → a corpus on disk."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filbert.corpus.cleaning import DUPLICATE, SHORT
from filbert.corpus.libraries import arrow_libraries
from filbert.corpus.stored import REPORT_NAME, CorpusReport
from filbert.disk import atomic_folder, sha256_of
from filbert.errors import DataError, SettingsError
from filbert.progress import Progress, quiet

if TYPE_CHECKING:
    import daft

_FILE_CHARACTERS = 1 << 28
_GROUP_CHARACTERS = 1 << 23


def write(
    frame: "daft.DataFrame",
    out_dir: Path,
    *,
    replace: bool = False,
    progress: Progress | None = None,
) -> CorpusReport:
    """Write the documents that stay, in the order in which they were read, and the report.

    The folder comes whole or not at all; the same input gives the same files.

    Args:
        frame: from clean or deduplicate.
        out_dir: the new folder; one that holds anything is an error unless `replace` is given.
        replace: put the new corpus in the place of an old one.
        progress: where to report to.

    Raises SettingsError for a frame that was not cleaned or a folder that is taken, DataError if
    no document stays.
    """
    columns = ["text", "source", "line", "label", "sentence_ends", "dropped"]
    if missing := [name for name in columns if name not in frame.column_names]:
        raise SettingsError(f"write: expected a cleaned frame; it lacks {', '.join(missing)}")
    with atomic_folder(Path(out_dir), replace=replace) as folder:
        writer = _Writer(folder)
        with (progress or quiet()).stage("corpus", unit="documents") as stage, writer:
            for batch in frame.select(*columns).to_arrow_iter():
                writer.add(batch)
                stage.update(writer.counts["read_documents"])
        report = writer.report()
        if not report.documents:
            raise DataError(
                f"no document stays: {report.read_documents} read, {report.short_documents} too "
                f"short, {report.duplicate_documents} duplicates"
            )
        (folder / REPORT_NAME).write_text(report.to_json(), encoding="utf-8")
    return report


class _Writer:
    """Gathers batches into row groups and row groups into files, and counts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts: Counter[str] = Counter()
        self.files: dict[str, int] = {}
        self.waiting: list[Any] = []
        self.waiting_characters = 0
        self.file_characters = 0
        self.parquet: Any = None
        self.pa, self.pc, self.pq = arrow_libraries()
        pa = self.pa
        self.schema = pa.schema(
            [
                ("text", pa.string()),
                ("source", pa.string()),
                ("line", pa.int64()),
                ("label", pa.string()),
                ("sentence_ends", pa.list_(pa.int32())),
            ]
        )

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._flush()
        if self.parquet:
            self.parquet.close()

    def add(self, batch: Any) -> None:
        dropped = batch["dropped"]
        reasons = Counter(dropped.drop_null().to_pylist())
        self.counts["read_documents"] += len(dropped)
        self.counts["short_documents"] += reasons[SHORT]
        self.counts["duplicate_documents"] += reasons[DUPLICATE]
        table = self.pa.Table.from_batches([batch]).filter(dropped.is_null())
        table = table.select(self.schema.names).cast(self.schema)
        characters = self.pc.sum(self.pc.utf8_length(table["text"])).as_py() or 0
        self.counts["documents"] += len(table)
        self.counts["characters"] += characters
        self.counts["sentences"] += (
            self.pc.sum(self.pc.list_value_length(table["sentence_ends"])).as_py() or 0
        )
        if not len(table):
            return
        self.waiting.append(table)
        self.waiting_characters += characters
        if self.waiting_characters >= _GROUP_CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        table = self.pa.concat_tables(self.waiting) if self.waiting else None
        if table:
            if self.parquet is None or self.file_characters >= _FILE_CHARACTERS:
                self._next_file()
            self.parquet.write_table(table)
            self.files[next(reversed(self.files))] += len(table)
            self.file_characters += self.waiting_characters
        self.waiting, self.waiting_characters = [], 0

    def _next_file(self) -> None:
        if self.parquet:
            self.parquet.close()
        name = f"documents-{len(self.files):05d}.parquet"
        self.files[name] = 0
        self.file_characters = 0
        self.parquet = self.pq.ParquetWriter(self.folder / name, self.schema, compression="zstd")

    def report(self) -> CorpusReport:
        names = ["read_documents", "short_documents", "duplicate_documents"]
        names += ["documents", "sentences", "characters"]
        return CorpusReport(
            **{name: self.counts[name] for name in names},
            files=self.files,
            sha256={name: sha256_of(self.folder / name) for name in self.files},
        )
