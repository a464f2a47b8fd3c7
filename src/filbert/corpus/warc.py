"""WARC and WET files of web crawls → the main texts of their pages."""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from filbert.corpus.warc_http import BodyError, decode_body
from filbert.corpus.warc_languages import two_letters
from filbert.corpus.warc_records import RawRecord, raw_records
from filbert.errors import missing_extra
from filbert.files import Found, Item, Problem, html_text
from filbert.files.html_limits import MAX_PAGE_BYTES

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_HTML_START = re.compile(rb"\s*(?:<!doctype html|<html)", re.IGNORECASE)
_HASHES = ("md5", "sha1", "sha256", "sha512")
# In a crawl these are as common as pages: nothing is damaged, there is only nothing to read.
_USUAL = ("empty", "binary")


def read_warc(address: str) -> Iterator[Item]:
    """The pages of a WARC (1.0, 1.1; plain, gzip, zstd), or the texts of a WET, in order.

    A response with status 200 and an HTML content type gives its main text (files.html_text); a
    conversion record (WET) gives its text as it is. Both have the place "record N at byte OFFSET",
    the byte of the file as it is stored, and the url. Requests, metadata (WAT), warcinfo, resource
    and continuation records are passed over silently.

    Kinds of problems that are not lost (lost=False), since the record is as it should be and only
    holds nothing for us: "revisit", "status" (not 200), "not HTML", "empty", "binary" (no HTML
    though it says so); or since its text was kept: "truncated" where the crawler itself cut the
    page (WARC-Truncated), "encoding", "too deep". They are counted and do not end a strict run.

    Kinds that are lost (lost=True): "wrong length", "truncated" (a gzip member that is cut short or
    damaged), "garbage" (bytes between records), "broken header", "wrong digest" (of the block),
    "bomb", "too large" (a page of more than 10 MB), "encoding" (an unknown content encoding),
    "hostile HTML". Reading goes on behind them where a record or a gzip member begins.

    Raises ExtraError where fastwarc or resiliparse is not installed, Unreachable for a file that
    cannot be opened.
    """
    try:
        from fastwarc import WarcRecord
    except ImportError as error:
        raise missing_extra("fastwarc", "data") from error
    for raw in raw_records(address):
        if isinstance(raw, Problem):
            yield raw
            continue
        try:
            record = WarcRecord.from_bytes(raw.head + raw.block)
        except (OSError, ValueError) as error:
            said = f"expected a WARC header, got one that cannot be read: {error}"
            yield Problem("broken header", raw.place, said)
            continue
        yield from _items(raw, record)


def _items(raw: RawRecord, record: Any) -> Iterator[Item]:
    kind = (record.headers.get("WARC-Type") or "").lower()
    if kind == "revisit":
        said = "a revisit: the page had not changed since it was last stored"
        yield Problem("revisit", raw.place, said, lost=False)
    elif kind == "response":
        yield from _response(raw, record)
    elif kind == "conversion":
        yield from _conversion(raw, record)


def _response(raw: RawRecord, record: Any) -> Iterator[Item]:
    problem = _not_a_page(raw, record)
    if problem is None and raw.length > len(raw.block):
        said = f"expected at most {MAX_PAGE_BYTES:,} bytes, got {raw.length:,}"
        problem = Problem("too large", raw.place, said)
    problem = problem or _digest(raw, record)
    if problem is not None:
        yield problem
        return
    headers = record.http_headers
    transfer, content = (headers.get(f"{kind}-Encoding") or "" for kind in ("Transfer", "Content"))
    try:
        body = decode_body(record.reader.read(), transfer, content, MAX_PAGE_BYTES)
    except BodyError as error:
        yield Problem(error.kind, raw.place, str(error))
        return
    yield from _page(raw, record, body)


def _not_a_page(raw: RawRecord, record: Any) -> Problem | None:
    """Why a response is none that we read; parses its HTTP header."""
    try:
        record.parse_http(auto_decode="none")
        status, kind = record.http_headers.status_code, record.http_content_type
    except (OSError, ValueError, AttributeError):
        status, kind = None, None
    if not record.is_http or (status is None and not raw.block.startswith(b"HTTP/")):
        said = f"expected an HTTP response, got {raw.block[:16]!r}"
        return Problem("not HTML", raw.place, said, lost=False)
    if status != 200:
        return Problem("status", raw.place, f"expected status 200, got {status}", lost=False)
    kind = (kind or record.headers.get("WARC-Identified-Payload-Type") or "").lower()
    if kind.partition(";")[0].strip() in _HTML_TYPES:
        return None
    if not kind and re.search(rb"\r?\n\r?\n", raw.block):
        if _HTML_START.match(re.split(rb"\r?\n\r?\n", raw.block, maxsplit=1)[1][:200]):
            return None
    return Problem("not HTML", raw.place, f"expected HTML, got {kind or 'no type'}", lost=False)


def _page(raw: RawRecord, record: Any, body: bytes) -> Iterator[Item]:
    page = html_text(body, charset=record.http_charset)
    problem = page.problem
    if problem is not None:
        lost = problem.lost and problem.kind not in _USUAL
        yield replace(problem, place=raw.place, lost=lost)
    if page.text:
        url = _address(record)
        yield Found(page.text, raw.place, title=page.title, url=url, language=page.language)
        yield from _cut_by_the_crawler(raw, record)


def _cut_by_the_crawler(raw: RawRecord, record: Any) -> Iterator[Item]:
    reason = record.headers.get("WARC-Truncated")
    if reason:
        said = f"expected a whole page, got one that the crawler cut ({reason}); it was kept"
        yield Problem("truncated", raw.place, said, lost=False)


def _conversion(raw: RawRecord, record: Any) -> Iterator[Item]:
    if raw.length > len(raw.block):
        said = f"expected at most {MAX_PAGE_BYTES:,} bytes, got {raw.length:,}"
        yield Problem("too large", raw.place, said)
        return
    if problem := _digest(raw, record):
        yield problem
        return
    text = raw.block.decode("utf-8", "replace")
    if bad := text.count("\ufffd") - raw.block.count(b"\xef\xbf\xbd"):
        said = f"expected UTF-8, got {bad:,} places that are not; they became U+FFFD"
        yield Problem("encoding", raw.place, said, lost=False)
    if not text.strip():
        yield Problem("empty", raw.place, "expected text, got none", lost=False)
        return
    languages = record.headers.get("WARC-Identified-Content-Language") or ""
    first = two_letters(languages.partition(",")[0].strip())
    yield Found(text, raw.place, url=_address(record), language=first)
    yield from _cut_by_the_crawler(raw, record)


def _address(record: Any) -> str | None:
    url: str = record.headers.get("WARC-Target-URI") or ""
    return url.strip("<> ") or None  # WARC 1.0 has it in angle brackets, as wget writes it


def _digest(raw: RawRecord, record: Any) -> Problem | None:
    """What is wrong with the block's digest, where it has one of a kind that we know."""
    name, _, said = (record.headers.get("WARC-Block-Digest") or "").partition(":")
    name = name.lower().replace("-", "").strip()
    if name not in _HASHES or record.headers.get("WARC-Segment-Number"):
        return None
    digest = hashlib.new(name, raw.block, usedforsecurity=False)
    said = said.strip()
    if said.rstrip("=").upper() == base64.b32encode(digest.digest()).decode().rstrip("="):
        return None
    if said.lower() == digest.hexdigest():
        return None
    message = f"expected a block with {name} {said}, got {digest.hexdigest()}"
    return Problem("wrong digest", raw.place, message)
