"""A part → what is found in its sources."""

from collections.abc import Iterator

from filbert.corpus.build.parts import DOCUMENTS, Piece
from filbert.corpus.build.settings import CorpusSettings
from filbert.corpus.libraries import arrow_libraries
from filbert.corpus.tables import to_documents
from filbert.errors import DataError
from filbert.files import Found, Item, kind_of_content, read_found, show_address

_BATCH_DOCUMENTS = 64


def kind_of(piece: Piece) -> str:
    """The kind of a piece's source, looked at if that is not known yet."""
    return piece.kind or kind_of_content(piece.address)


def read_piece(piece: Piece, kind: str, settings: CorpusSettings) -> Iterator[tuple[str, Item]]:
    """What is found, each with the source that is named for it."""
    if kind == DOCUMENTS:
        yield from _documents(piece)
        return
    source = show_address(piece.address)
    for item in _items(piece, kind, settings):
        yield source, item


def _items(piece: Piece, kind: str, settings: CorpusSettings) -> Iterator[Item]:
    if kind == "mediawiki":
        from filbert.corpus.wiki import read_dump

        return read_dump(piece.address, start=piece.start, stop=piece.stop)
    if kind == "warc":
        from filbert.corpus.warc import read_warc

        return read_warc(piece.address)
    return read_found(
        piece.address,
        kind,  # type: ignore[arg-type]
        start=piece.start,
        stop=piece.stop,
        split=settings.split,
        text_field=settings.text_field,
    )


def _documents(piece: Piece) -> Iterator[tuple[str, Item]]:
    """What was given as documents and put aside by spool_documents."""
    pa, _, pq = arrow_libraries()
    try:
        with pq.ParquetFile(piece.address) as file:
            for batch in file.iter_batches(_BATCH_DOCUMENTS):
                for d in to_documents(batch):
                    yield d.source, Found(d.text, d.place, d.label, d.title, d.url, d.language)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{piece.address}: documents put aside are damaged: {error}") from error
