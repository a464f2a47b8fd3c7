"""Arrays → short texts that a page can carry, rounded so far as it must be, and no further.

Shares of 1 become whole numbers of top·√share, so that small ones keep their digits. A vector
becomes whole numbers of its own step, a power of 2^(1/16); the step's exponent is stored.
"""

import base64
import zlib
from dataclasses import dataclass

import numpy as np

from filbert.batch import Array

STEPS_PER_DOUBLING = 16
SMALLEST = 2.0**-60


@dataclass(frozen=True)
class Grade:
    """How finely numbers are stored, in bits.

    share  of a share's root
    match  of a number of a query or a key: scores are reckoned from them, so they need most
    value  of a number of a value or an embedding
    """

    share: int
    match: int
    value: int

    @property
    def share_top(self) -> int:
        """What a share of 1 becomes."""
        return (1 << self.share) - 1


GRADES = (
    Grade(16, 16, 16),
    Grade(12, 12, 12),
    Grade(8, 10, 8),
    Grade(8, 8, 8),
    Grade(8, 6, 6),
)
"""From fine to coarse; a page takes the first that keeps it small."""


def code_shares(shares: Array, grade: Grade) -> Array:
    """Shares in [0, 1] → uint8 or uint16."""
    kind = np.uint16 if grade.share > 8 else np.uint8
    coded: Array = np.rint(grade.share_top * np.sqrt(np.clip(shares, 0, 1))).astype(kind)
    return coded


def decode_shares(coded: Array, grade: Grade) -> Array:
    """What the page will read: float64."""
    shares: Array = (coded.astype(np.float64) / grade.share_top) ** 2
    return shares


def code_vectors(vectors: Array, bits: int) -> tuple[Array, Array]:
    """[…, numbers] → (int16 […] exponents of the steps, int8 or int16 […, numbers])."""
    top = (1 << (bits - 1)) - 1
    largest = np.maximum(np.abs(vectors).max(axis=-1), SMALLEST).astype(np.float64)
    exponents = np.ceil(STEPS_PER_DOUBLING * np.log2(largest / top) - 1e-9)
    steps = 2 ** (exponents / STEPS_PER_DOUBLING)
    kind = np.int16 if bits > 8 else np.int8
    return exponents.astype(np.int16), np.rint(vectors / steps[..., None]).astype(kind)


def decode_vectors(exponents: Array, coded: Array) -> Array:
    """What the page will read: float64 […, numbers]."""
    steps = 2 ** (exponents.astype(np.float64) / STEPS_PER_DOUBLING)
    vectors: Array = coded * steps[..., None]
    return vectors


def to_text(*arrays: Array) -> str:
    """Arrays end to end, deflated, base64.

    Of numbers of two bytes all the low bytes come first, then all the high ones, which are much
    alike and so take little room.
    """
    raw = b"".join(
        np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        .reshape(-1, 1)
        .view(np.uint8)
        .T.tobytes()
        for array in arrays
    )
    return base64.b64encode(zlib.compress(raw, 6)).decode()
