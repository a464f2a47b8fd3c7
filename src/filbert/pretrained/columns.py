"""A tokenised sequence as one table: a row a token, a column for each thing that is known of it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from filbert.tokenizer import Encoded

ID, TYPE, MASK, SPECIAL, START, END, WORD, TEXT = range(8)
"""Token id; segment; 1 where a token is real; 1 where it was added; characters; word; text.

WORD and TEXT (0 or 1: which text of a pair) are NONE for tokens that were added.
"""

NONE = -1

Table = NDArray[np.int64]
"""int64 [tokens, 8]."""

EMPTY: Table = np.empty((0, 8), np.int64)


def text_table(encoded: Encoded, text: int) -> Table:
    """The tokens of a text; text: 0 for the first of a pair, 1 for the second."""
    table = np.empty((len(encoded.token_ids), 8), np.int64)
    table[:, ID] = encoded.token_ids
    table[:, TYPE] = text
    table[:, MASK] = 1
    table[:, SPECIAL] = 0
    table[:, START : END + 1] = encoded.offsets
    table[:, WORD] = encoded.word_ids
    table[:, TEXT] = text
    return table


def added_token(token_id: int, segment: int, *, real: bool = True) -> Table:
    """One token that stands in no text: [CLS], [SEP], or padding (real=False)."""
    return np.array([[token_id, segment, int(real), 1, 0, 0, NONE, NONE]], np.int64)


def padded(table: Table, length: int, pad_id: int, side: str) -> Table:
    """The table with [PAD] on one side up to `length`; a longer one as it is."""
    lacking = length - len(table)
    if lacking <= 0:
        return table
    padding = np.repeat(added_token(pad_id, 0, real=False), lacking, axis=0)
    return np.concatenate((padding, table) if side == "left" else (table, padding))


def optional(values: NDArray[Any]) -> list[int | None]:
    """A column as a list with None for NONE."""
    return [None if value == NONE else value for value in values.tolist()]
