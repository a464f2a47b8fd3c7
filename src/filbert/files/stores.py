"""Object stores (S3, Google Cloud Storage, Azure), read by pyarrow."""

import functools
import io
import os
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from filbert.errors import DataError, did_you_mean, missing_extra
from filbert.files.found import Source
from filbert.files.opening import scheme_of, show_address
from filbert.files.trouble import Unreachable

if TYPE_CHECKING:
    from pyarrow import fs

CONNECT_SECONDS = 10.0
ATTEMPTS = 4
READ_BYTES = 4 << 20
"""How much one request asks for."""
_OPTIONS = {
    "s3": ("anonymous", "endpoint_override", "region", "scheme"),
    "gs": ("anonymous", "endpoint_override", "scheme"),
    "az": ("account_name",),
}
_SAME = {"gcs": "gs", "abfs": "az", "abfss": "az"}


def open_object(address: str, start: int, stop: int | None) -> "ObjectFile":
    """An object as a raw stream; Unreachable where it is not there or cannot be had."""
    store, path = _store_and_path(address)
    try:
        file = store.open_input_file(path)
        size = file.size()
    except (OSError, _arrow_error()) as error:
        raise _unreachable(address, error) from error
    return ObjectFile(address, file, start, size if stop is None else min(size, stop))


def list_objects(address: str) -> Iterator[Source]:
    """The object of this address, or the objects below it; nothing where there are none."""
    from pyarrow import fs

    store, path = _store_and_path(address)
    _, _, query = address.partition("?")
    scheme = address.partition("://")[0]
    try:
        info = store.get_file_info(path)
        if info.type == fs.FileType.File:
            infos: Iterable[Any] = [info]
        elif info.type == fs.FileType.Directory:
            infos = store.get_file_info(fs.FileSelector(path, recursive=True))
        else:
            infos = []
    except (OSError, _arrow_error()) as error:
        raise _unreachable(address, error) from error
    for found in sorted(infos, key=lambda found: found.path.split("/")):
        if found.type == fs.FileType.File:
            where = f"{scheme}://{found.path}{'?' if query else ''}{query}"
            yield Source(where, found.size, f"{found.mtime_ns}-{found.size}")


class ObjectFile(io.RawIOBase):
    """An object up to an offset; each read is one request."""

    def __init__(self, address: str, file: Any, start: int, stop: int) -> None:
        self._address, self._file, self._at, self._stop = address, file, start, stop

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The offset in the object."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; the next read asks for what stands there."""
        self._at = offset + (0, self._at, self._stop)[whence]
        return self._at

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]
        """Some bytes; 0 at the end."""
        wanted = min(len(buffer), self._stop - self._at)
        if wanted <= 0:
            return 0
        try:
            data = self._file.read_at(wanted, self._at)
        except (OSError, _arrow_error()) as error:
            raise _unreachable(self._address, error) from error
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def readall(self) -> bytes:
        """All that is left, in few requests (Python's own way would ask for 8 KiB at a time)."""
        return b"".join(iter(lambda: self.read(READ_BYTES), b""))

    def close(self) -> None:
        """Let go of the object."""
        if not self.closed:
            self._file.close()
        super().close()


def _store_and_path(address: str) -> tuple["fs.FileSystem", str]:
    """The file system and BUCKET/KEY; DataError for an address that does not fit."""
    scheme = scheme_of(address)
    scheme = _SAME.get(scheme, scheme)
    rest, _, query = address.partition("://")[2].partition("?")
    bucket, _, key = rest.partition("/")
    options = dict(parse_qsl(query))
    if "@" in bucket and scheme == "az":  # abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/KEY
        bucket, _, host = bucket.partition("@")
        options.setdefault("account_name", host.partition(".")[0])
    if not bucket or "@" in bucket:
        raise DataError(
            f"{scheme}://{bucket.rpartition('@')[2]}: expected a bucket without keys before it; "
            "keys belong into the environment, for an address is written into the corpus"
        )
    for name in options:
        if name not in _OPTIONS[scheme]:
            raise DataError(
                f"{show_address(address)}: expected only {', '.join(_OPTIONS[scheme])} behind the "
                f"question mark, got {name!r}{did_you_mean(name, _OPTIONS[scheme])}"
            )
    try:
        store = _store(scheme, bucket, tuple(sorted(options.items())))
    except (OSError, _arrow_error()) as error:
        raise _unreachable(address, error) from error
    return store, f"{bucket}/{key}".rstrip("/")


@functools.lru_cache(maxsize=32)
def _store(scheme: str, bucket: str, options: tuple[tuple[str, str], ...]) -> "fs.FileSystem":
    """A client, kept: making one takes a while, and it keeps its connections."""
    try:
        from pyarrow import fs
    except ModuleNotFoundError as error:
        raise missing_extra("pyarrow", "data") from error
    given: dict[str, Any] = dict(options)
    if "anonymous" in given:
        given["anonymous"] = given["anonymous"].lower() in ("1", "true", "yes")
    if "://" in given.get("endpoint_override", ""):
        given["scheme"], _, given["endpoint_override"] = given["endpoint_override"].partition("://")
    if scheme == "s3":
        given.setdefault("region", _region(bucket, "endpoint_override" in given))
        retry = fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS)
        return fs.S3FileSystem(connect_timeout=CONNECT_SECONDS, retry_strategy=retry, **given)
    if scheme == "gs":
        return fs.GcsFileSystem(retry_time_limit=timedelta(seconds=CONNECT_SECONDS), **given)
    return fs.AzureFileSystem(**_azure(given, bucket))


def _region(bucket: str, own_store: bool) -> str:
    from pyarrow import fs

    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region is None:
        region = "us-east-1" if own_store else fs.resolve_s3_region(bucket)
    return str(region)


def _azure(given: dict[str, Any], bucket: str) -> dict[str, Any]:
    given.setdefault("account_name", os.environ.get("AZURE_STORAGE_ACCOUNT"))
    if not given["account_name"]:
        raise DataError(
            f"az://{bucket}: expected the account's name, in AZURE_STORAGE_ACCOUNT or as "
            "?account_name=…; got none"
        )
    keys = {"account_key": "AZURE_STORAGE_KEY", "sas_token": "AZURE_STORAGE_SAS_TOKEN"}
    return given | {name: os.environ[key] for name, key in keys.items() if key in os.environ}


def _arrow_error() -> type[Exception]:
    """What pyarrow raises beside OSError."""
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        raise missing_extra("pyarrow", "data") from error
    error_type: type[Exception] = pa.ArrowException
    return error_type


def _unreachable(address: str, error: Exception) -> Unreachable:
    reason = " ".join(str(error).split())
    return Unreachable(show_address(address), f"cannot be read from its store: {reason[:500]}")
