"""What shards hold, counted shard by shard: lengths, rows, frequent tokens."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from filbert.shards.cutting import SPECIALS_A_ROW, cut_rows
from filbert.shards.index import Shard, ShardSet
from filbert.shards.packing import size_of
from filbert.shards.shard_file import ShardFile

MOST_TOKENS = 500_000_000
"""Of larger sets so many tokens are counted, in whole shards that lie evenly over all of them."""
_PIECE_TOKENS = 2**20


@dataclass
class RowCounts:
    """The rows that shards become at some max_tokens; tokens: with their special tokens."""

    rows: int = 0
    tokens: int = 0
    full: int = 0


@dataclass
class Measured:
    """What was counted in some shards of a set.

    id_counts  int64 [vocab]: how often each token occurs
    sentences, documents: how many there are by the power of two of their tokens (0: 1, 1: 2–3, …)
    rows: by max_tokens
    """

    id_counts: NDArray[np.int64]
    shards: int = 0
    tokens: int = 0
    sentences: dict[int, int] = field(default_factory=dict)
    documents: dict[int, int] = field(default_factory=dict)
    rows: dict[int, RowCounts] = field(default_factory=dict)


def measure(
    contents: ShardSet,
    folder: Path,
    max_tokens: Sequence[int],
    *,
    most_tokens: int = MOST_TOKENS,
) -> Measured:
    """Count one shard after another; memory does not grow with their number.

    Of a set of more than most_tokens a sample of its shards is counted: see MOST_TOKENS.
    Raises DataError for a shard that is damaged.
    """
    measured = Measured(np.zeros(contents.vocab_size, np.int64))
    measured.rows = {number: RowCounts() for number in max_tokens}
    for number in _sampled(contents.shards, contents.tokens, most_tokens):
        shard = contents.shards[number]
        _add(measured, ShardFile(folder / shard.file, shard, contents.vocab_size), shard)
    return measured


def stored_bytes(contents: ShardSet) -> int:
    """The size of all shards' files."""
    return sum(size_of(shard, contents.vocab_size) for shard in contents.shards)


def _sampled(shards: Sequence[Shard], tokens: int, most_tokens: int) -> list[int]:
    """Numbers of shards, evenly spread: all of them, or about as many as hold most_tokens."""
    count = len(shards)
    taken = max(1, min(count, count * most_tokens // tokens))
    bounds = [place * count // taken for place in range(taken + 1)]
    # One of each of so many equal stretches; not the same place in all of them, for what alternates
    # in the corpus must not be missed for ever.
    return [
        low + place % (high - low) for place, (low, high) in enumerate(itertools.pairwise(bounds))
    ]


def _add(measured: Measured, file: ShardFile, shard: Shard) -> None:
    measured.shards += 1
    measured.tokens += shard.tokens
    for start in range(0, shard.tokens, _PIECE_TOKENS):
        ids = file.token_ids(start, min(start + _PIECE_TOKENS, shard.tokens))
        measured.id_counts += np.bincount(ids, minlength=len(measured.id_counts))
    sentence_ends = file.sentence_ends
    document_ends = sentence_ends[np.cumsum(file.document_sentences) - 1]
    _count_lengths(measured.sentences, np.diff(sentence_ends, prepend=0))
    _count_lengths(measured.documents, np.diff(document_ends, prepend=0))
    for most, counts in measured.rows.items():
        _, lengths = cut_rows(document_ends, sentence_ends, most - SPECIALS_A_ROW)
        counts.rows += len(lengths)
        counts.tokens += shard.tokens + SPECIALS_A_ROW * len(lengths)
        counts.full += int((lengths == most - SPECIALS_A_ROW).sum())


def _count_lengths(powers: dict[int, int], lengths: NDArray[np.int64]) -> None:
    # frexp is exact for whole numbers below 2**53.
    for power, count in enumerate(np.bincount(np.frexp(lengths)[1] - 1).tolist()):
        if count:
            powers[power] = powers.get(power, 0) + count
