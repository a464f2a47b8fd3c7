"""Where a dump of many bzip2 streams may be cut, by its index."""

import os
import re

from filbert.errors import DataError
from filbert.files import Unreachable, open_bytes, open_plain, show_address

_NAME = re.compile(r"-multistream(\d*)\.xml([^/\\]*?)(?:\.bz2)?$")
_STREAM = re.compile(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)")
_STREAM_BYTES = 10


def index_beside(address: str) -> str | None:
    """The address of a multistream dump's index, if it lies beside the dump; else None.

    …-multistream.xml.bz2 has …-multistream-index.txt.bz2 (or .txt), and
    …-multistream1.xml-p1p41242.bz2 has …-multistream-index1.txt-p1p41242.bz2.
    """
    if not address.endswith(".bz2"):
        return None
    for index in index_names(address):
        try:
            open_bytes(index).close()
        except Unreachable:
            continue
        return index
    return None


def index_names(address: str) -> list[str]:
    """What the index of a multistream dump may be called; none for what is no such dump's name."""
    match = _NAME.search(address)
    if match is None:
        return []
    plain = f"{address[: match.start()]}-multistream-index{match[1]}.txt{match[2]}"
    return [f"{plain}.bz2", plain]


def multistream_ranges(address: str, index: str, *, bytes_a_range: int) -> list[tuple[int, int]]:
    """Ranges of stored bytes that read_dump can read alone; together they are the whole file.

    Args:
        address: the dump, …-multistream.xml.bz2.
        index: its index, lines of offset:id:title, plain or compressed.
        bytes_a_range: how long a range is at least (the last one may be shorter).

    Raises DataError where the index cannot be read, or is not this dump's.
    """
    with open_bytes(address) as file:
        size = file.seek(0, os.SEEK_END)
        borders, last = [0], 0
        for number, offset in _offsets(index):
            if not last <= offset < size:
                raise DataError(
                    f"{show_address(index)}: line {number}: expected an offset from {last} to "
                    f"below {size}, the size of {show_address(address)}; got {offset}"
                )
            last = offset
            if offset - borders[-1] >= max(1, bytes_a_range):
                file.seek(offset)
                if not _STREAM.match(file.read(_STREAM_BYTES)):
                    raise DataError(
                        f"{show_address(address)}: byte {offset}: expected the beginning of a "
                        f"bzip2 stream, as line {number} of {show_address(index)} says; got none"
                    )
                borders.append(offset)
    return list(zip(borders, [*borders[1:], size], strict=True)) if size else []


def _offsets(index: str) -> list[tuple[int, int]]:
    """(line, offset) of each line where a new stream begins."""
    found: list[tuple[int, int]] = []
    last = -1
    with open_plain(index) as lines:
        for number, line in enumerate(iter(lines.readline, b""), 1):
            text = line.partition(b":")[0].strip()
            if not text.isdigit():
                if not line.strip():
                    continue
                raise DataError(
                    f"{show_address(index)}: line {number}: expected offset:id:title, "
                    f"got {line[:60].decode('utf-8', 'replace')!r}"
                )
            if (offset := int(text)) != last:
                found.append((number, offset))
                last = offset
    return found
