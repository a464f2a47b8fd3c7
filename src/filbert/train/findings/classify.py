"""What is found of a classifier: by label, who is taken for whom, how sure, the worst errors."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from filbert.report import Report
from filbert.tasks import Classified, Classify
from filbert.train.findings.calibrating import Calibration, show_calibration
from filbert.train.findings.counts import (
    Counts,
    Taken,
    counted,
    most_taken,
    show_counts,
    show_taken,
)
from filbert.train.findings.dev import Dev, title_of
from filbert.train.findings.excerpts import MOST_ERRORS, Mark, Where, brief
from filbert.train.page_words import Words

MATRIX_LABELS = 30
"""More labels are shown as the pairs that are taken for each other."""
_LIKELIEST = 3  # labels of an error, beside the right one and those that were given
_MOST = 20  # labels of a text that has many


@dataclass(frozen=True)
class Mistaken:
    """A text that got other labels than it has.

    gold, predicted  labels; of a text that may have several, all of them
    probabilities    (label, probability) of the likeliest, and of those in gold and predicted
    """

    where: Where
    text: str
    gold: tuple[str, ...]
    predicted: tuple[str, ...]
    probabilities: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class FoundOfLabels:
    """What is found of a classifier.

    several      whether a text may have several labels
    labels       the counts of each
    taken        which label was given for which, right ones included; of one label a text
    calibration  of the probability of the answer; of several labels, of every label
    before       the same without the temperature
    wrong        how many answers are
    worst        the errors that were made with the highest probability
    """

    several: bool
    temperature: float
    labels: tuple[Counts, ...]
    taken: tuple[Taken, ...]
    calibration: Calibration
    before: Calibration | None
    wrong: int
    worst: tuple[Mistaken, ...]

    @classmethod
    def of(cls, dev: Dev) -> "FoundOfLabels":
        """Find it."""
        task = dev.task
        assert isinstance(task, Classify)
        given = [set(answer.labels) for answer in dev.answers]
        wanted = [_set(reference) for reference in dev.references]
        right = [mine & its for mine, its in zip(given, wanted, strict=True)]
        pairs = [] if task.several else zip(dev.references, _firsts(dev.answers), strict=True)
        errors = _errors(dev, task)
        unfitted = dev.unfitted if task.temperature != 1 else None
        return cls(
            several=task.several,
            temperature=task.temperature,
            labels=counted(task.labels, *(map(_counter, (wanted, given, right)))),
            taken=most_taken(pairs),
            calibration=_calibration(task, dev.answers, dev.references),
            before=None if unfitted is None else _calibration(task, unfitted, dev.references),
            wrong=len(errors),
            worst=tuple(one for _, one in errors[:MOST_ERRORS]),
        )

    def show(self, page: Report, words: Words) -> None:
        """Append its sections."""
        page.heading(words["by_label"])
        show_counts(page, self.labels, words, words["label"])
        if self.taken:
            page.heading(words["confusion"])
            self._show_confusion(page, words)
        show_calibration(
            page,
            self.calibration,
            words,
            before=self.before,
            temperature=None if self.before is None else self.temperature,
        )
        page.heading(words["worst"])
        count = {"wrong": f"{self.wrong:,}", "shown": f"{len(self.worst):,}"}
        page.text(words["worst_labels"].format(**count) if self.wrong else words["no_errors"])
        if self.several:
            if self.worst:
                page.text(words["signs"])
            for one in self.worst:
                _show_several(page, one, words)
        elif self.worst:
            page.samples([_sample(one, words) for one in self.worst])

    def _show_confusion(self, page: Report, words: Words) -> None:
        names = [one.name for one in self.labels]
        if len(names) > MATRIX_LABELS or len(set(names)) < len(names):
            wrong = [pair for pair in self.taken if pair.true != pair.predicted]
            show_taken(page, wrong, words)
            return
        number = {name: at for at, name in enumerate(names)}
        counts = np.zeros((len(names), len(names)), np.int64)
        for pair in self.taken:
            counts[number[pair.true], number[pair.predicted]] += pair.count
        page.matrix(counts, names)


def _set(reference: Any) -> set[str]:
    return {reference} if isinstance(reference, str) else set(reference)


def _firsts(answers: Sequence[Classified]) -> list[str]:
    return [answer.label for answer in answers]


def _counter(sets: Iterable[set[str]]) -> Counter[str]:
    return Counter(label for labels in sets for label in labels)


def _calibration(task: Classify, answers: Sequence[Any], references: Sequence[Any]) -> Calibration:
    """Of what calibration_error is of, too."""
    if task.several:
        sure = [p for answer in answers for p in answer.probabilities.values()]
        return Calibration.of(sure, [n in its for its in references for n in task.labels])
    right = [answer.label == its for answer, its in zip(answers, references, strict=True)]
    return Calibration.of([answer.probability for answer in answers], right)


def _errors(dev: Dev, task: Classify) -> list[tuple[float, Mistaken]]:
    """Errors with how sure each was, the surest first."""
    found = []
    for where, example, answer, reference in dev:
        gold, predicted = _set(reference), set(answer.labels)
        if gold == predicted:
            continue
        of = answer.probabilities
        wrong = [of[label] for label in predicted - gold]
        missed = [1 - of[label] for label in gold - predicted] if task.several else []
        shown = [label for label, _ in answer.best(_LIKELIEST)]
        first = [label for label in task.labels if label in gold][:_MOST]
        shown = list(dict.fromkeys([*shown, *first, *answer.labels[:_MOST]]))
        mistake = Mistaken(
            where,
            dev.both(example),
            tuple(map(brief, first)),
            tuple(map(brief, answer.labels[:_MOST])),
            tuple((brief(label), of[label]) for label in shown),
        )
        found.append((max(wrong + missed), mistake))
    found.sort(key=lambda item: -item[0])
    return found


def _sample(one: Mistaken, words: Words) -> tuple[str, list[tuple[str, float]], str]:
    title = title_of(one.where, words)
    return f"{title}\n{one.text}" if one.text else title, list(one.probabilities), one.gold[0]


def _show_several(page: Report, one: Mistaken, words: Words) -> None:
    """Gold beside predicted, each label marked as right or not."""
    of = dict(one.probabilities)

    def line(labels: Sequence[str], others: Sequence[str], kind: str) -> tuple[str, list[Mark]]:
        text, marks = "", list[Mark]()
        for label in labels:
            text += ", " if text else ""
            its = "right" if label in others else kind
            if label:
                marks.append((len(text), len(text) + len(label), f"{of[label]:.2f}", its))
            text += label
        return text or words["no_label"], marks

    lines: dict[str, tuple[str, list[Mark]]] = {}
    if one.text:
        lines[words["text"]] = one.text, []
    lines[words["gold"]] = line(one.gold, one.predicted, "missed")
    lines[words["predicted"]] = line(one.predicted, one.gold, "wrong")
    page.marked(lines, title=title_of(one.where, words))
