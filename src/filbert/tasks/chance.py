"""Random numbers that belong to a token, not to a worker.

A number is a hash of (seed, epoch, shard, row, token, purpose). Whoever computes it, in whatever
order, on however many GPUs, gets the same; so resuming needs no state. The mixer is SplitMix64's
(Steele, Lea and Flood 2014), which passes the usual batteries of tests.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from filbert.batch import Row

Numbers = NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def mix(values: Numbers) -> Numbers:
    """SplitMix64's output function: every bit of the input moves half of the bits of the output."""
    values = (values ^ (values >> np.uint64(30))) * _FIRST
    values = (values ^ (values >> np.uint64(27))) * _SECOND
    return values ^ (values >> np.uint64(31))


def epochs_of(rows: Sequence[Row], epoch: int) -> Numbers:
    """uint64 [rows]: the epoch that each row is read in, the stream's unless it has its own."""
    own = (epoch if row.epoch is None else row.epoch for row in rows)
    return np.fromiter(own, np.uint64, len(rows))


def token_numbers(
    seed: int,
    epoch: int | Numbers,
    origins: Sequence[tuple[int, int]],
    lengths: NDArray[np.int32],
    purpose: int,
) -> Numbers:
    """uint64 [tokens]: one number for each token of the rows with these origins and lengths.

    epoch: one for all rows, or uint64 [rows].
    purpose: a small number, another one for each independent draw about the same tokens.
    """
    with np.errstate(over="ignore"):
        row = np.full(len(origins), seed, np.int64).astype(np.uint64)
        places = np.asarray(origins, np.int64).reshape(-1, 2).astype(np.uint64)
        for part in (np.asarray(epoch, np.uint64), np.uint64(purpose), places[:, 0], places[:, 1]):
            row = mix((row + _STEP) ^ (part * _SECOND + _STEP))
        starts = np.cumsum(lengths) - lengths
        within = np.arange(lengths.sum()) - np.repeat(starts, lengths)
        return mix(np.repeat(row, lengths) + (within.astype(np.uint64) + np.uint64(1)) * _STEP)


def fractions(numbers: Numbers) -> NDArray[np.float64]:
    """Numbers as fractions in [0, 1)."""
    return (numbers >> np.uint64(11)).astype(np.float64) * 2.0**-53
