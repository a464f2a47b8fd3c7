"""A source of a corpus → its texts and problems."""

from collections.abc import Iterator
from typing import get_args

from filbert.errors import SettingsError, did_you_mean
from filbert.files.content import LOOK_BYTES, name_of_binary
from filbert.files.found import Item, Kind, Problem
from filbert.files.found_extracted import read_extracted
from filbert.files.found_json import read_jsonl
from filbert.files.found_pages import read_page
from filbert.files.found_parquet import read_parquet
from filbert.files.found_plain import read_plain
from filbert.files.opening import scheme_of
from filbert.files.read import Split
from filbert.files.trouble import Unreachable
from filbert.files.unpacked import open_plain

_EMPTY = Problem("empty", "", "expected text, got none")


def read_found(
    address: str,
    kind: Kind,
    *,
    start: int = 0,
    stop: int | None = None,
    split: Split = "file",
    text_field: str = "text",
) -> Iterator[Item]:
    """The texts of a source, and what in it could not be read, in the order of the file.

    Nothing in the file raises: what is wrong is a Problem, and reading goes on behind it.

    Args:
        address: a path or an address (see open_bytes).
        kind: what kind_of_content says: "plain", "jsonl", "parquet", "html", "extracted"; "empty"
            and "binary" give one problem. (Dumps and WARC are read in corpus.)
        start: of plain, jsonl and extracted the plain byte, of parquet the row group to begin at.
        stop: the byte or row group to end before; None: the end. A range holds the lines that
            begin in it; with split "file" and "blank" its borders move to the next blank line, so
            that ranges side by side lose and repeat nothing. In a compressed file a range is read
            from the file's beginning.
        split: what one text of a plain file is: "file", "blank" or "line", as in read_texts.
        text_field: the field of a JSON line, or the column of a Parquet file, that holds the text.

    Raises SettingsError for a kind or a split that is not known, and Unreachable for an address
    that cannot be reached (a file of this machine that cannot be read is a Problem "unreadable").
    """
    if split not in get_args(Split):
        hint = did_you_mean(split, get_args(Split))
        raise SettingsError(f"split: expected {', '.join(get_args(Split))}; got {split!r}{hint}")
    if kind in ("mediawiki", "warc") or kind not in get_args(Kind):
        raise SettingsError(f"kind: expected one that read_found reads, got {kind!r}")
    return _read(address, kind, start, stop, split, text_field)


def _read(
    address: str, kind: Kind, start: int, stop: int | None, split: str, text_field: str
) -> Iterator[Item]:
    nothing = True
    try:
        for item in _items(address, kind, start, stop, split, text_field):
            nothing = False
            yield item
    except Unreachable as error:
        if scheme_of(address):
            raise
        yield Problem("unreadable", "", error.reason)
        return
    if nothing and start == 0 and stop is None:
        yield _EMPTY


def _items(
    address: str, kind: Kind, start: int, stop: int | None, split: str, text_field: str
) -> Iterator[Item]:
    if kind == "plain":
        return read_plain(address, start, stop, split)
    if kind == "jsonl":
        return read_jsonl(address, start, stop, text_field)
    if kind == "parquet":
        return read_parquet(address, start, stop, text_field)
    if kind == "extracted":
        return read_extracted(address, start, stop)
    if kind == "html":
        return read_page(address)
    return iter(()) if kind == "empty" else _binary(address)


def _binary(address: str) -> Iterator[Item]:
    with open_plain(address) as file:
        name = name_of_binary(file.peek(LOOK_BYTES)) or "something else"
    yield Problem("binary", "", f"expected text, JSON, Parquet, HTML, WARC or a dump; got {name}")
