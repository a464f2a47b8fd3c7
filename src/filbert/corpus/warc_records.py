"""A WARC file → its records one by one, and what lay between them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from filbert.corpus.warc_segments import Segment, segments
from filbert.files import Problem

MAX_BLOCK_BYTES = (10 << 20) + (64 << 10)
"""The longest block that is kept: a page of 10 MB with its HTTP header."""
HEAD_BYTES = 64 << 10
_BEGIN = b"WARC/1."
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"(?im)^content-length[ \t]*:[ \t]*(\d{1,18})[ \t]*\r?$")


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record whose frame is in order.

    Attributes:
        place: "record N at byte OFFSET"; the offset in the file as it is stored, of the gzip member
            where there are members (of the decompressed data in a zstd file).
        head: its first line and its header, with the empty line behind them.
        block: what comes behind the header; its first HEAD_BYTES where it is too long to keep.
        length: how long the block is.
    """

    place: str
    head: bytes
    block: bytes
    length: int


def raw_records(address: str) -> Iterator[RawRecord | Problem]:
    """All records in order, and a problem for each that is damaged, and for garbage between them.

    Behind damage it goes on at the next gzip member or the next line that begins with "WARC/1.".
    """
    number = 0
    for segment in segments(address):
        segment.skip_line_ends()
        while segment.peek(1):
            number += 1
            place = f"record {number:,} at byte {segment.place:,}"
            yield _record(segment, place)
            segment.skip_line_ends()
        if segment.error is not None and not segment.behind:
            kind, message = segment.error
            yield Problem(kind, f"byte {segment.place:,}", message)


def _record(segment: Segment, place: str) -> RawRecord | Problem:
    head = segment.peek(HEAD_BYTES)
    if not head.startswith(_BEGIN):
        skipped = segment.find_record()
        got = f"expected a line with WARC/1.0 or WARC/1.1, got {head[:24]!r}"
        return _problem(segment, "garbage", place, f"{got}; {skipped:,} bytes were passed over")
    end = _END_OF_HEAD.search(head)
    if end is None:
        segment.skip(1)
        segment.find_record()
        return _problem(segment, "broken header", place, "expected a header and an empty line")
    head = segment.take(end.end())
    length = _LENGTH.search(head)
    if length is None:
        segment.find_record()
        return _problem(segment, "wrong length", place, "expected a Content-Length, got none")
    return _with_block(segment, place, head, int(length[1]))


def _with_block(segment: Segment, place: str, head: bytes, length: int) -> RawRecord | Problem:
    # What is longer than the file is not looked for: that would be all of it, for each such record.
    beyond = segment.size is not None and segment.behind + length > segment.size
    keep = length if length <= MAX_BLOCK_BYTES else HEAD_BYTES
    block = segment.take(keep)
    got = len(block) + (0 if beyond else segment.skip(length - keep))
    if got == length and _ends_here(segment):
        return RawRecord(place, head, block, length)
    said = f"expected {length:,} bytes and the end of the record, got "
    if beyond:
        said += "a file that ends before"
    else:
        said += f"{got:,}" if got < length else f"{segment.peek(16)!r} there"
    # Where the length is too great, the next record has been read with the block.
    following = re.search(rb"\r?\n\r?\nWARC/1\.", block)
    if following is not None and (keep == length or beyond):
        segment.put_back(block[following.start() :])
    elif got == length or beyond:
        segment.find_record()
    return _problem(segment, "wrong length", place, said)


def _ends_here(segment: Segment) -> bool:
    if segment.peek(4) == b"\r\n\r\n":
        return True  # whatever comes then is not this record's
    segment.skip_line_ends()
    behind = segment.peek(len(_BEGIN))
    return behind == _BEGIN or (not behind and segment.error is None)


def _problem(segment: Segment, kind: str, place: str, message: str) -> Problem:
    """A record that broke off with its gzip member is truncated, whatever else it looks like."""
    if segment.error is not None and not segment.peek(1):
        kind, message = segment.error
    return Problem(kind, place, message)
