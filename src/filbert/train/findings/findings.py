"""What a fine-tuned checkpoint says of its dev set, kept in the run's folder as findings.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from filbert.checkpoint.json_files import read_ours, write_ours
from filbert.disk import atomic_file
from filbert.errors import CheckpointError, SettingsError, did_you_mean
from filbert.report import Report
from filbert.settings import from_mapping, to_mapping
from filbert.tasks import Interval, Scores
from filbert.train.findings.choose import FoundOfChoices
from filbert.train.findings.classify import FoundOfLabels
from filbert.train.findings.dev import Found
from filbert.train.findings.embed import FoundOfVectors
from filbert.train.findings.regress import FoundOfNumbers
from filbert.train.findings.rerank import FoundOfRankings
from filbert.train.findings.span import FoundOfAnswers
from filbert.train.findings.tag import FoundOfEntities
from filbert.train.page_words import Words

FINDINGS_FILE = "findings.json"

COUNTS = ("examples", "queries", "entities")
"""Scores that say how many there are; how many examples, the first line says."""

FOUND: Mapping[str, type[Found]] = {
    "classify": FoundOfLabels,
    "regress": FoundOfNumbers,
    "tag": FoundOfEntities,
    "span": FoundOfAnswers,
    "rerank": FoundOfRankings,
    "choose": FoundOfChoices,
    "embed": FoundOfVectors,
}


@dataclass(frozen=True)
class About:
    """What findings are of.

    task       a key of FOUND
    folder     the checkpoint, by its name in the run
    digest     of its weights
    texts      whether texts of the dev set are among them
    examples   how many it has
    main       the score by which models are compared
    scores     of the checkpoint on them, as training has logged them
    intervals  of those scores that have one
    """

    task: str
    folder: str
    digest: str
    texts: bool
    examples: int
    main: str
    scores: Scores
    intervals: dict[str, Interval]


@dataclass(frozen=True)
class Findings:
    """What a checkpoint says of its dev set."""

    about: About
    found: Found

    def write(self, run: Path) -> None:
        """Keep them in a run's folder. Raises FilbertError where they cannot be written."""
        with atomic_file(run / FINDINGS_FILE) as draft:
            write_ours(draft, "findings", to_mapping(self))

    def show_scores(self, page: Report, words: Words) -> None:
        """Append the scores with their intervals."""
        about = self.about
        examples = f"{about.examples:,}"
        page.text(words["found_lead"].format(folder=about.folder, examples=examples))
        if not about.texts:
            page.text(words["found_no_texts"])
        names = [name for name in about.scores if name not in COUNTS]
        names.sort(key=lambda name: name != about.main)
        rows = [(n, f"{about.scores[n]:.4f}", _bounds(about.intervals.get(n))) for n in names]
        if some := next(iter(about.intervals.values()), None):
            level = words["interval"].format(level=f"{100 * some.level:g}")
            rounds = words["intervals_caption"].format(rounds=f"{some.rounds:,}")
            page.table([words["score"], words["value"], level], rows, rounds)
        else:
            page.table([words["score"], words["value"]], [row[:2] for row in rows])
        if counts := [name for name in COUNTS[1:] if name in about.scores]:
            page.facts({words[name]: int(about.scores[name]) for name in counts})


def _bounds(interval: Interval | None) -> str | None:
    return None if interval is None else f"{interval.low:.4f} – {interval.high:.4f}"


def read_findings(run: Path | str) -> Findings | None:
    """What was found of a run; None: nothing was kept.

    Raises CheckpointError naming the file where it cannot be read.
    """
    file = Path(run) / FINDINGS_FILE
    if not file.is_file():
        return None
    table = read_ours(file, "findings")
    about, found = table.get("about"), table.get("found")
    if not isinstance(about, dict) or not isinstance(found, dict):
        raise CheckpointError(f"{file}: expected objects in the fields 'about' and 'found'")
    try:
        known = from_mapping(about, About, f"{file}: about")
        if known.task not in FOUND:
            raise CheckpointError(
                f"{file}: task: {known.task!r:.40} is unknown{did_you_mean(known.task, FOUND)}"
            )
        return Findings(known, from_mapping(found, FOUND[known.task], f"{file}: found"))
    except SettingsError as error:
        raise CheckpointError(
            f"{error}; it may come from another filbert: remove it, and call the same fine-tuning "
            "again to have it anew"
        ) from error
