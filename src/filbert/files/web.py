"""A file of the web as a stream: range requests, taken up again where a connection dropped."""

import http.client
import io
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from filbert.files.opening import show_address
from filbert.files.trouble import Unreachable

TIMEOUT_SECONDS = 20.0
PAUSES_SECONDS = (0.5, 2.0, 8.0)
"""How long to wait before each further attempt; as many attempts as pauses, then an error."""
_AGAIN = (429, 500, 502, 503, 504)
_KEPT = "%/:=&?~#+!$,;'@()*[]|"
_DROPPED = (http.client.HTTPException, ConnectionError, TimeoutError)


def head_of(address: str) -> tuple[int | None, str]:
    """The size and the stamp (ETag, else Last-Modified) of a file of the web.

    Asked by HEAD; where that is refused, by the answer to a request for the first byte.
    """
    try:
        answer = _ask(address, {}, "HEAD")
    except Unreachable:
        answer = _ask(address, {"Range": "bytes=0-0"}, "GET")
    with answer:
        return _size_of(answer), _stamp_of(answer)


class WebFile(io.RawIOBase):
    """The bytes of an address from `start` to `stop`.

    Nothing is asked for before the first read. A drop in the middle is taken up by a request for
    the rest; a file that has changed since is an error.
    """

    def __init__(self, address: str, start: int, stop: int | None) -> None:
        self._address, self._at, self._stop = address, start, stop
        self._answer: Any = None
        self._end: int | None = None
        self._stamp: str | None = None

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes: by a new request."""
        return True

    def tell(self) -> int:
        """The offset in the file."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; the next read makes a new request."""
        if whence == io.SEEK_CUR:
            offset += self._at
        elif whence == io.SEEK_END:
            size = head_of(self._address)[0]
            if size is None:
                raise self._wrong("the server does not say how large the file is")
            offset += size if self._stop is None else min(size, self._stop)
        if offset != self._at:
            self._hang_up()
            self._at = offset
        return self._at

    def close(self) -> None:
        """Hang up."""
        self._hang_up()
        super().close()

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]
        """Some bytes; 0 at the end."""
        for pause in (*PAUSES_SECONDS, None):
            if self._stop is not None and self._at >= self._stop:
                return 0
            try:
                count = self._some(buffer)
            except _DROPPED as error:
                self._hang_up()
                if pause is None:
                    raise self._wrong(f"the connection dropped: {error!r}") from error
            else:
                if count or self._end is None or self._at >= self._end:
                    return count
                self._hang_up()  # the answer ended before the file did
            if pause is not None:
                time.sleep(pause)
        raise self._wrong(f"the connection dropped at byte {self._at:,} of {self._end:,}")

    def _some(self, buffer: "bytearray | memoryview") -> int:
        if self._answer is None and not self._call():
            return 0
        count: int = self._answer.readinto(buffer)
        if self._stop is not None:
            count = min(count, self._stop - self._at)
        self._at += count
        return count

    def _call(self) -> bool:
        """Ask for the bytes from here on; False where the file has no more."""
        last = "" if self._stop is None else self._stop - 1
        wanted = {"Range": f"bytes={self._at}-{last}"} if self._at or self._stop else {}
        try:
            self._answer = _ask(self._address, wanted, "GET")
        except _NoSuchRange:
            self._end = self._at
            return False
        stamp = _stamp_of(self._answer)
        if self._stamp not in (None, stamp):
            raise self._wrong(f"the file changed while it was read ({self._stamp} → {stamp})")
        self._stamp = stamp
        self._end = _size_of(self._answer)
        if self._stop is not None and self._end is not None:
            self._end = min(self._end, self._stop)
        self._pass_over(self._at - _start_of(self._answer))
        return True

    def _pass_over(self, count: int) -> None:
        """Read up to here where a server sent the file from its beginning."""
        if count < 0:
            raise self._wrong("the server sent other bytes than those asked for")
        while count:
            data = self._answer.read(min(count, 1 << 16))
            if not data:
                raise http.client.IncompleteRead(data)
            count -= len(data)

    def _hang_up(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def _wrong(self, reason: str) -> Unreachable:
        return Unreachable(show_address(self._address), reason)


class _NoSuchRange(Exception):
    """The file ends before the byte that was asked for."""


def _ask(address: str, headers: dict[str, str], method: str) -> Any:
    """The answer to a request; tried again where the server says that it is busy."""
    headers = {"User-Agent": "filbert", "Accept-Encoding": "identity", **headers}
    address = urllib.parse.quote(address, safe=_KEPT)  # 中文 as the web writes it
    request = urllib.request.Request(address, headers=headers, method=method)
    for pause in (*PAUSES_SECONDS, None):
        try:
            return urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:
                raise _NoSuchRange from error
            if pause is None or error.code not in _AGAIN:
                said = f"the server says {error.code} {error.reason}"
                raise Unreachable(show_address(address), said) from error
        except http.client.HTTPException:
            if pause is None:
                raise
        except (OSError, ValueError) as error:  # URLError: no such host, refused, no answer in time
            reason = getattr(error, "reason", error)
            said = f"cannot be reached: {reason}"
            raise Unreachable(show_address(address), said) from error
        time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def _start_of(answer: Any) -> int:
    match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range") or "")
    return int(match[1]) if match and answer.status == 206 else 0


def _size_of(answer: Any) -> int | None:
    """The size of the whole file, where the answer says it."""
    if answer.status == 206:
        match = re.match(r"bytes \d+-\d+/(\d+)", answer.headers.get("Content-Range") or "")
        return int(match[1]) if match else None
    length = answer.headers.get("Content-Length") or ""
    return int(length) if length.isdigit() else None


def _stamp_of(answer: Any) -> str:
    return str(answer.headers.get("ETag") or answer.headers.get("Last-Modified") or "")
