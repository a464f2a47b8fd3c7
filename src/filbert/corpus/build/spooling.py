"""Documents that Python gives → Parquet files in the work folder, which are cut into parts."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from filbert.corpus.build.parts import DOCUMENTS, Part, Piece
from filbert.corpus.build.settings import CorpusSettings
from filbert.corpus.document import Document
from filbert.corpus.libraries import arrow_libraries
from filbert.corpus.tables import GROUP_CHARACTERS, GROUP_DOCUMENTS, schema, to_table
from filbert.disk import atomic_file
from filbert.progress import Progress


def spool_documents(
    documents: Iterable[Document], folder: Path, settings: CorpusSettings, progress: Progress
) -> list[Part]:
    """Write all documents aside and make parts of them; what stands there already goes.

    How many there will be is not known: the parts grow with what has come.
    """
    _, _, pq = arrow_libraries()
    folder.mkdir(exist_ok=True)
    parts: list[Part] = []
    count = total = 0
    given = _Given(documents)
    with progress.stage("reading documents", unit="documents") as stage:
        while given.group:
            path = folder / f"documents-{len(parts):05d}.parquet"
            with atomic_file(path) as draft:
                writer = pq.ParquetWriter(draft, schema(), compression="lz4")
                try:
                    written, part_bytes = 0, settings.part_bytes_of(total)
                    while given.group and written < part_bytes:
                        writer.write_table(to_table(given.group))
                        written += sum(len(document.text) for document in given.group)
                        count += len(given.group)
                        stage.update(count)
                        given.go_on()
                except BaseException:
                    with suppress(Exception):
                        writer.close()
                    raise
                writer.close()
            total += written
            piece = Piece(path.as_posix(), DOCUMENTS, 0, None, path.stat().st_size)
            parts.append(Part(len(parts), (piece,)))
    if given.error:
        raise given.error
    return parts


class _Given:
    """The documents, a row group at a time; an error of their own source waits in `error`.

    Raised while a file is written, it would be taken for one of the disk.
    """

    def __init__(self, documents: Iterable[Document]) -> None:
        self._groups = _groups(documents)
        self.error: Exception | None = None
        self.group: list[Document] = []
        self.go_on()

    def go_on(self) -> None:
        """Get the next ones: none at the end."""
        try:
            self.group = next(self._groups, [])
        except Exception as error:
            self.group, self.error = [], error


def _groups(documents: Iterable[Document]) -> Iterator[list[Document]]:
    group: list[Document] = []
    characters = 0
    for document in documents:
        group.append(document)
        characters += len(document.text)
        if characters >= GROUP_CHARACTERS or len(group) >= GROUP_DOCUMENTS:
            yield group
            group, characters = [], 0
    if group:
        yield group
