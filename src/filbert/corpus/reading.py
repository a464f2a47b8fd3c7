"""Sources → a frame of raw documents."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from filbert.corpus.document import Document
from filbert.corpus.spool import spool
from filbert.files import Paths, Split, read_texts, show_path
from filbert.progress import Progress, quiet

if TYPE_CHECKING:
    import daft


def read(
    sources: Paths,
    *,
    split: Split = "file",
    text_field: str = "text",
    scratch: Path | None = None,
    progress: Progress | None = None,
) -> "daft.DataFrame":
    """The texts of files and folders as a frame with the columns text, source, line, label, row.

    What is read, `split`, `text_field` and the errors: filbert.files.read_texts. Everything is read
    once, at once and piece by piece, into temporary files below `scratch`; `row` numbers the
    documents in that order.
    """
    return spool(_documents(sources, split, text_field), scratch, progress or quiet())


def read_documents(
    documents: Iterable[Document],
    *,
    scratch: Path | None = None,
    progress: Progress | None = None,
) -> "daft.DataFrame":
    """Documents made in Python as such a frame; their sentence ends are found anew by clean."""
    return spool(documents, scratch, progress or quiet())


def _documents(sources: Paths, split: Split, text_field: str) -> Iterator[Document]:
    for text in read_texts(sources, split=split, text_field=text_field):
        yield Document(text.text, show_path(text.place.path), text.place.line, text.label)
