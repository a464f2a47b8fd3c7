"""CRC-32C (Castagnoli) in numpy, and the mask that LevelDB and TensorFlow put on what they store.

A CRC is linear over GF(2), so it need not be taken byte after byte: a row of many words is moved
over the next row by one linear map ("append as many zero bytes as a row is long") and added to it.
Rows shrink until little is left for the plain loop. See Kounavis and Berry, "A Systematic Approach
to Building High Performance Software-Based CRC Generators", 2005; the polynomial: RFC 3720, 12.1.
"""

from functools import lru_cache

import numpy as np

POLYNOMIAL = 0x82F63B78
"""Castagnoli's, bits reversed: the highest power stands in the lowest bit."""

ROWS = (16_384, 512, 32)
"""Words in a row, longest first: what lies in the second-level cache, and what a bias has."""

_MASK = 0xA282EAD8


def _step(register: int) -> int:
    """The register after eight zero bits."""
    for _ in range(8):
        register = (register >> 1) ^ (POLYNOMIAL if register & 1 else 0)
    return register


_BYTE = tuple(_step(value) for value in range(256))


def crc32c(data: bytes | np.ndarray) -> int:
    """The CRC-32C of bytes, or of the bytes of a contiguous array; 0 where there are none."""
    octets = np.frombuffer(data, np.uint8)
    register = 0xFFFFFFFF
    whole = len(octets) // 4 * 4
    words, tail = octets[:whole].view("<u4"), octets[whole:]
    for row in ROWS:
        if len(words) >= 2 * row:
            words = _fold(words, row, register)
            register = 0
    for octet in words.tobytes() + tail.tobytes():
        register = _BYTE[(register ^ octet) & 0xFF] ^ (register >> 8)
    return register ^ 0xFFFFFFFF


def mask(crc: int) -> int:
    """How a CRC is stored: turned and shifted, for a CRC of data that holds CRCs is weak."""
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def _fold(words: np.ndarray, row: int, register: int) -> np.ndarray:
    """Fewer words than two rows, with the same CRC as `words` after `register`."""
    low, high = _row_of_zeros(row)
    folded = words[:row].copy()
    folded[0] ^= np.uint32(register)
    halves = folded.view("<u2")
    first, second = np.empty(row, "<u4"), np.empty(row, "<u4")
    rows = len(words) // row
    for start in range(row, rows * row, row):
        # "wrap" changes nothing here, for 16 bits never leave the table; it spares numpy a copy.
        np.take(low, halves[0::2], out=first, mode="wrap")
        np.take(high, halves[1::2], out=second, mode="wrap")
        first ^= second
        np.bitwise_xor(first, words[start : start + row], out=folded)
    return np.concatenate([folded, words[rows * row :]])


@lru_cache(maxsize=len(ROWS))
def _row_of_zeros(row: int) -> tuple[np.ndarray, np.ndarray]:
    """What a row of zero words makes of each register, by its low and its high 16 bits."""
    power = [_BYTE[(1 << bit) & 0xFF] ^ ((1 << bit) >> 8) for bit in range(32)]  # one zero byte
    zeros = [1 << bit for bit in range(32)]
    count = 4 * row
    while count:
        if count & 1:
            zeros = [_apply(power, column) for column in zeros]
        power = [_apply(power, column) for column in power]
        count >>= 1
    return _all_sums(zeros[:16]), _all_sums(zeros[16:])


def _apply(columns: list[int], vector: int) -> int:
    """A 32 × 32 matrix over GF(2), by its columns, times a vector."""
    total = 0
    for bit, column in enumerate(columns):
        if vector >> bit & 1:
            total ^= column
    return total


def _all_sums(columns: list[int]) -> np.ndarray:
    """The sum of each of the 65,536 choices of 16 columns."""
    sums = np.zeros(1, "<u4")
    for column in columns:
        sums = np.concatenate([sums, sums ^ np.uint32(column)])
    return sums
