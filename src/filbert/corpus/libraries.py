"""The doors to Daft and Arrow: imported when first needed, so that a Document alone costs nothing.

They are Any to the type checker: Arrow has no types, Daft's decorators hide theirs.
"""

import os
from typing import Any

from filbert.errors import missing_extra


def daft_library() -> Any:
    """Daft, silent and without telemetry; ExtraError where it is not installed."""
    os.environ["DO_NOT_TRACK"] = "true"  # read once, when daft is imported
    # What is shown on the terminal is filbert.progress's business.
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
    os.environ.setdefault("DAFT_SHOW_QUERY_ID", "0")
    try:
        import daft
    except ImportError as error:
        raise missing_extra("daft", "data") from error
    return daft


def arrow_libraries() -> tuple[Any, Any, Any]:
    """pyarrow, pyarrow.compute, pyarrow.parquet; ExtraError where they are not installed."""
    try:
        import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
        import pyarrow.compute as pc  # type: ignore[import-untyped, unused-ignore]
        import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise missing_extra("pyarrow", "data") from error
    return pa, pc, pq
