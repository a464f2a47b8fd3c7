"""What a file is, told by its content: a name may lie, and dumps have many names."""

import json
import re

from filbert.files.encodings import Coding, coding_of
from filbert.files.found import Kind
from filbert.files.found_extracted import OPENING
from filbert.files.opening import scheme_of
from filbert.files.trouble import Bomb, Truncated, Unreachable
from filbert.files.unpacked import open_plain

LOOK_BYTES = 1 << 16
_PROLOGUE = re.compile(
    r"\s*(?:<\?xml[^>]*>|<!--.*?-->|<!doctype\s(?!\s*html)[^\[>]*(?:\[.*?\]\s*)?>|\s)*",
    re.DOTALL | re.IGNORECASE,
)
_XML = re.compile(r"\s*(?:<\?xml\s|<!doctype\s[^>\[]*\[)", re.IGNORECASE)
_PAGE = re.compile(r"<(?:!doctype\s+html|html|head|body|meta|title)\b", re.IGNORECASE)
_RECORD = re.compile(r'\{\s*["}]|\[\s*\{\s*["}]|\{\s*$')
_LINES = 20
"""How many lines are looked at to tell JSON lines whose first line is damaged."""

_KNOWN_BINARIES = {
    b"PK\x03\x04": "a ZIP archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\xfd7zXZ\0": "an xz file",
    b"\x04\x22\x4d\x18": "an LZ4 file",
    b"%PDF-": "a PDF file",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"SQLite format 3\0": "an SQLite database",
    b"ARROW1": "an Arrow file",
    b"\x7fELF": "a program",
}


def kind_of_content(address: str) -> Kind:
    """The kind of a file by its first 64 KiB, decompressed; its name is not looked at.

    WET files are "warc", WikiExtractor's <doc …> is "extracted" and its JSON "jsonl", a single JSON
    list or object is "jsonl" too (reading it says what is wrong with it). A file of this machine
    that cannot be opened is "binary", and reading it says why. A compressed file that is cut short
    before its first byte is "plain". Raises Unreachable for an address that cannot be reached.
    """
    try:
        with open_plain(address) as stream:
            try:
                head = stream.peek(LOOK_BYTES)
            except (Truncated, Bomb):
                return "plain"
    except Unreachable:
        if scheme_of(address):
            raise
        return "binary"
    return kind_of_head(head)


def kind_of_head(head: bytes) -> Kind:
    """The kind of a file that begins with these plain bytes (64 KiB, or the whole file)."""
    if not head:
        return "empty"
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"WARC/"):
        return "warc"
    coding = None if _magic(head) else coding_of(head)
    text = _text(head, coding)
    kind = _markup(text)
    if kind == "plain" and (coding is None or _XML.match(text)):
        return "binary"
    return kind


def name_of_binary(head: bytes) -> str:
    """What a file that holds no text to read is called, by its first bytes; "" for an unknown one.

    XML of any other kind than a dump's or a page's is among them: its text is not that of a reader.
    """
    if name := _magic(head):
        return name
    coding = coding_of(head)
    return "XML of another kind" if coding and _XML.match(_text(head, coding)) else ""


def _magic(head: bytes) -> str:
    return next((name for magic, name in _KNOWN_BINARIES.items() if head.startswith(magic)), "")


def _text(head: bytes, coding: Coding | None) -> str:
    """The head as text. Markup is ASCII in all encodings but UTF-16, so Latin-1 will do."""
    wide = coding if coding in ("utf-16-le", "utf-16-be") else None
    text = head.decode(wide or "latin-1", "replace")
    return text.removeprefix("\ufeff").removeprefix("\xef\xbb\xbf").lstrip()


def _markup(text: str) -> Kind:
    prologue = _PROLOGUE.match(text)
    body = text[prologue.end() :] if prologue else text
    if body.startswith("<mediawiki"):
        return "mediawiki"
    if OPENING.match(text):
        return "extracted"
    if _PAGE.match(body):
        return "html"
    return "jsonl" if _is_json_lines(text) else "plain"


def _is_json_lines(text: str) -> bool:
    """Whether the first line is an object, or most of the first lines are."""
    if _RECORD.match(text):
        return True
    lines = [line for line in text.splitlines()[:-1] if line.strip()][:_LINES]
    return sum(map(_is_object, lines)) * 2 > len(lines)


def _is_object(line: str) -> bool:
    if not line.lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
