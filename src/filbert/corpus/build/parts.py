"""Sources → parts: pieces of work whose results depend on themselves alone."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from filbert.corpus.build.settings import CorpusSettings
from filbert.corpus.stored import PAGE_NAME, PROBLEMS_NAME, REPORT_NAME
from filbert.errors import DataError
from filbert.files import (
    Kind,
    Source,
    kind_of_content,
    open_plain,
    parquet_row_groups,
    show_address,
)

MOST_PIECES = 500
_DOCUMENTS = re.compile(r"(.*/|)documents-\d{5,}\.parquet", re.DOTALL)
DOCUMENTS = "documents"
"""The kind of what Python gave as documents: Parquet files of ours."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A source, or a range of it.

    Attributes:
        address: of the source.
        kind: what it is; None: to be looked at when it is read.
        start: where the range begins: plain bytes, row groups or bytes of a multistream dump.
        stop: where it ends; None: at the end of the source.
        size: about how many stored bytes are read for it.
    """

    address: str
    kind: "Kind | str | None"
    start: int
    stop: int | None
    size: int


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of work; its number is its place among all."""

    number: int
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        """Stored bytes, about."""
        return sum(piece.size for piece in self.pieces)


def without_indexes(sources: Sequence[Source]) -> list[Source]:
    """The sources without the indexes of multistream dumps that are among them."""
    from filbert.corpus.wiki import index_names

    indexes = {name for source in sources for name in index_names(source.address)}
    return [source for source in sources if source.address not in indexes]


def without_reports(
    sources: Sequence[Source], note: Callable[[str], None] = lambda _: None
) -> list[Source]:
    """The sources without what stands beside the documents of an earlier corpus among them.

    note: is told of such a corpus: an earlier result that lies in the folder of the sources may not
    be meant.
    """
    known = {source.address for source in sources}
    folders = {match[1] for match in map(_DOCUMENTS.fullmatch, known) if match}
    reports: set[str] = set()
    for folder in sorted(folders):
        if f"{folder}{REPORT_NAME}" in known:
            reports |= {f"{folder}{name}" for name in (REPORT_NAME, PAGE_NAME, PROBLEMS_NAME)}
            shown = show_address(folder.rstrip("/") or folder)
            note(f"{shown} is a corpus: its documents are read, its reports are not")
    return [source for source in sources if source.address not in reports]


def cut(
    sources: Sequence[Source],
    settings: CorpusSettings,
    note: Callable[[str], None] = lambda _: None,
) -> list[Part]:
    """Parts in the order of the sources: large files cut, small ones bundled.

    note: is told why a file could not be cut that could have been.
    """
    part_bytes = settings.part_bytes_of(sum(source.size for source in sources))
    parts: list[Part] = []
    bundle: list[Piece] = []
    size = 0

    def close() -> None:
        nonlocal size
        if bundle:
            parts.append(Part(len(parts), tuple(bundle)))
            bundle.clear()
            size = 0

    for source in sources:
        for piece in _pieces(source, part_bytes, note):
            if size + piece.size > part_bytes or len(bundle) >= MOST_PIECES:
                close()
            bundle.append(piece)
            size += piece.size
    close()
    return parts


def _pieces(source: Source, part_bytes: int, note: Callable[[str], None]) -> Iterator[Piece]:
    if source.size <= part_bytes:
        yield Piece(source.address, None, 0, None, source.size)
        return
    kind = kind_of_content(source.address)
    ranges = _ranges(source, kind, part_bytes, note)
    sizes = [source.size // len(ranges)] * len(ranges)
    for (start, stop), size in zip(ranges, sizes, strict=True):
        yield Piece(source.address, kind, start, stop, size)


def _ranges(
    source: Source, kind: Kind, part_bytes: int, note: Callable[[str], None]
) -> list[tuple[int, int | None]]:
    """Ranges that together are the whole source, of about part_bytes each."""
    whole: list[tuple[int, int | None]] = [(0, None)]
    if kind in ("plain", "jsonl", "extracted"):
        return _byte_ranges(source, part_bytes) if _is_unpacked(source.address) else whole
    if kind == "parquet":
        return _row_group_ranges(source, part_bytes) or whole
    if kind == "mediawiki":
        return _stream_ranges(source, part_bytes, note) or whole
    return whole


def _is_unpacked(address: str) -> bool:
    with open_plain(address) as stream:
        return not stream.packing


def _byte_ranges(source: Source, part_bytes: int) -> list[tuple[int, int | None]]:
    starts = list(range(0, source.size, part_bytes))
    # No crumb at the end: a last piece of less than half a part is joined to the one before it.
    if len(starts) > 1 and source.size - starts[-1] < part_bytes // 2:
        starts.pop()
    return list(zip(starts, [*starts[1:], None], strict=True))


def _row_group_ranges(source: Source, part_bytes: int) -> list[tuple[int, int | None]]:
    try:
        groups = len(parquet_row_groups(source.address))
    except DataError:
        return []  # reading it says what is wrong
    wanted = min(groups, -(-source.size // part_bytes))
    starts = sorted({groups * number // wanted for number in range(wanted)}) if wanted else [0]
    return list(zip(starts, [*starts[1:], None], strict=True))


def _stream_ranges(
    source: Source, part_bytes: int, note: Callable[[str], None]
) -> list[tuple[int, int | None]]:
    """By the index beside a multistream dump, if there is one."""
    from filbert.corpus.wiki import index_beside, multistream_ranges

    index = index_beside(source.address)
    if index is None:
        return []
    try:
        return list(multistream_ranges(source.address, index, bytes_a_range=part_bytes))
    except DataError as error:
        note(f"{error}; the dump is read by one worker")
        return []


def total_size(parts: Sequence[Part]) -> int:
    """Stored bytes."""
    return sum(part.size for part in parts)
