"""JSON lines → texts."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filbert.errors import DataError, did_you_mean
from filbert.files.place import Place, Text
from filbert.files.whole_lines import read_lines

_SURROGATE = re.compile("[\ud800-\udfff]")


class BadRecord(Exception):
    """A line that is not what it should be: what was expected, what came.

    Attributes:
        kind: the name under which such problems are counted.
        reason: the message, without the place.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason


def read_json_lines(path: Path, text_field: str) -> Iterator[Text]:
    """A text for each JSON object; DataError with file, line and field for anything else."""
    for line in read_lines(path):
        if line.text.strip():
            place = Place(path, line.line)
            try:
                record = record_of(line.text)
                text = Text(text_of(record, text_field), place, label_of(record))
            except BadRecord as error:
                raise DataError(f"{place}: {error.reason}") from error
            yield text


def record_of(line: str) -> dict[str, Any]:
    """The JSON object that a line is; BadRecord for anything else."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        reason = f"expected a JSON object: {error.msg} at column {error.colno}"
        raise BadRecord("not JSON", reason) from error
    except (ValueError, RecursionError) as error:  # numbers of too many digits, nesting too deep
        raise BadRecord("not JSON", f"expected a JSON object that can be read: {error}") from error
    if not isinstance(record, dict):
        raise BadRecord("not JSON", f"expected a JSON object, got {_kind(record)}")
    return record


def text_of(record: dict[str, Any], field: str) -> str:
    """The text of a record; BadRecord where the field is missing or holds something else."""
    if field not in record:
        raise BadRecord(
            "field missing",
            f"field {field!r} is missing; there are {sorted(record)[:10]}"
            f"{did_you_mean(field, record)}",
        )
    value = record[field]
    if not isinstance(value, str):
        raise BadRecord("field missing", f"field {field!r}: expected text, got {_kind(value)}")
    return _whole(value)


def label_of(record: dict[str, Any]) -> str | None:
    """The label of a record, if it has one; BadRecord for one that is no text or whole number."""
    value = record.get("label")
    if value is None:
        return None
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, int):
        return json.dumps(value)
    reason = f"field 'label': expected text or a whole number, got {_kind(value)}"
    raise BadRecord("wrong label", reason)


def optional_text(record: dict[str, Any], field: str) -> str | None:
    """A field that may be there and hold text."""
    value = record.get(field)
    return _whole(value) if isinstance(value, str) and value else None


def _whole(text: str) -> str:
    """Half a surrogate pair, which JSON can write and UTF-8 cannot, becomes U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    names |= {int: "a number", float: "a number", type(None): "null"}
    return names[type(value)]
