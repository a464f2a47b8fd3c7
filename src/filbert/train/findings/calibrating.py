"""How far probabilities hold: of what is said with 0.8, 8 in 10 should be right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from filbert.report import Report
from filbert.tasks.scores import calibration_error
from filbert.train.page_words import Words

BINS = 10
"""As many as calibration_error has."""


@dataclass(frozen=True)
class Bin:
    """Answers with probabilities of one tenth.

    tenth   0: 0 to 0.1 … 9: 0.9 to 1
    sure    their mean probability
    right   the share of them that is right
    """

    tenth: int
    count: int
    sure: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """Probabilities beside how often they held.

    error  the expected calibration error of these bins
    """

    bins: tuple[Bin, ...]
    error: float

    @classmethod
    def of(cls, sure: Sequence[float], right: Sequence[bool]) -> "Calibration":
        """Of answers' probabilities, and whether they are right; bins without any are left out."""
        values, hits = np.asarray(sure, np.float64), np.asarray(right, np.float64)
        tenth = np.minimum((values * BINS).astype(int), BINS - 1)
        counts = np.bincount(tenth, minlength=BINS)
        sums, rights = (np.bincount(tenth, of, minlength=BINS) for of in (values, hits))
        bins = tuple(
            Bin(int(at), int(counts[at]), float(sums[at] / counts[at]),
                float(rights[at] / counts[at]))
            for at in np.flatnonzero(counts)
        )  # fmt: skip
        return cls(bins, calibration_error(sure, right, BINS))

    def points(self) -> tuple[list[float], list[float]]:
        """Mean probabilities and shares, to be drawn."""
        return [one.sure for one in self.bins], [one.right for one in self.bins]


def show_calibration(
    page: Report,
    now: Calibration,
    words: Words,
    *,
    before: Calibration | None = None,
    temperature: float | None = None,
) -> None:
    """The section with its plot. before: without the temperature."""
    page.heading(words["calibration"])
    page.text(words["calibration_text"].format(error=f"{now.error:.4f}"))
    series = {words["now"]: now.points()}
    if before is not None and temperature is not None:
        page.text(
            words["temperature_text"].format(
                temperature=f"{temperature:.3g}",
                before=f"{before.error:.4f}",
                now=f"{now.error:.4f}",
            )
        )
        series = {
            words["with_temperature"]: now.points(),
            words["without_temperature"]: before.points(),
        }
    page.points(
        series,
        x=words["sure"],
        y=words["share_right"],
        joined=True,
        diagonal=words["as_sure_as_right"],
        limits=(0.0, 1.0),
    )
    page.table(
        [words[name] for name in ("probability", "answers", "sure", "share_right")],
        [
            (f"{one.tenth / BINS:.1f} – {(one.tenth + 1) / BINS:.1f}", one.count,
             f"{one.sure:.3f}", f"{one.right:.3f}")
            for one in now.bins
        ],
    )  # fmt: skip
