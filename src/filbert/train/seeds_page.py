"""One page over all runs of a study: what came of each seed, their curves, and how far they lie."""

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from filbert.errors import FilbertError
from filbert.progress import Progress
from filbert.report import Report
from filbert.report.lines import SERIES_SHOWN
from filbert.report.links import Link
from filbert.train.curves import Floats, read_curves
from filbert.train.findings.findings import COUNTS
from filbert.train.page import PAGE, language_of, write_report
from filbert.train.page_words import Words
from filbert.train.ranks import place
from filbert.train.run import RunFolder
from filbert.train.seeds_words import SEEDS_WORDS

if TYPE_CHECKING:
    from filbert.train.seeds import Seeds, Try


def write_pages(out: Path, seeds: "Seeds", progress: Progress) -> None:
    """Write the page of each run, and the one over all of them; the first rank does.

    What cannot be written (the extra [report] is not there) is said, and fails no study.
    """
    if not place().first:
        return
    try:
        for tries in seeds.tries:
            for one in tries:
                write_report(out / one.run)
        page = write_study(out, seeds)
    except FilbertError as error:
        progress.note(f"no page of the seeds: {error}")
        return
    progress.note(f"a page to look at: {page}")


def write_study(out: Path | str, seeds: "Seeds", *, language: str | None = None) -> Path:
    """Write report.html into the folder of several runs, with links to their own pages.

    Args:
        out: the folder in which the runs' folders lie.
        seeds: what `finetune_seeds` gave, or `read_seeds`.
        language: "en" or "zh"; None: that of the runs.

    Returns:
        The page's path.

    Raises CheckpointError naming file and line of a log that is broken, ExtraError where altair is
    not installed.
    """
    out = Path(out)
    every = [one for tries in seeds.tries for one in tries]
    language = language or language_of(RunFolder(out / every[0].run))
    words = SEEDS_WORDS[language]
    page = Report(words["title"].format(name=out.resolve().name), language=language)
    page.text(words["lead"].format(task=seeds.task, seeds=len(seeds.tries), runs=len(every)))
    _overview(page, seeds, words)
    page.heading(words["scores"])
    page.table(
        [words["score"], words["dev"], words["test"]], list(_spreads(seeds)), words["spread_text"]
    )
    _curves(page, out, every, seeds.score, words)
    page.heading(words["runs"])
    page.table(
        [words[name] for name in ("seed", "run", "came_out", "dev", "test", "kept")],
        [_row(out, one, seeds, words) for one in every],
        words["runs_caption"].format(score=seeds.score),
    )
    return page.write(out / PAGE)


def _overview(page: Report, seeds: "Seeds", words: Words) -> None:
    restarts = sum(len(tries) - 1 for tries in seeds.tries)
    facts: dict[str, str | int] = {}
    for part in ("dev", "test"):
        if values := seeds.values(part):
            facts[f"{words[part]}, {seeds.score}"] = spread(values)
    if restarts:
        facts[words["without_restarts"]] = spread(seeds.values("dev", restarted=False))
        facts[words["restarts"]] = restarts
    facts[words["best"]] = seeds.best
    page.facts(facts)
    if restarts:
        page.text(words["restarts_text"])


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation; of one value, the value."""
    if not values:
        return "–"
    if len(values) < 2:
        return f"{values[0]:.4f}"
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"


def _spreads(seeds: "Seeds") -> Iterator[tuple[str, str | None, str | None]]:
    """(score, dev, test): the mean and the deviation over the seeds, of the tries that count."""
    last = [tries[-1] for tries in seeds.tries]
    names = dict.fromkeys(name for one in last for name in (*one.dev, *one.test))
    for name in sorted(names, key=lambda name: name != seeds.score):
        if name in COUNTS:
            continue
        dev = [one.dev[name] for one in last if name in one.dev]
        test = [one.test[name] for one in last if name in one.test]
        yield name, spread(dev) if dev else None, spread(test) if test else None


def _curves(page: Report, out: Path, every: "Sequence[Try]", score: str, words: Words) -> None:
    page.heading(words["curves"])
    read = {one.run: read_curves(out / one.run) for one in every}
    dev = {name: curves.dev_curve(score) for name, curves in read.items()}
    loss = {name: curves.curve("loss") for name, curves in read.items()}
    for title, found, smooth in (
        (words["dev_curves"].format(score=score), dev, False),
        (words["loss_curves"], loss, True),
    ):
        there = [(name, points) for name, points in found.items() if points is not None]
        for start in range(0, len(there), SERIES_SHOWN):
            some: dict[str, tuple[Floats, Floats]] = dict(there[start : start + SERIES_SHOWN])
            page.lines(some, x=words["step"], title=title, smooth=smooth)


def _row(
    out: Path, one: "Try", seeds: "Seeds", words: Words
) -> tuple[int, Link | str, str, float | None, float | None, str]:
    there = (out / one.run / PAGE).is_file()
    best = one.run == seeds.best and not one.failed
    folder = RunFolder(out / one.run)
    steps = folder.steps()
    kept = folder.best(seeds.score) or (steps[-1] if steps else None)
    return (
        one.seed,
        Link(one.run, f"{one.run}/{PAGE}") if there else one.run,
        words["failed"] if one.failed else words["the_best"] if best else words["learnt"],
        one.dev.get(seeds.score),
        one.test.get(seeds.score),
        kept.path.name if kept else "–",
    )
