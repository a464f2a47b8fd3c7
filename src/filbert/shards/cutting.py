"""Where the rows of a shard begin and end."""

import numpy as np
from numpy.typing import NDArray

SPECIALS_A_ROW = 2
"""[CLS] and [SEP]."""


def cut_rows(
    document_ends: NDArray[np.int64], sentence_ends: NDArray[np.int64], row_tokens: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Cut documents into rows of at most row_tokens tokens, each as many whole sentences as fit.

    A sentence longer than that is cut hard; its rest goes on with the sentences after it. Every
    token lies in exactly one row, and no row reaches over a document's end.
    Takes rising, exclusive ends (a document's end is also a sentence's); returns the rows' starts
    int64 [rows], rising, and their tokens int32 [rows].
    """
    # All documents are cut at once, the first row of each, then the second of those that have one…
    at = np.concatenate((np.zeros(1, np.int64), document_ends[:-1]))
    limit = document_ends
    starts, stops = [], []
    while at.size:
        reach = np.minimum(at + row_tokens, limit)
        last = np.searchsorted(sentence_ends, reach, side="right") - 1
        stop = sentence_ends[np.maximum(last, 0)]
        stop = np.where((stop > at) & (stop <= reach), stop, reach)
        starts.append(at)
        stops.append(stop)
        more = stop < limit
        at, limit = stop[more], limit[more]
    all_starts = np.concatenate(starts)
    lengths = (np.concatenate(stops) - all_starts).astype(np.int32)
    order = np.argsort(all_starts, kind="stable")
    return all_starts[order], lengths[order]
