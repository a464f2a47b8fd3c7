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


def read_json_lines(path: Path, text_field: str) -> Iterator[Text]:
    """A text for each JSON object; DataError with file, line and field for anything else."""
    for line in read_lines(path):
        if line.text.strip():
            place = Place(path, line.line)
            record = _record(line.text, place)
            yield Text(_text(record, text_field, place), place, _label(record, place))


def _record(text: str, place: Place) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{place}: expected a JSON object: {error.msg} at column {error.colno}"
        ) from error
    except (ValueError, RecursionError) as error:  # numbers of too many digits, nesting too deep
        raise DataError(f"{place}: expected a JSON object that can be read: {error}") from error
    if not isinstance(record, dict):
        raise DataError(f"{place}: expected a JSON object, got {_kind(record)}")
    return record


def _text(record: dict[str, Any], field: str, place: Place) -> str:
    if field not in record:
        raise DataError(
            f"{place}: field {field!r} is missing; there are {sorted(record)[:10]}"
            f"{did_you_mean(field, record)}"
        )
    value = record[field]
    if not isinstance(value, str):
        raise DataError(f"{place}: field {field!r}: expected text, got {_kind(value)}")
    return _whole(value)


def _label(record: dict[str, Any], place: Place) -> str | None:
    value = record.get("label")
    if value is None:
        return None
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, int):
        return json.dumps(value)
    raise DataError(f"{place}: field 'label': expected text or a whole number, got {_kind(value)}")


def _whole(text: str) -> str:
    """Half a surrogate pair, which JSON can write and UTF-8 cannot, becomes U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    names |= {int: "a number", float: "a number", type(None): "null"}
    return names[type(value)]
