"""A random order of any number of things, known at any place without making the others."""

import hashlib

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 8


class Permutation:
    """A permutation of 0 … size - 1, chosen by seed and epoch; O(1) memory.

    A Feistel network over the smallest power of two that holds size; what lands at size or beyond
    goes through it again until it lands below (cycle walking), at most once more on average.
    """

    def __init__(self, size: int, seed: int, epoch: int):
        self.size = size
        bits = max(size - 1, 0).bit_length()
        # Halves may differ by a bit: each round changes one by a function of the other.
        self._low = np.uint64(bits - bits // 2)
        self._masks = (
            np.uint64((1 << (bits // 2)) - 1),
            np.uint64((1 << (bits - bits // 2)) - 1),
        )
        self._keys = [
            np.frombuffer(
                hashlib.blake2b(f"{seed} {epoch} {number}".encode(), digest_size=8).digest(), "<u8"
            )
            for number in range(_ROUNDS)
        ]

    def __call__(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The things at some positions: int64 [positions] → int64 [positions]."""
        values = self._once(positions.astype(np.uint64))
        while (outside := values >= self.size).any():
            values[outside] = self._once(values[outside])
        return values.astype(np.int64)

    def _once(self, values: NDArray[np.uint64]) -> NDArray[np.uint64]:
        high, low = values >> self._low, values & self._masks[1]
        for number, key in enumerate(self._keys):
            if number % 2:
                low = low ^ (_mix(high + key) & self._masks[1])
            else:
                high = high ^ (_mix(low + key) & self._masks[0])
        return (high << self._low) | low


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of MurmurHash3: every bit of the input changes half of the output's."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))
