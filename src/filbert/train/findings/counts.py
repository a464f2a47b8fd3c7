"""Right and wrong by label: precision, recall, F1, and who is taken for whom."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from filbert.report import Report
from filbert.train.findings.excerpts import brief
from filbert.train.page_words import Words

MOST_PAIRS = 30
"""Rows of the table of labels that are taken for each other."""


@dataclass(frozen=True)
class Counts:
    """One label, or one type of entity.

    wanted  how often it was right
    given   how often it was said
    right   how often both
    """

    name: str
    wanted: int
    given: int
    right: int

    @property
    def precision(self) -> float:
        """The share of what was said that is right; 0 where it was never said."""
        return self.right / self.given if self.given else 0.0

    @property
    def recall(self) -> float:
        """The share of what was to be said that was said; 0 where there was nothing."""
        return self.right / self.wanted if self.wanted else 0.0

    @property
    def f1(self) -> float:
        """Their harmonic mean."""
        either = self.given + self.wanted
        return 2 * self.right / either if either else 0.0


@dataclass(frozen=True)
class Taken:
    """How often one label was taken for another."""

    true: str
    predicted: str
    count: int


def counted(
    names: Iterable[str], wanted: Counter[str], given: Counter[str], right: Counter[str]
) -> tuple[Counts, ...]:
    """The counts of each name."""
    return tuple(Counts(brief(n), wanted[n], given[n], right[n]) for n in names)


def most_taken(pairs: Iterable[tuple[str, str]], most: int | None = None) -> tuple[Taken, ...]:
    """(true, predicted) pairs counted, the most frequent first."""
    found = sorted(Counter(pairs).items(), key=lambda item: (-item[1], item[0]))
    return tuple(Taken(brief(a), brief(b), count) for (a, b), count in found[:most])


def show_counts(page: Report, counts: Sequence[Counts], words: Words, what: str) -> None:
    """A table with a row a label. what: the head of its first column."""
    page.table(
        [what, *(words[name] for name in ("precision", "recall", "f1", "wanted", "given"))],
        [
            (one.name, f"{one.precision:.4f}", f"{one.recall:.4f}", f"{one.f1:.4f}",
             one.wanted, one.given)
            for one in counts
        ],
        words["counts_caption"],
    )  # fmt: skip


def show_taken(page: Report, pairs: Sequence[Taken], words: Words) -> None:
    """A table of labels that are taken for each other."""
    page.table(
        [words[name] for name in ("true", "predicted", "count")],
        [(pair.true, pair.predicted, pair.count) for pair in pairs[:MOST_PAIRS]],
        words["taken_caption"].format(shown=f"{MOST_PAIRS}", count=f"{len(pairs):,}")
        if len(pairs) > MOST_PAIRS
        else "",
    )
