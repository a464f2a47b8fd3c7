"""Contestants take turns, A B C A B C …, so that a slow minute of the machine hits them all."""

import gc
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """What was done in how long: tokens, texts or operations, by kind."""

    done: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Contestant:
    """A name and how to measure it once, for about so many seconds, in the round of this number."""

    name: str
    measure: Callable[[float, int], Measured]


class Results:
    """The rates of every contestant in every round."""

    def __init__(self) -> None:
        self._measured: dict[str, list[Measured]] = {}

    def add(self, name: str, measured: Measured) -> None:
        """Note one measurement."""
        self._measured.setdefault(name, []).append(measured)

    def __contains__(self, name: str) -> bool:
        """Whether a contestant took part."""
        return name in self._measured

    @property
    def names(self) -> list[str]:
        """The contestants, in the order in which they had their first turn."""
        return list(self._measured)

    def rates(self, name: str, kind: str) -> list[float]:
        """Amount a second, round by round."""
        return [measured.done[kind] / measured.seconds for measured in self._measured[name]]

    def median(self, name: str, kind: str) -> float:
        """The median of the rates."""
        return statistics.median(self.rates(name, kind))

    def ratio(self, name: str, other: str, kind: str) -> tuple[float, float, float]:
        """(ratio of the medians, lowest and highest ratio within one round)."""
        pairs = zip(self.rates(name, kind), self.rates(other, kind), strict=True)
        each = [ours / theirs for ours, theirs in pairs]
        return self.median(name, kind) / self.median(other, kind), min(each), max(each)

    def row(self, name: str, kind: str) -> str:
        """A contestant's median and spread as a piece of a Markdown row."""
        rates = self.rates(name, kind)
        return f"{self.median(name, kind):,.0f} | {min(rates):,.0f} to {max(rates):,.0f}"


def race(contestants: Sequence[Contestant], rounds: int, seconds: float) -> Results:
    """Let each contestant run once a round; what one left behind is collected before the next."""
    results = Results()
    for number in range(rounds):
        for contestant in contestants:
            gc.collect()
            results.add(contestant.name, contestant.measure(seconds, number))
    return results


def show_ratio(
    results: Results, name: str, other: str, kind: str, goal: float | None = None
) -> str:
    """One line: how many times as fast, with its spread over the rounds, and the goal."""
    ratio, low, high = results.ratio(name, other, kind)
    line = f"- {name} / {other}: **{ratio:.2f}×** (rounds {low:.2f} to {high:.2f})"
    if goal is None:
        return line
    return f"{line}, goal ≥ {goal:.1f}×: {'reached' if ratio >= goal else 'missed'}"
