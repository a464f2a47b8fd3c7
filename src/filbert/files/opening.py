"""An address → its bytes as they are stored."""

import io
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

from filbert.errors import DataError
from filbert.files.trouble import Unreachable

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_PASSWORD = re.compile(r"://[^/]*:[^/]*@")
STORES = ("s3", "gs", "gcs", "az", "abfs", "abfss")
WEB = ("http", "https")


def scheme_of(address: str) -> str:
    """What stands before "://" of an address, in small letters; "" for a path of this machine.

    Raises DataError for a scheme that cannot be read.
    """
    match = _SCHEME.match(address)
    if match is None:
        return ""
    scheme = match[1].lower()
    if scheme not in (*STORES, *WEB):
        expected = ", ".join(f"{known}://" for known in (*STORES, *WEB))
        raise DataError(
            f"{show_address(address)}: expected a path or one of {expected}; got {scheme}://"
        )
    return scheme


def show_address(address: str) -> str:
    r"""The address for messages and reports: without what may be secret (query, name:password@).

    Bytes of a file's name that are not UTF-8 become \xe9 and the like: two such files stay two.
    """
    if _SCHEME.match(address):
        address = _PASSWORD.sub("://", address.partition("?")[0])
    return os.fsencode(address).decode("utf-8", "backslashreplace")


def open_bytes(address: str, *, start: int = 0, stop: int | None = None) -> BinaryIO:
    """The stored bytes of a file from `start` up to `stop` (None: its end), as a seekable stream.

    tell() and seek() count from the beginning of the file. Addresses:

    - a path;
    - s3://BUCKET/KEY, gs://BUCKET/KEY, az://CONTAINER/KEY (also abfs://), read by pyarrow, with
      the keys that the environment holds (AWS_ACCESS_KEY_ID, ~/.aws,
      GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT, …). What the environment
      does not say stands in the query, as pyarrow names it: ?anonymous=true for a public bucket,
      ?region=us-east-1, ?endpoint_override=http%3A%2F%2F127.0.0.1:9000 for a store of one's own;
    - https://…, read with range requests; a connection that drops is taken up where it broke off.

    Raises Unreachable for what is not there, is no regular file (a device, a pipe, a folder) or
    cannot be reached; reading may raise it too.
    """
    scheme = scheme_of(address)
    if scheme in WEB:
        from filbert.files.web import WebFile

        return io.BufferedReader(WebFile(address, start, stop), 1 << 18)
    if scheme:
        from filbert.files.stores import READ_BYTES, open_object

        return io.BufferedReader(open_object(address, start, stop), READ_BYTES)
    file = _open_local(address)
    file.seek(start)
    return file if stop is None else io.BufferedReader(_Part(file, stop))


def _open_local(address: str) -> BinaryIO:
    try:
        kind = Path(address).stat().st_mode
        if not stat.S_ISREG(kind):
            if stat.S_ISDIR(kind):
                os.scandir(address).close()  # says so where it cannot be listed
            what = "a folder" if stat.S_ISDIR(kind) else "a device, a pipe or a socket"
            raise Unreachable(show_address(address), f"expected a file, got {what}")
        return Path(address).open("rb")
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        reason = getattr(error, "strerror", None) or error
        raise Unreachable(show_address(address), f"cannot be opened: {reason}") from error


class _Part(io.RawIOBase):
    """A file up to an offset."""

    def __init__(self, file: BinaryIO, stop: int) -> None:
        self._file, self._stop = file, stop

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_END:
            end = self._file.seek(0, io.SEEK_END)
            return self._file.seek(min(end, self._stop) + offset)
        return self._file.seek(offset, whence)

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]
        left = max(0, self._stop - self._file.tell())
        data = self._file.read(min(len(buffer), left))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
