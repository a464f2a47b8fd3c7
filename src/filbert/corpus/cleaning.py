"""Raw documents → clean ones, each once.

A document that does not stay is marked, not removed: the column `dropped` holds why ("short",
"duplicate") and is null for those that stay. So `write` counts in one pass what it leaves out, and
whoever asks why a document is missing can look.
"""

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from filbert.corpus.libraries import daft_library
from filbert.errors import SettingsError
from filbert.language import normalise, split_sentences

if TYPE_CHECKING:
    import daft

SHORT = "short"
DUPLICATE = "duplicate"


def clean(frame: "daft.DataFrame", *, min_characters: int = 16) -> "daft.DataFrame":
    """The frame with text in normal form and two more columns, dropped and sentence_ends.

    Args:
        frame: from read or read_documents.
        min_characters: a document of fewer, in normal form, is marked as "short".
    """

    def short(texts: Any) -> list[str | None]:
        return [SHORT if len(text) < min_characters else None for text in texts.to_pylist()]

    daft = daft_library()
    text = daft.col("text")
    string, places = daft.DataType.string(), daft.DataType.list(daft.DataType.int64())
    frame = frame.with_column("text", daft.func.batch(return_dtype=string)(_normal_forms)(text))
    frame = frame.with_column("dropped", daft.func.batch(return_dtype=string)(short)(text))
    ends = daft.func.batch(return_dtype=places)(_sentence_ends)
    return frame.with_column("sentence_ends", ends(text))


def _normal_forms(texts: Any) -> list[str]:
    return [normalise(text) for text in texts.to_pylist()]


def _sentence_ends(texts: Any) -> list[list[int]]:
    return [[end for _, end in split_sentences(text)] for text in texts.to_pylist()]


def deduplicate(frame: "daft.DataFrame") -> "daft.DataFrame":
    """The cleaned frame with every second and later document of equal text marked "duplicate".

    The first one read stays. Works at once: a first pass over the frame gathers 16 bytes a document
    (BLAKE2b of the text), so that the texts themselves need not fit in memory.

    Raises SettingsError for a frame that was not cleaned.
    """
    if "dropped" not in frame.column_names:
        raise SettingsError("deduplicate: expected a cleaned frame; call clean before it")
    daft = daft_library()
    later = _later_rows(daft, frame)
    if not len(later):
        return frame

    def marked(dropped: Any, rows: Any) -> list[str | None]:
        numbers = np.asarray(rows.to_pylist(), dtype=np.int64)
        places = np.minimum(np.searchsorted(later, numbers), len(later) - 1)
        again = (later[places] == numbers).tolist()
        pairs = zip(again, dropped.to_pylist(), strict=True)
        return [DUPLICATE if second else reason for second, reason in pairs]

    mark = daft.func.batch(return_dtype=daft.DataType.string())(marked)
    return frame.with_column("dropped", mark(daft.col("dropped"), daft.col("row")))


def _later_rows(daft: Any, frame: "daft.DataFrame") -> npt.NDArray[np.int64]:
    """The rows whose text stands in an earlier row already, sorted."""
    digest = daft.func.batch(return_dtype=daft.DataType.binary())(_digests)
    row = daft.col("row")
    groups = (
        frame.where(daft.col("dropped").is_null())
        .select(digest(daft.col("text")).alias("digest"), row)
        .groupby("digest")
        .agg(row.min().alias("first"), row.count().alias("times"), row.list_agg().alias("rows"))
        .where(daft.col("times") > 1)
    )
    later = [np.empty(0, dtype=np.int64)]
    for batch in groups.select("first", "rows").to_arrow_iter():
        rows = batch["rows"].flatten().to_numpy(zero_copy_only=False)
        later.append(rows[~np.isin(rows, batch["first"].to_numpy(zero_copy_only=False))])
    return np.sort(np.concatenate(later))


def _digests(texts: Any) -> list[bytes]:
    return [blake2b(text.encode(), digest_size=16).digest() for text in texts.to_pylist()]
