"""The body of an HTTP response as a browser sees it: no chunks, not compressed, bounded."""

import io
import re
import zlib
from collections.abc import Callable

from filbert.errors import missing_extra

_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_BOMB_RATIO = 100
_STEP = 1 << 16


class BodyError(Exception):
    """A body that cannot be decoded: `kind` of the problem, and the message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def decode_body(body: bytes, transfer: str, content: str, limit: int) -> bytes:
    """The body without its transfer and content encodings (gzip, deflate, br).

    Many writers store bodies decoded but leave the headers as they came: a body that does not look
    encoded is taken as it is. What is cut short gives what can be read.

    Args:
        body: as it is stored.
        transfer: the header Transfer-Encoding, "" for none.
        content: the header Content-Encoding, "" for none.
        limit: the most bytes that may come out.

    Raises BodyError: "bomb" or "too large" beyond the limit, "encoding" for unknown ones.
    """
    if "chunked" in transfer.lower():
        body = _unchunked(body)
    for name in reversed([each.strip().lower() for each in content.split(",") if each.strip()]):
        if name in ("identity", "none", "utf-8"):
            continue
        if name not in _DECODE:
            raise BodyError("encoding", f"expected gzip, deflate or br, got {name!r}")
        body, taken = _DECODE[name](body, limit + 1)
        if len(body) > limit:
            kind = "bomb" if limit > _BOMB_RATIO * taken else "too large"
            raise BodyError(kind, f"expected at most {limit:,} bytes, got more out of {taken:,}")
    return body


def _unchunked(body: bytes) -> bytes:
    parts, at = [], 0
    while match := _CHUNK.match(body, at):
        size = int(match[1], 16)
        if not size:
            break
        parts.append(body[match.end() : match.end() + size])
        at = match.end() + size
        at += 2 if body[at : at + 2] == b"\r\n" else body[at : at + 1] == b"\n"
    return b"".join(parts) if at or _CHUNK.match(body) else body


def _ungzipped(body: bytes, limit: int) -> tuple[bytes, int]:
    return _inflated(body, limit, 31) if body.startswith(b"\x1f\x8b") else (body, len(body))


def _undeflated(body: bytes, limit: int) -> tuple[bytes, int]:
    """With zlib's header, as the standard says, or without, as some servers do."""
    for bits in (15, -15):
        out, taken = _inflated(body, limit, bits)
        if out:
            return out, taken
    return body, len(body)


def _inflated(body: bytes, limit: int, bits: int) -> tuple[bytes, int]:
    """At most `limit` bytes, and how many of the body they took."""
    engine = zlib.decompressobj(wbits=bits)
    out = bytearray()
    at, left = 0, b""
    while (at < len(body) or left) and len(out) < limit and not engine.eof:
        data = left or body[at : at + _STEP]
        at += 0 if left else len(data)
        try:
            out += engine.decompress(data, limit - len(out))
        except zlib.error:
            break
        left = engine.unconsumed_tail
    return bytes(out), at - len(left)


def _unbrotlied(body: bytes, limit: int) -> tuple[bytes, int]:
    try:
        from fastwarc import stream_io
    except ImportError as error:
        raise missing_extra("fastwarc", "data") from error
    out = bytearray()
    packed = io.BytesIO(body)
    reader = stream_io.BrotliReader(packed)
    try:
        while len(out) < limit and (chunk := reader.read(min(_STEP, limit - len(out)))):
            out += chunk
    except OSError:
        pass  # cut short, or stored decoded
    return (bytes(out), packed.tell()) if out else (body, len(body))


_DECODE: dict[str, Callable[[bytes, int], tuple[bytes, int]]] = {
    "gzip": _ungzipped,
    "x-gzip": _ungzipped,
    "deflate": _undeflated,
    "br": _unbrotlied,
}
