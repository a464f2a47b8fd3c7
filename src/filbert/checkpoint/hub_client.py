"""The hub as huggingface_hub reaches it; the only file of filbert that imports that library.

Its settings (HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE), its HTTP client with
whatever a user has set on it (proxy, certificates) and its file lock are used; its downloader is
not. As of 2.4 that one tries for 23 seconds where there is no network, throws away what had come
when it is stopped, checks no checksum, and asks the hub once a day which AI agent calls it.
"""

import json
import queue
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from huggingface_hub import constants, get_session, get_token
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # no __all__ there

from filbert.errors import CheckpointError

PROBE_SECONDS = 3.0
LOCK_SECONDS = 0.5
MAX_ANSWER_BYTES = 64_000_000

# The root of what the HTTP client raises: httpx's, or httpx2's, as huggingface_hub has it.
_CLIENT_ERROR: type[Exception] = HfHubHTTPError.__mro__[1]


class NotReachedError(CheckpointError):
    """There is no way to the hub: no network, or the user has said that none be used."""


class CutError(Exception):
    """The connection failed, or ended before all had come."""


@dataclass(frozen=True)
class Answer:
    """What came back: the status, and the body piece by piece."""

    status: int
    headers: Mapping[str, str]
    pieces: Iterator[bytes]


@dataclass(frozen=True)
class Hub:
    """Where models come from and where they are kept."""

    endpoint: str
    cache: Path
    offline: bool

    @property
    def shown(self) -> str:
        """The address without a user's name and password, for messages."""
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def reach(self) -> None:
        """Try a connection, for at most three seconds, and leave it.

        Raises NotReachedError saying why there is none.
        """
        if self.offline:
            raise NotReachedError("HF_HUB_OFFLINE is set, so the hub was not asked")
        try:
            parts = urlsplit(_proxy_for(self.endpoint) or self.endpoint)
            port = parts.port or (80 if parts.scheme == "http" else 443)
            host = parts.hostname or ""
        except ValueError as error:
            raise NotReachedError(f"HF_ENDPOINT is no address of a hub: {error}") from error
        if not host or parts.scheme not in ("http", "https"):
            raise NotReachedError(f"HF_ENDPOINT is no address of a hub: {self.shown!r:.80}")
        if reason := _try_connection(host, port):
            raise NotReachedError(f"{self.shown} was not reached: {reason}")

    def ask(self, path: str, query: Mapping[str, str]) -> tuple[int, Mapping[str, str], Any]:
        """One question to the API: status, headers, and the JSON value (None: it is none).

        Raises CutError where the connection fails.
        """
        text = "&".join(f"{name}={quote(value)}" for name, value in query.items())
        body = b""
        with self.get(f"{self.endpoint}{path}?{text}", seconds=constants.HF_HUB_ETAG_TIMEOUT) as it:
            for piece in it.pieces:
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise CutError(f"an answer of over {MAX_ANSWER_BYTES:,} bytes")
            try:
                return it.status, it.headers, json.loads(body)
            except (ValueError, RecursionError):
                return it.status, it.headers, None

    def get_file(self, name: str, commit: str, file: str, start: int) -> "AnswerContext":
        """Ask for a file from the byte `start` on."""
        url = f"{self.endpoint}/{name}/resolve/{commit}/{quote(file)}"
        # Not compressed: the bytes are counted, and asked for from a place on.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        return self.get(url, headers, seconds=constants.HF_HUB_DOWNLOAD_TIMEOUT)

    @contextmanager
    def get(
        self, url: str, headers: Mapping[str, str] | None = None, *, seconds: float
    ) -> Iterator[Answer]:
        """GET, redirects followed; the client itself takes the token off where the host changes.

        seconds: how long to wait for the next bytes. Raises CutError where the connection fails.
        """
        sent = {"User-Agent": f"filbert/{version('filbert')}", **(headers or {})}
        if token := _token():
            sent["Authorization"] = f"Bearer {token}"
        try:
            with get_session().stream(
                "GET", url, headers=sent, timeout=seconds, follow_redirects=True
            ) as response:
                yield Answer(response.status_code, response.headers, response.iter_bytes())
        except _CLIENT_ERROR as error:
            # Without the cause: its text may hold an address with a signature in it.
            raise CutError(type(error).__name__) from None


AnswerContext = AbstractContextManager[Answer]


def the_hub() -> Hub:
    """What huggingface_hub's settings say now."""
    return Hub(
        endpoint=constants.ENDPOINT,
        cache=Path(constants.HF_HUB_CACHE),
        offline=constants.HF_HUB_OFFLINE,
    )


def has_token() -> bool:
    """Whether the user is logged in, so that a token is sent."""
    return bool(_token())


def _token() -> str | None:
    """The user's token, read when it is sent and kept nowhere: what holds it may be logged."""
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    if token and not (token.isascii() and token.isprintable()):
        raise CheckpointError(
            "HF_TOKEN (or the file that `hf auth login` wrote) has characters that no token has"
        )
    return token


@contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the file locked, across processes; `waiting` is called if another one holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(WeakFileLock(path, timeout=LOCK_SECONDS))
        except TimeoutError:
            waiting()
            stack.enter_context(WeakFileLock(path))
        yield


def _proxy_for(endpoint: str) -> str | None:
    """The proxy that the environment names for the hub, as the client itself would use it."""
    parts = urlsplit(endpoint)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _try_connection(host: str, port: int) -> str:
    """Why no connection could be made; empty if one was.

    In a thread of its own: asking for a name's address has no time limit of its own.
    """
    outcome: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
            outcome.put(None)
        except BaseException as error:
            outcome.put(error)

    threading.Thread(target=connect, name="filbert-probe", daemon=True).start()
    try:
        error = outcome.get(timeout=PROBE_SECONDS)
    except queue.Empty:
        return f"no answer within {PROBE_SECONDS:g} seconds"
    if error is not None and not isinstance(error, OSError):
        raise error
    if error is None:
        return ""
    return (
        "no answer in time" if isinstance(error, TimeoutError) else (error.strerror or str(error))
    )
