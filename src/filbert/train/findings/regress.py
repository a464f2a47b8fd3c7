"""What is found of numbers: said beside right, how they differ, the worst errors."""

from dataclasses import dataclass

import numpy as np

from filbert.report import Report
from filbert.train.findings.dev import Dev, title_of
from filbert.train.findings.excerpts import MOST_ERRORS, Where
from filbert.train.page_words import Words

MOST_POINTS = 1000


@dataclass(frozen=True)
class Misjudged:
    """A text with its number, and the one that was said of it."""

    where: Where
    text: str
    gold: float
    predicted: float


@dataclass(frozen=True)
class FoundOfNumbers:
    """What is found of a regression.

    gold, predicted   of the examples, evenly chosen where there are many
    bias              predicted minus gold, the mean
    deviation         and the standard deviation of that
    worst             those farthest off
    """

    gold: tuple[float, ...]
    predicted: tuple[float, ...]
    bias: float
    deviation: float
    worst: tuple[Misjudged, ...]

    @classmethod
    def of(cls, dev: Dev) -> "FoundOfNumbers":
        """Find it."""
        gold = np.array(dev.references, np.float64)
        predicted = np.array([answer.value for answer in dev.answers], np.float64)
        apart = predicted - gold
        far = set(np.argsort(-np.abs(apart), kind="stable")[:MOST_ERRORS].tolist())
        worst = [
            Misjudged(where, dev.both(example), float(reference), float(answer.value))
            for index, (where, example, answer, reference) in enumerate(dev)
            if index in far and apart[index]
        ]
        worst.sort(key=lambda one: -abs(one.predicted - one.gold))
        chosen = np.linspace(0, len(gold) - 1, min(MOST_POINTS, len(gold))).round().astype(int)
        return cls(
            gold=tuple(gold[chosen].tolist()),
            predicted=tuple(predicted[chosen].tolist()),
            bias=float(apart.mean()),
            deviation=float(apart.std()),
            worst=tuple(worst),
        )

    def show(self, page: Report, words: Words) -> None:
        """Append its sections."""
        page.heading(words["said_and_right"])
        page.points(
            {words["examples"]: (self.gold, self.predicted)},
            x=words["gold"],
            y=words["predicted"],
            diagonal=words["equal"],
        )
        page.facts(
            {
                words["bias"]: f"{self.bias:+.4g}",
                words["deviation"]: f"{self.deviation:.4g}",
            }
        )
        page.heading(words["worst"])
        if not self.worst:
            page.text(words["no_errors"])
        for one in self.worst:
            lines = {words["text"]: one.text} if one.text else {}
            lines[words["gold"]] = f"{one.gold:.4g}"
            apart = f"{one.predicted - one.gold:+.4g}"
            lines[words["predicted"]] = f"{one.predicted:.4g} ({apart})"
            page.marked(
                {name: (line, ()) for name, line in lines.items()},
                title=title_of(one.where, words),
            )
