"""When two documents are nearly equal: the mathematics of the 128 numbers, and what to choose.

MinHash (Broder, "On the resemblance and containment of documents", 1997): under a random order of
all shingles the first shingle of two texts is the same one with probability J, the Jaccard index of
their sets. So of 128 such orders the count of agreeing ones is binomial (128, J), and its share is
an estimate of J with the standard deviation sqrt(J (1 - J) / 128): 0.035 at 0.8.

Banding (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3.4): cut into b bands
of r numbers, two sketches have some band in common with probability 1 - (1 - J^r)^b. With 32 bands
of 4 that is more than 0.999 at 0.8, and 0.87 at 0.5: bands propose, the estimate decides.

The cut: the estimate must reach the threshold less two standard deviations. At 0.8 that are 94 of
128: a pair of J = 0.8 is found with probability 0.972, one of 0.85 with 0.9998, one of 0.7 is
merged with 0.23, of 0.6 with 0.001, of 0.5 with 0.00000005.
"""

import math
from dataclasses import dataclass

from filbert.errors import SettingsError

PERMUTATIONS = 128
_LEAST_PROPOSED = 0.999
_DEVIATIONS = 2.0


@dataclass(frozen=True)
class Duplicates:
    """Which documents count as duplicates of an earlier one.

    Attributes:
        exact: documents with the same text, in normal form.
        near: documents that share most of their runs of five characters.
        threshold: from which Jaccard index of these runs on, more than 0 and at most 1. The
            estimate has an error, see the module: at the threshold 97 of 100 pairs are found.
    """

    exact: bool = True
    near: bool = True
    threshold: float = 0.8

    def __post_init__(self) -> None:
        """Raise SettingsError for a threshold outside 0 to 1."""
        if not 0 < self.threshold <= 1:
            raise SettingsError(
                f"duplicates.threshold: expected more than 0 and at most 1, got {self.threshold}"
            )


def bands_for(threshold: float) -> int:
    """The fewest bands that propose a pair at the threshold in 999 of 1,000 cases."""
    for bands in (1, 2, 4, 8, 16, 32, 64):
        if 1 - (1 - threshold ** (PERMUTATIONS // bands)) ** bands >= _LEAST_PROPOSED:
            return bands
    return PERMUTATIONS


def least_agreeing(threshold: float) -> int:
    """How many of the 128 numbers must agree."""
    deviation = math.sqrt(threshold * (1 - threshold) / PERMUTATIONS)
    share = max(0.0, threshold - _DEVIATIONS * deviation)
    return max(1, math.ceil(share * PERMUTATIONS))
