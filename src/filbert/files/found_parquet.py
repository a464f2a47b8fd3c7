"""Parquet → texts, row group by row group, a few rows in memory at a time."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from filbert.errors import DataError, did_you_mean, missing_extra
from filbert.files.found import Found, Item, Problem
from filbert.files.opening import open_bytes, show_address
from filbert.files.trouble import Limits

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 64
"""How many rows are in memory at once, if they are short."""
_BATCH_BYTES = 4 << 20
"""What long ones are in memory at once, about."""
MOST_BYTES = 64 << 20
"""The longest text that is taken."""
_OPTIONAL = ("label", "title", "url", "language")


def parquet_row_groups(address: str) -> list[int]:
    """How many rows each row group of a Parquet file has.

    Raises DataError for what is no whole Parquet file, Unreachable where it cannot be opened.
    """
    with open_bytes(address) as raw:
        try:
            metadata = _opened(raw).metadata
        except _broken() as error:
            raise DataError(f"{show_address(address)}: {_said(error)}") from error
        return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]


def read_parquet(address: str, start: int, stop: int | None, text_field: str) -> Iterator[Item]:
    """The texts of row groups `start` to `stop`; a row group that is damaged is one problem.

    Memory holds a few rows and one page of the file, as Arrow reads it: a writer that was given
    texts of megabytes may have made pages of hundreds of them.
    """
    with open_bytes(address) as raw:
        try:
            file = _opened(raw)
        except _broken() as error:
            yield Problem("broken Parquet", "", _said(error))
            return
        names = {*file.schema_arrow.names} - {text_field}
        problem = _wrong_column(file.schema_arrow, text_field)
        if problem is not None:
            yield problem
            return
        columns = [text_field, *(name for name in _OPTIONAL if name in names)]
        groups = range(file.metadata.num_row_groups)
        row = sum(file.metadata.row_group(number).num_rows for number in groups[:start])
        for number in groups[start:stop]:
            yield from _row_group(file, number, row, columns)
            row += file.metadata.row_group(number).num_rows


def _row_group(file: Any, number: int, row: int, columns: list[str]) -> Iterator[Item]:
    group = file.metadata.row_group(number)
    sizes = [group.column(index) for index in range(group.num_columns)]
    stored = sum(size.total_compressed_size for size in sizes)
    plain = sum(size.total_uncompressed_size for size in sizes)
    limits = Limits()
    if plain > limits.free_bytes and plain > limits.ratio * stored:
        said = f"expected at most {limits.ratio:,} plain bytes for each stored byte, got"
        yield Problem("bomb", f"row {row}", f"{said} {plain:,} bytes out of {stored:,}")
        return
    try:
        rows = max(1, min(ROWS, _BATCH_BYTES * group.num_rows // max(1, plain)))
        for batch in file.iter_batches(
            rows, row_groups=[number], columns=columns, use_threads=False
        ):
            yield from _batch(batch, row, columns)
            row += batch.num_rows
    except _broken() as error:
        yield Problem("broken Parquet", f"row {row}", f"row group {number}: {_said(error)}")


def _batch(batch: "pa.RecordBatch", row: int, columns: list[str]) -> Iterator[Item]:
    values = {name: _bytes(batch.column(name)) for name in columns}
    for index in range(batch.num_rows):
        cells = {name: column[index] for name, column in values.items() if column is not None}
        yield from _item(cells, f"row {row + index}", columns[0])


def _item(cells: dict[str, Any], place: str, text_field: str) -> Iterator[Item]:
    raw = cells[text_field].as_py()
    if raw is None:
        yield Problem("field missing", place, f"column {text_field!r}: expected text, got null")
        return
    if len(raw) > MOST_BYTES:
        said = f"expected a text of at most {MOST_BYTES:,} bytes, got {len(raw):,}"
        yield Problem("too large", place, said)
        return
    text = raw.decode("utf-8", "replace")
    if not text.strip():
        yield Problem("empty", place, f"column {text_field!r}: expected text, got none")
        return
    if "\ufffd" in text and not _is_utf8(raw):
        said = "expected UTF-8; what is none became U+FFFD"
        yield Problem("encoding", place, said, lost=False)
    more = {name: cells[name].as_py() for name in cells if name != text_field}
    decoded = {name: value.decode("utf-8", "replace") for name, value in more.items() if value}
    yield Found(text, place, **decoded)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _bytes(column: Any) -> Any:
    """Text, or a whole number, as UTF-8; None for a column of anything else."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        column = pc.cast(column, pa.string())
    return pc.cast(column, pa.large_binary()) if _is_text(column.type) else None


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return str(kind) in (
        "string",
        "large_string",
        "string_view",
        "binary",
        "large_binary",
        "binary_view",
    )


def _wrong_column(schema: Any, text_field: str) -> Problem | None:
    if text_field not in schema.names:
        hint = did_you_mean(text_field, schema.names)
        said = f"column {text_field!r} is missing; there are {schema.names[:10]}{hint}"
        return Problem("field missing", "", said)
    kind = schema.field(text_field).type
    if not _is_text(kind):
        said = f"column {text_field!r}: expected text, got {kind}"
        return Problem("field missing", "", said)
    return None


def _opened(raw: Any) -> Any:
    try:
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise missing_extra("pyarrow", "data") from error
    return parquet.ParquetFile(raw, memory_map=False, pre_buffer=False, buffer_size=1 << 20)


def _broken() -> tuple[type[Exception], ...]:
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        raise missing_extra("pyarrow", "data") from error
    return (pa.ArrowException, ValueError, OSError, EOFError, LookupError, OverflowError)


def _said(error: Exception) -> str:
    return f"expected a whole Parquet file: {' '.join(str(error).split())[:300]}"
