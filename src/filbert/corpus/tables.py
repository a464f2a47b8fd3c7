"""Documents as Arrow tables: the columns of every Parquet file of this room."""

import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from filbert.corpus.document import Document
from filbert.corpus.libraries import arrow_libraries

COLUMNS = ("text", "source", "place", "label", "title", "url", "language", "sentence_ends")
GROUP_CHARACTERS = 1 << 22
"""How many characters are gathered for a row group; a longer document has one for itself."""
GROUP_DOCUMENTS = 4096
_SURROGATE = re.compile("[\ud800-\udfff]")


def schema() -> Any:
    """The columns and their types."""
    pa, _, _ = arrow_libraries()
    kinds = {"sentence_ends": pa.list_(pa.int32())}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])


def to_table(documents: Sequence[Document]) -> Any:
    """Documents as a table; half a surrogate pair, which UTF-8 cannot hold, becomes U+FFFD."""
    pa, _, _ = arrow_libraries()
    columns = [_strings([getattr(each, name) for each in documents]) for name in COLUMNS[:-1]]
    ends = [each.sentence_ends for each in documents]
    offsets = np.cumsum([0, *map(len, ends)])
    flat = np.fromiter(chain.from_iterable(ends), np.int32, int(offsets[-1]))
    columns.append(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat))
    return pa.table(columns, schema=schema())


def _strings(texts: list[str | None]) -> Any:
    pa, _, _ = arrow_libraries()
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        return pa.array([_writable(text) for text in texts], pa.string())


def to_documents(batch: Any) -> list[Document]:
    """The documents of a table or a batch."""
    columns = (batch[name].to_pylist() for name in COLUMNS)
    return [Document(*values) for values in zip(*columns, strict=True)]


def _writable(text: str | None) -> str | None:
    return None if text is None else _SURROGATE.sub("\ufffd", text)
