"""JSON files of a model folder: read with a bound and a place in every message, written sorted."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from filbert.errors import CheckpointError

MAX_BYTES = 64_000_000
FORMAT = 1


def read_json(path: Path) -> Any:
    """The value of a JSON file. Raises CheckpointError naming file and line if it has none."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(raw) > MAX_BYTES:
        raise CheckpointError(f"{path}: over {MAX_BYTES:,} bytes, expected a small JSON file")
    try:
        return json.loads(raw.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not valid JSON: {error}") from error


def read_table(path: Path) -> dict[str, Any]:
    """The same for a file whose value is an object."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value


def read_ours(path: Path, field: str) -> dict[str, Any]:
    """One field, an object, of a JSON file that filbert wrote: {"format": 1, field: {…}}."""
    table = read_table(path)
    if table.get("format") != FORMAT:
        raise CheckpointError(
            f'{path}: expected "format": {FORMAT}, got {table.get("format")!r:.40}; '
            "it may come from a newer filbert"
        )
    value = table.get(field)
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected an object in the field {field!r}")
    return value


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys; the same value gives the same bytes.

    Raises CheckpointError naming the file where the disk refuses (full, no rights).
    """
    try:
        text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path} cannot hold this value: {error}") from error
    # Half of a surrogate pair is a text to Python and to JSON, but not to UTF-8.
    raw = re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text)
    write_bytes(path, (raw + "\n").encode("utf-8"))


def write_ours(path: Path, field: str, value: Mapping[str, Any]) -> None:
    """Write {"format": 1, field: value}."""
    write_json(path, {"format": FORMAT, field: value})


def write_bytes(path: Path, raw: bytes) -> None:
    """Write a file of a draft folder; a refusal of the disk names the file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    except OSError as error:
        raise CheckpointError(f"{path} could not be written: {error.strerror or error}") from error


def inside(folder: Path, name: object, where: str) -> Path:
    """The path of a file that a folder's own list names; never one outside of the folder.

    Raises CheckpointError for anything but a plain relative path: "..", a drive, an absolute path.
    """
    text = name if isinstance(name, str) else ""
    pieces = text.split("/")
    if (
        not text
        or any(piece in ("", ".", "..") for piece in pieces)
        or any(character in text for character in "\\:\0")
    ):
        raise CheckpointError(f"{where}: {name!r:.80} is not a file inside of the folder")
    return folder.joinpath(*pieces)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")
