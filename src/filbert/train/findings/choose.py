"""What is found of choices: by place, how sure, the worst errors."""

from collections import Counter
from dataclasses import dataclass

from filbert.report import Report
from filbert.train.findings.calibrating import Calibration, show_calibration
from filbert.train.findings.counts import Counts, counted, show_counts
from filbert.train.findings.dev import Dev, title_of
from filbert.train.findings.excerpts import CHARACTERS, MOST_ERRORS, Where
from filbert.train.page_words import Words

_MOST = 20  # endings


@dataclass(frozen=True)
class Misled:
    """A text for which another ending was chosen.

    choices        the endings; without texts, empty ones
    probabilities  of each
    """

    where: Where
    text: str
    choices: tuple[str, ...]
    probabilities: tuple[float, ...]
    gold: int
    predicted: int


@dataclass(frozen=True)
class FoundOfChoices:
    """What is found of choosing.

    places       the counts of the first ending, the second, …: a model that prefers a place shows
    calibration  of the probability of the chosen ending
    wrong        how many choices are
    worst        those that were made with the highest probability
    """

    places: tuple[Counts, ...]
    calibration: Calibration
    wrong: int
    worst: tuple[Misled, ...]

    @classmethod
    def of(cls, dev: Dev) -> "FoundOfChoices":
        """Find it."""
        given = [str(answer.choice + 1) for answer in dev.answers]
        wanted = [str(reference + 1) for reference in dev.references]
        right = [mine for mine, its in zip(given, wanted, strict=True) if mine == its]
        hits = [mine == its for mine, its in zip(given, wanted, strict=True)]
        names = sorted({*given, *wanted}, key=int)
        errors = [one for one, hit in zip(dev, hits, strict=True) if not hit]
        errors.sort(key=lambda one: -one[2].probability)
        worst = []
        for where, example, answer, reference in errors[:MOST_ERRORS]:
            count = max(reference + 1, answer.choice + 1, min(_MOST, len(example["choices"])))
            room = CHARACTERS // min(count, 4)
            choices = tuple(dev.text(text, room) for text in example["choices"][:count])
            probabilities = answer.probabilities[:count]
            text = dev.text(example["text"])
            worst.append(Misled(where, text, choices, probabilities, reference, answer.choice))
        return cls(
            places=counted(names, Counter(wanted), Counter(given), Counter(right)),
            calibration=Calibration.of([answer.probability for answer in dev.answers], hits),
            wrong=len(errors),
            worst=tuple(worst),
        )

    def show(self, page: Report, words: Words) -> None:
        """Append its sections."""
        page.heading(words["by_place"])
        show_counts(page, self.places, words, words["place"])
        show_calibration(page, self.calibration, words)
        page.heading(words["worst"])
        count = {"wrong": f"{self.wrong:,}", "shown": f"{len(self.worst):,}"}
        page.text(words["worst_labels"].format(**count) if self.wrong else words["no_errors"])
        if self.worst:
            page.samples([_sample(one, words) for one in self.worst])


def _sample(one: Misled, words: Words) -> tuple[str, list[tuple[str, float]], str]:
    title = title_of(one.where, words)
    names = [f"{n}. {text}" if text else f"{n}." for n, text in enumerate(one.choices, 1)]
    text = f"{title}\n{one.text}" if one.text else title
    return text, list(zip(names, one.probabilities, strict=True)), names[one.gold]
