"""Paragraphs → rows, as each contestant would cut them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from filbert.batch import Row
from filbert.tokenizer import Tokenizer


def lines(texts: Sequence[str], tokenizer: Tokenizer, max_tokens: int) -> list[Row]:
    """A row a paragraph, what is over max_tokens cut off, as run_mlm.py --line_by_line does."""
    ids = tokenizer.ids_batch(texts)
    return [_row(each[: max_tokens - 2], tokenizer) for each in ids if each.size]


def lines_with_offsets(texts: Sequence[str], tokenizer: Tokenizer, max_tokens: int) -> list[Row]:
    """The same with the characters behind each token, by which transformers finds whole words."""
    made = []
    for encoded in tokenizer.encode_batch(texts, specials=False):
        if len(encoded):
            row = _row(encoded.token_ids[: max_tokens - 2], tokenizer)
            inner = encoded.offsets[: max_tokens - 2]
            made.append(replace(row, offsets=np.pad(inner, ((1, 1), (0, 0))).astype(np.int32)))
    return made


def numbered(rows: Sequence[Row]) -> list[Row]:
    """Each with its number as its origin, so that chance treats it as its own."""
    return [replace(row, origin=(0, number)) for number, row in enumerate(rows)]


def drawn(
    lengths: NDArray[np.int64], vocab: int, tokenizer: Tokenizer, *, seed: int = 1
) -> list[Row]:
    """Rows of these lengths, special tokens included, of random ordinary tokens.

    Speed does not ask what they say.
    """
    random = np.random.default_rng(seed)
    ordinary = tokenizer.ordinary_ids[tokenizer.ordinary_ids < vocab]
    return [
        _row(ordinary[random.integers(0, len(ordinary), int(length) - 2)], tokenizer)
        for length in lengths
    ]


def lengths_in_words(rows: Sequence[Row], max_tokens: int) -> str:
    """How long the rows are, for a line of the report."""
    lengths = np.array([len(row) for row in rows])
    low, middle, high = np.percentile(lengths, [10, 50, 90])
    return (
        f"{len(rows):,} rows, {lengths.sum():,} tokens; {lengths.mean():.0f} tokens a row "
        f"(10 % have ≤ {low:.0f}, half ≤ {middle:.0f}, 90 % ≤ {high:.0f}; none > {max_tokens})"
    )


def _row(ids: NDArray[np.int32], tokenizer: Tokenizer) -> Row:
    cls, sep = tokenizer.special_ids.cls, tokenizer.special_ids.sep
    token_ids = np.concatenate(([cls], ids, [sep])).astype(np.int32)
    return Row(token_ids, np.zeros(token_ids.size, np.uint8))
