"""One short text at a time: how long a caller waits."""

import time
from collections.abc import Mapping, Sequence

import numpy as np

from race.embedders import Embed
from race.rounds import Contestant, Measured, Results, race

TOKENS = 12
WARM_UP_CALLS = 20


def run(texts: Sequence[str], embedders: Mapping[str, Embed], rounds: int, seconds: float) -> None:
    """Time every call of every contestant, in turns, and print the table.

    texts: of TOKENS tokens each; one after another, so that no call repeats the one before.
    """
    waits: dict[str, list[float]] = {name: [] for name in embedders}
    contestants = [
        Contestant(name, _Caller(texts, embed, waits[name]).measure)
        for name, embed in embedders.items()
    ]
    results = race(contestants, rounds, seconds)
    print(f"## one text of {TOKENS} tokens at a time\n")
    print("| engine | p50 ms | p95 ms | calls |\n|---|---:|---:|---:|")
    for name, found in waits.items():
        middle, late = (1000 * np.percentile(found, share) for share in (50, 95))
        print(f"| {name} | {middle:.2f} | {late:.2f} | {len(found):,} |")
    print()
    _show_ratios(results)


def _show_ratios(results: Results) -> None:
    ours, *others = results.names
    for name in others:
        ratio, low, high = results.ratio(ours, name, "calls at p50")
        print(
            f"- {ours} / {name}, calls a second at p50: **{ratio:.2f}×** ({low:.2f} to {high:.2f})"
        )
    print(flush=True)


class _Caller:
    """One contestant: every wait goes into `waits`, each round's median to the race."""

    def __init__(self, texts: Sequence[str], embed: Embed, waits: list[float]):
        self._texts, self._embed, self._waits = texts, embed, waits

    def measure(self, seconds: float, number: int) -> Measured:
        """Call after call until the time is over."""
        for text in self._texts[:WARM_UP_CALLS]:
            self._embed([text])
        own: list[float] = []
        end = time.perf_counter() + seconds
        while (start := time.perf_counter()) < end or not own:
            self._embed([self._texts[len(own) % len(self._texts)]])
            own.append(time.perf_counter() - start)
        self._waits += own
        return Measured({"calls at p50": 1}, float(np.median(own)))
