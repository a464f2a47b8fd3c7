"""A web server on this machine that serves files by ranges, and enough of S3 to read and list.

It can misbehave: answer with a status first, cut an answer short, ignore ranges, refuse HEAD.
"""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_TIME = "Thu, 26 Nov 2026 10:00:00 GMT"


class StoreOnLoopback:
    """Files by path ("bucket/key"); requests holds (method, path, range) in order."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, str]] = []
        self.statuses: list[int] = []
        self.cuts: list[int] = []
        self.no_ranges = False
        self.no_head = False
        handler = type("Handler", (_Handler,), {"store": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        """Stop the server."""
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    store: StoreOnLoopback
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """As GET, without the body."""
        self.do_GET()

    def do_GET(self) -> None:
        """Find what is meant, and answer it."""
        parts = urlsplit(self.path)
        path = unquote(parts.path).strip("/")
        wanted = self.headers.get("Range") or ""
        self.store.requests.append((self.command, path, wanted))
        if self.store.no_head and self.command == "HEAD":
            return self._send(405, b"", {})
        if self.store.statuses and self.command == "GET":
            return self._send(self.store.statuses.pop(0), b"busy", {})
        if "list-type" in parts.query:
            return self._send(200, self._listing(path, parse_qs(parts.query)), {})
        if self.command == "HEAD" and any(name.startswith(f"{path}/") for name in self.store.files):
            return self._send(200 if "/" not in path else 404, b"", {})
        content = self.store.files.get(path)
        if content is None:
            return self._send(404, b"", {})
        return self._send_file(content, wanted)

    def _send_file(self, content: bytes, wanted: str) -> None:
        headers = {"ETag": f'"{hashlib.md5(content).hexdigest()}"', "Last-Modified": _TIME}
        if not wanted or self.store.no_ranges:
            return self._send(200, content, headers)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end, total = int(first), int(last or len(content) - 1), len(content)
        if start >= total:
            return self._send(416, b"", headers)
        body = content[start : end + 1]
        headers["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/{total}"
        return self._send(206, body, headers)

    def _listing(self, bucket: str, query: dict[str, list[str]]) -> bytes:
        """Of S3's ListObjectsV2 what a client needs; no pages."""
        prefix = query.get("prefix", [""])[0]
        keys = [name.partition("/")[2] for name in self.store.files if name.startswith(bucket)]
        keys = sorted(key for key in keys if key.startswith(prefix))
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-26T10:00:00.000Z"
            f"</LastModified><Size>{len(self.store.files[f'{bucket}/{key}'])}</Size></Contents>"
            for key in keys
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult '
            f'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{bucket}</Name>'
            f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{len(keys)}</KeyCount>"
            f"<IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        ).encode()

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.store.cuts and status in (200, 206):
            self.wfile.write(body[: self.store.cuts.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
        else:
            self.wfile.write(body)
