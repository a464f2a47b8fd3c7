"""What came of the runs, as Markdown: scores, seconds, memory, and what they prove."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from race.finetune_run import CONTESTANTS, Ended
from race.finetune_scores import ROUNDING, chinese_words, score
from race.finetune_settings import SETTINGS, Setting
from race.study import spread

Example = dict[str, Any]

OURS = "filbert"
FASTER, LEVEL = 1.5, 0.95


@dataclass(frozen=True)
class Scored:
    """A run and its scores, as parts of 1.

    course  (seconds of training, score of the dev set) at the end of each epoch
    test    of the test set
    wrong   where filbert's own score is not the scorer's, in words
    apart   the largest difference of the two; None: the contestant gives no score of its own
    """

    ended: Ended
    course: list[tuple[float, float]]
    test: float
    wrong: list[str]
    apart: float | None

    @classmethod
    def of(cls, setting: Setting, ended: Ended, data: Mapping[str, Sequence[Example]]) -> "Scored":
        """Score all predictions of a run."""
        wrong, apart = [], list[float]()

        def held(part: str, number: int) -> float:
            point = ended.test if part == "test" else ended.points[number]
            found = score(setting, point.predictions, data[part])
            if point.own is not None:
                apart.append(abs(found - point.own))
                if apart[-1] > ROUNDING:
                    where = part if part == "test" else f"dev, epoch {number + 1}"
                    wrong.append(
                        f"{setting.name}, seed {ended.spec.seed}, {where}: filbert says "
                        f"{setting.score} {point.own!r}, the scorer {found!r}"
                    )
            return found

        course = [(p.seconds, held("dev", n)) for n, p in enumerate(ended.points)]
        test = held("test", 0)
        return cls(ended, course, test, wrong, max(apart, default=None))


Runs = Mapping[str, Mapping[int, Scored]]
"""By contestant and seed, of one task."""


def table(every: Mapping[str, Runs]) -> Iterator[str]:
    """All lines of the tables. every: by task."""
    pairs = [
        (SETTINGS[task], runs[OURS], runs[peer], peer)
        for task, runs in every.items()
        for peer in CONTESTANTS
        if peer != OURS and runs.get(OURS) and runs.get(peer)
    ]
    if not pairs:
        yield "No task has runs of filbert and of a peer yet."
        return
    yield "| task | score | filbert | peer | | difference | 95 % of it | |"
    yield "|---|---|---:|---|---:|---:|---|---|"
    for setting, ours, theirs, peer in pairs:
        yield _score_line(setting, ours, theirs, peer)
    yield ""
    yield (
        "| task | peer | steps | s | peer's | ratio | same dev score | s to it | peer's | ratio "
        "| MB | peer's | |"
    )
    yield "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|"
    for setting, ours, theirs, peer in pairs:
        yield _cost_line(setting, ours, theirs, peer)
    yield ""
    yield from _notes(every)


def _score_line(
    setting: Setting, ours: Mapping[int, Scored], theirs: Mapping[int, Scored], peer: str
) -> str:
    mine, others = ([100 * run.test for run in runs.values()] for runs in (ours, theirs))
    apart = [100 * (ours[seed].test - theirs[seed].test) for seed in ours if seed in theirs]
    bounds = interval(apart)
    if bounds is None:
        said, verdict = "–", "one seed says nothing"
    else:
        low, high = bounds
        said = f"{low:+.2f} to {high:+.2f}"
        verdict = "**loses**" if high < 0 else "ahead" if low > 0 else "level"
    mean = f"{statistics.fmean(apart):+.2f}" if apart else "–"
    return (
        f"| {setting.name} | {setting.score} | {spread(mine, 2)} | {CONTESTANTS[peer]} "
        f"| {spread(others, 2)} | {mean} | {said} | {verdict} |"
    )


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the mean (Student's t); None for fewer than two values."""
    if len(values) < 2:
        return None
    from scipy.stats import t

    mean, count = statistics.fmean(values), len(values)
    reach = float(t.ppf((1 + LEVEL) / 2, count - 1)) * statistics.stdev(values) / count**0.5
    return mean - reach, mean + reach


def _cost_line(
    setting: Setting, ours: Mapping[int, Scored], theirs: Mapping[int, Scored], peer: str
) -> str:
    seconds, others = (_median(run.ended.seconds for run in r.values()) for r in (ours, theirs))
    steps = " / ".join(
        f"{_median(run.ended.steps for run in runs.values()):.0f}" for runs in (ours, theirs)
    )
    mine, peers = mean_course(list(ours.values())), mean_course(list(theirs.values()))
    goal = min(mine[-1][1], peers[-1][1])
    first, second = reaches(mine, goal), reaches(peers, goal)
    memory, held = (
        _median(run.ended.peak_bytes / 1e6 for run in runs.values()) for runs in (ours, theirs)
    )
    verdicts = [
        f"time {'reached' if second / first >= FASTER else '**missed**'}",
        f"memory {'reached' if memory <= held else '**missed**'}",
    ]
    return (
        f"| {setting.name} | {CONTESTANTS[peer]} | {steps} | {seconds:.0f} | {others:.0f} "
        f"| {others / seconds:.2f} | {100 * goal:.2f} | {first:.0f} | {second:.0f} "
        f"| **{second / first:.2f}** | {memory:.0f} | {held:.0f} | {', '.join(verdicts)} |"
    )


def mean_course(runs: Sequence[Scored]) -> list[tuple[float, float]]:
    """The mean seconds and the mean score at the end of each epoch."""
    points = zip(*(run.course for run in runs), strict=True)
    return [
        (statistics.fmean(s for s, _ in each), statistics.fmean(v for _, v in each))
        for each in points
    ]


def reaches(course: Sequence[tuple[float, float]], goal: float) -> float:
    """When the score is first so high, between two epochs in a straight line.

    Where the first epoch's score is that high already, its end: what was before it is not known.
    """
    before: tuple[float, float] | None = None
    for seconds, here in course:
        if here >= goal:
            if before is None or before[1] >= here:
                return seconds
            part = (goal - before[1]) / (here - before[1])
            return before[0] + part * (seconds - before[0])
        before = seconds, here
    raise ValueError(f"no epoch reaches {goal}")


def _median(values: "Iterator[float] | Sequence[float]") -> float:
    return statistics.median(values)


def _notes(every: Mapping[str, Runs]) -> Iterator[str]:
    listed = [
        run for runs in every.values() for by_seed in runs.values() for run in by_seed.values()
    ]
    wrong = [line for run in listed for line in run.wrong]
    apart = [run.apart for run in listed if run.apart is not None]
    for line in wrong:
        yield f"- **not equal**: {line}"
    if not wrong and apart:
        yield (
            f"- filbert's own scores of its predictions equal the scorer's in all {len(apart)} "
            f"runs, dev and test (largest difference {max(apart):.0e}: the rounding of sums)"
        )
    if "cmrc" in every:
        yield f"- CMRC: Latin words within answers are parted by {chinese_words()}"
    yield (
        "- scores in percent, of the test part, mean ± standard deviation over seeds; nothing is "
        "chosen by any score; seconds: medians of training, opening and tokenising included, "
        "imports and scoring not; MB: medians of each process's peak up to its last dev score"
    )
    yield (
        "- same dev score: the lower of the two final means; when each first reaches it, between "
        "two epochs in a straight line, at the earliest at the end of the first"
    )
    yield from sorted({run.ended.machine for run in listed})
    dates = sorted({run.ended.date for run in listed})
    yield f"- {dates[0]}" + (f" to {dates[-1]}" if len(dates) > 1 else "")
    busiest = max(run.ended.load for run in listed)
    yield f"- load before the first run of a call: at most {busiest:.2f}"
