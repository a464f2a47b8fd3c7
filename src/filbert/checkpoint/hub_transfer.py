"""One file from the hub to its blob in the cache: resumed where it was cut, checked, renamed."""

import contextlib
import hashlib
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from filbert.checkpoint.hub_client import Answer, CutError, Hub
from filbert.checkpoint.hub_listing import HubFile
from filbert.errors import CheckpointError

TRIES = 4
PAUSE_SECONDS = 1.0

_WAIT_AND_TRY = frozenset({408, 416, 429, 500, 502, 503, 504})
_CHUNK = 1 << 20

Report = Callable[[int], None]
"""Told how many bytes of the file are there."""


class RefusedError(Exception):
    """The hub does not give the file: no such file, no right to it."""

    def __init__(self, status: int, headers: Mapping[str, str]):
        super().__init__(f"HTTP status {status}")
        self.status, self.headers = status, headers


def transfer(hub: Hub, name: str, commit: str, file: HubFile, blob: Path, report: Report) -> None:
    """Bring a file's bytes to `blob`. What has come stays in a neighbour if it does not get there.

    Raises CheckpointError naming the file where the connection is cut again and again, or what came
    is not what the hub lists; RefusedError where the hub refuses; OSError where the disk does.
    """
    partial = blob.with_name(f"{blob.name}.incomplete")
    partial.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(TRIES):
        time.sleep(PAUSE_SECONDS * attempt)
        try:
            reason = _go_on(hub, name, commit, file, partial, report)
        except CutError as error:
            reason = str(error)
        if not reason:
            break
    else:
        raise CheckpointError(
            f"{name}: {file.name}: {_size(partial):,} of {file.size:,} bytes came; the connection "
            f"failed {TRIES} times, at last with: {reason}. What came is kept: ask again, and it "
            "goes on from there"
        )
    _check(partial, file, name)
    partial.replace(blob)


def is_whole(blob: Path, file: HubFile) -> bool:
    """Whether a blob of the cache, whoever fetched it, is what the hub lists."""
    return blob.is_file() and blob.stat().st_size == file.size and _sum(blob, file) == file.checksum


def _go_on(hub: Hub, name: str, commit: str, file: HubFile, partial: Path, report: Report) -> str:
    """Ask for what is missing of the file; why it is not all there then, empty if it is."""
    have = _size(partial)
    if have > file.size:
        have = 0
    if have == file.size and partial.exists():
        return ""
    with hub.get_file(name, commit, file.name, have) as answer:
        if answer.status in _WAIT_AND_TRY:
            if answer.status == 416:  # nothing from that byte on: what is there is not this file's
                partial.unlink(missing_ok=True)
            return f"HTTP status {answer.status}"
        if answer.status not in (200, 206):
            raise RefusedError(answer.status, answer.headers)
        if answer.status == 206 and _first_byte(answer) != have:
            partial.unlink(missing_ok=True)
            return "bytes from another place than was asked for"
        # A server that knows no ranges answers 200 with all of it.
        have = have if answer.status == 206 else 0
        with partial.open("ab" if have else "wb") as out:
            for piece in answer.pieces:
                have += len(piece)
                if have > file.size:
                    break
                out.write(piece)
                report(have)
    if have > file.size:
        partial.unlink()
        return "more bytes than the hub lists"
    return "" if have == file.size else "the connection ended early"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _first_byte(answer: Answer) -> int:
    found = re.match(r"bytes (\d{1,15})-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def _check(partial: Path, file: HubFile, name: str) -> None:
    found = _sum(partial, file)
    if found == file.checksum:
        return
    with contextlib.suppress(OSError):
        partial.unlink()
    kind = "SHA-256" if len(file.checksum) == 64 else "SHA-1 (git's)"
    raise CheckpointError(
        f"{name}: {file.name}: damaged: its {kind} is {found}, the hub lists {file.checksum}; "
        "it was removed: ask again to fetch it anew"
    )


def _sum(path: Path, file: HubFile) -> str:
    """SHA-256 of a large file; of a small one what git calls its blob: SHA-1 with its length."""
    if len(file.checksum) == 64:
        digest = hashlib.sha256()
    else:
        digest = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
