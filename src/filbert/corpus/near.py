"""Nearly equal texts: MinHash finds the candidates, the true likeness decides."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from filbert.errors import SettingsError, missing_extra
from filbert.language import normalise

Shingles = npt.NDArray[np.uint64]

SHINGLE_CHARACTERS = 5
_PERMUTATIONS = 128
_SEED = 1
# How many bands from which threshold on: a pair at the threshold shares some band in 999 of 1,000
# cases or more, 1 - (1 - threshold ** (128 / bands)) ** bands.
_BANDS = ((0.9, 16), (0.8, 32), (0.5, 64), (0.0, 128))
# Odd numbers of 64 bits, one for each place in a shingle: two shingles with the same sum are as
# rare as two equal draws from 2 ** 64.
_FACTORS = np.random.default_rng(_SEED).integers(
    1 << 63, size=SHINGLE_CHARACTERS, dtype=np.uint64
) * np.uint64(2) + np.uint64(1)


def near_duplicates(
    texts: Sequence[str], of: Sequence[str], threshold: float = 0.8
) -> npt.NDArray[np.bool_]:
    """For each text, whether a text of `of` is nearly equal to it.

    Nearly equal: the sets of their shingles (runs of 5 characters in normal form, lower case,
    spaces as one) have a Jaccard index of `threshold` or more. A candidate that MinHash offers is
    always checked, so no text is called a duplicate that is none; at the threshold itself about one
    in a thousand is missed, above it fewer. A text shorter than a shingle is one shingle. The
    shingles of `of` stay in memory, 8 bytes each.

    Raises SettingsError for a threshold outside 0 to 1, ExtraError where rensa is not installed.
    """
    if not 0 < threshold <= 1:
        raise SettingsError(f"threshold: expected more than 0 and at most 1, got {threshold}")
    rensa = _rensa()
    result = np.zeros(len(texts), dtype=np.bool_)
    known = list({shingles.tobytes(): shingles for shingles in map(shingles_of, of)}.values())
    bands = next(count for least, count in _BANDS if threshold >= least)
    index = rensa.RMinHashLSH(threshold, _PERMUTATIONS, bands)
    index.insert_many(_sketches(rensa, known))
    for place, text in enumerate(texts):
        own = shingles_of(text)
        [sketch] = _sketches(rensa, [own])
        candidates = (known[other] for other in index.query(sketch))
        result[place] = any(jaccard(own, other) >= threshold for other in candidates)
    return result


def shingles_of(text: str) -> Shingles:
    """The different shingles of a text, each as a number of 64 bits, sorted."""
    flat = " ".join(normalise(text).lower().split()).ljust(SHINGLE_CHARACTERS, "\0")
    # Lower case may hold what normal form does not (\u0130 becomes two), but never a surrogate.
    codes = np.frombuffer(flat.encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(codes, SHINGLE_CHARACTERS)
    return np.unique(windows @ _FACTORS)


def jaccard(left: Shingles, right: Shingles) -> float:
    """The share of the shingles of both that both have."""
    shared = len(np.intersect1d(left, right, assume_unique=True))
    return shared / (len(left) + len(right) - shared)


def _sketches(rensa: Any, sets: Iterable[Shingles]) -> list[Any]:
    tokens = ([number.tobytes() for number in shingles] for shingles in sets)
    return list(rensa.RMinHash.from_token_sets(tokens, _PERMUTATIONS, _SEED))


def _rensa() -> Any:
    try:
        import rensa
    except ImportError as error:
        raise missing_extra("rensa", "data") from error
    return rensa
