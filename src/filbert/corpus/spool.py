"""Documents on their way into Daft: a temporary folder of Parquet files.

Daft 0.7 takes everything that a Python source yields into memory before it hands on the first row
(measured: 1.3 GB for 1.0 GB of text), but streams Parquet (0.3 GB for the same). So Python sources
are written there first; every frame built on them can then be worked out as often as needed.
"""

import contextlib
import re
import shutil
import tempfile
import weakref
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filbert.corpus.document import Document
from filbert.corpus.libraries import arrow_libraries, daft_library
from filbert.errors import FilbertError
from filbert.progress import Progress, Stage

if TYPE_CHECKING:
    import daft

_BATCH_CHARACTERS = 1 << 22
_BATCH_DOCUMENTS = 1024
_FILE_BATCHES = 32
_SURROGATE = re.compile("[\ud800-\udfff]")


def spool(
    documents: Iterable[Document], folder: Path | None, progress: Progress
) -> "daft.DataFrame":
    """A frame with the columns text, source, line, label and row (the number of the document).

    The files lie in a temporary folder below `folder` (None: where the system keeps such) until
    no frame needs them any more, or the process ends.
    """
    daft = daft_library()
    with _needs_room(folder):
        place = Path(tempfile.mkdtemp(prefix="filbert-corpus-", dir=folder))
    try:
        with progress.stage("read", unit="documents") as stage:
            files = _write(documents, place, stage)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return _source(daft, place, files).read()  # type: ignore[no-any-return]


@contextlib.contextmanager
def _needs_room(folder: Path | None) -> Iterator[None]:
    """What the system says when it cannot write, with the way out."""
    try:
        yield
    except OSError as error:
        raise FilbertError(
            f"{folder or tempfile.gettempdir()}: temporary files could not be written: "
            f"{error.strerror or error}; name another folder by the environment variable TMPDIR"
        ) from error


def _write(documents: Iterable[Document], place: Path, stage: Stage) -> list[Path]:
    pa, _, pq = arrow_libraries()
    schema = _schema(pa)
    files: list[Path] = []
    writer = None
    rows = 0
    try:
        for number, table in enumerate(_tables(documents, pa, schema)):
            with _needs_room(place):
                if number % _FILE_BATCHES == 0:
                    if writer:
                        writer.close()
                    files.append(place / f"{len(files):06d}.parquet")
                    writer = pq.ParquetWriter(files[-1], schema, compression="lz4")
                assert writer is not None
                writer.write_table(table)
            rows += len(table)
            stage.update(rows)
    finally:
        if writer:
            with _needs_room(place):
                writer.close()
    return files


def _tables(documents: Iterable[Document], pa: Any, schema: Any) -> Iterator[Any]:
    rows: list[tuple[str, str, int, str | None, int]] = []
    characters = 0
    for row, document in enumerate(documents):
        label = None if document.label is None else _writable(document.label)
        rows.append(
            (_writable(document.text), _writable(document.source), document.line, label, row)
        )
        characters += len(document.text)
        if len(rows) == _BATCH_DOCUMENTS or characters >= _BATCH_CHARACTERS:
            yield pa.table(list(map(list, zip(*rows, strict=True))), schema=schema)
            rows, characters = [], 0
    if rows:
        yield pa.table(list(map(list, zip(*rows, strict=True))), schema=schema)


def _writable(text: str) -> str:
    """Text that UTF-8 can hold: half a surrogate pair becomes U+FFFD, which cleaning drops."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _schema(pa: Any) -> Any:
    text = pa.large_string()
    return pa.schema(
        [
            ("text", text),
            ("source", text),
            ("line", pa.int64()),
            ("label", text),
            ("row", pa.int64()),
        ]
    )


def _source(daft: Any, place: Path, files: list[Path]) -> Any:
    from daft.io.source import DataSource, DataSourceTask

    class Spool(DataSource):
        """Every frame holds it, and with it the folder."""

        name = "filbert documents"
        schema = daft.Schema.from_pyarrow_schema(_schema(arrow_libraries()[0]))

        async def get_tasks(self, pushdowns: Any) -> AsyncIterator[DataSourceTask]:
            for file in files:
                yield DataSourceTask.parquet(str(file), self.schema, pushdowns=pushdowns)

    source = Spool()
    weakref.finalize(source, shutil.rmtree, place, ignore_errors=True)
    return source
