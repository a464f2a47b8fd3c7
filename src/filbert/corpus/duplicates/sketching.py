"""What is kept of a text to compare it with all others: a digest and 128 MinHash numbers."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from filbert.corpus.duplicates.settings import PERMUTATIONS
from filbert.corpus.near import SHINGLE_CHARACTERS
from filbert.errors import missing_extra

_SEED = 1
# Characters hashed at a time: their numbers (8 bytes each) stay in the processor's cache, a call of
# numpy serves many short texts, and a long one takes no more memory than this beside itself.
_CHUNK = 1 << 15
_OVERLAP = SHINGLE_CHARACTERS - 1
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


def digest(texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    """The BLAKE2b hashes of texts, 128 bits as two numbers: [texts, 2]. Equal only if equal."""
    hashes = b"".join(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        for text in texts
    )
    return np.frombuffer(hashes, dtype="<u8").astype(np.uint64).reshape(len(texts), 2)


def sketch(texts: Sequence[str]) -> npt.NDArray[np.uint32]:
    """The MinHash numbers of texts in normal form (`filbert.language.normalise`): [texts, 128].

    The share of equal numbers of two rows is an estimate of the Jaccard index of their shingles:
    runs of 5 characters, lower case, line ends as one space; a text shorter than that is one
    shingle. Works for every language. A row depends on its text alone.

    Raises ExtraError where rensa is not installed.
    """
    rensa = _rensa()
    result = np.full((len(texts), PERMUTATIONS), np.iinfo(np.uint32).max, dtype=np.uint32)
    for rows, pieces in _batches(texts):
        numbers, ends = _shingles(pieces)
        matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(
            numbers, ends, PERMUTATIONS, _SEED
        )
        # A long text comes in several pieces; the least number of all is that of the whole.
        np.minimum.at(result, rows, np.array(matrix.to_rows(), dtype=np.uint32))
    return result


def _batches(texts: Sequence[str]) -> Iterator[tuple[list[int], list[str]]]:
    """Pieces of texts, about a chunk of characters at a time, with the rows they belong to."""
    rows: list[int] = []
    pieces: list[str] = []
    size = 0
    for row, text in enumerate(texts):
        flat = text.replace("\n\n", " ").replace("\n", " ").ljust(SHINGLE_CHARACTERS, "\0")
        for start in range(0, len(flat) - _OVERLAP, _CHUNK):
            rows.append(row)
            pieces.append(flat[start : start + _CHUNK + _OVERLAP])
            size += len(pieces[-1])
            if size >= _CHUNK:
                yield rows, pieces
                rows, pieces, size = [], [], 0
    if rows:
        yield rows, pieces


def _shingles(
    pieces: Sequence[str],
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """The shingles as well mixed numbers of 64 bits, and where those of each piece begin and end.

    A shingle that stands twice is there twice: to a least number it makes no difference.
    """
    codes = _small_letters("".join(pieces))
    count = len(codes) - _OVERLAP
    numbers = codes[:count] * _FACTOR
    for place in range(1, SHINGLE_CHARACTERS):
        numbers += codes[place : place + count]
        numbers *= _FACTOR
    # rensa's orders are linear in the number, and so is the sum: without mixing in between, texts
    # of few letters would be ordered alike by several of them.
    numbers ^= numbers >> _HALF
    numbers *= _MIX
    numbers ^= numbers >> _HALF
    ends = np.cumsum([len(piece) for piece in pieces])
    across = ends[:-1, None] - np.arange(_OVERLAP, 0, -1)
    within = np.delete(numbers, across.ravel())  # windows that reach into the next piece
    shift = _OVERLAP * np.arange(1, len(pieces) + 1)
    return within, np.concatenate([[0], ends - shift]).astype(np.uint64)


def _small_letters(text: str) -> npt.NDArray[np.uint64]:
    """The characters as numbers, in lower case: those up to U+FFFF, where all scripts in use are.

    A table is ten times as fast as str.lower, which looks for the letters that become two.
    """
    if text.isascii():
        return np.frombuffer(text.lower().encode("ascii"), dtype=np.uint8).astype(np.uint64)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    small: npt.NDArray[np.uint64] = np.take(_lower_case(), np.minimum(codes, 0xFFFF))
    beyond = np.flatnonzero(codes > 0xFFFF)
    small[beyond] = codes[beyond]
    return small


@cache
def _lower_case() -> npt.NDArray[np.uint64]:
    table = np.arange(0x10000, dtype=np.uint64)
    for code in range(0x10000):
        small = chr(code).lower()
        if len(small) == 1:
            table[code] = ord(small)
    return table


def _rensa() -> Any:
    try:
        import rensa
    except ImportError as error:
        raise missing_extra("rensa", "data") from error
    return rensa
