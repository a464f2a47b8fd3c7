"""What is found of a tagger: by type, in which way entities are wrong, the worst sentences."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from filbert.report import Report
from filbert.tasks import Tag, Tagged
from filbert.train.findings.counts import (
    MOST_PAIRS,
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

Span = tuple[int, int, str]
"""An entity: (start, end, type), in characters."""

WAYS = ("missed", "spurious", "type", "bounds", "both")
"""How an entity can be wrong: not found; none there; of another type; of other bounds; of both."""


@dataclass(frozen=True)
class Sentence:
    """A text with errors: gold and predicted entities as marks in it.

    wrong  how many entities were missed or should not be there
    """

    where: Where
    text: str
    gold: tuple[Mark, ...]
    predicted: tuple[Mark, ...]
    wrong: int


@dataclass(frozen=True)
class FoundOfEntities:
    """What is found of a tagger.

    types   the counts of each, as scored: whole entities
    right   how many entities are
    ways    how often entities are wrong in which way: a key of WAYS → count
    taken   types that were given for each other to a part of a text
    wrong   how many texts have an error
    worst   those with the most errors
    """

    types: tuple[Counts, ...]
    right: int
    ways: dict[str, int]
    taken: tuple[Taken, ...]
    wrong: int
    worst: tuple[Sentence, ...]

    @classmethod
    def of(cls, dev: Dev) -> "FoundOfEntities":
        """Find it."""
        wanted: Counter[str] = Counter()
        given: Counter[str] = Counter()
        right: Counter[str] = Counter()
        ways: Counter[str] = Counter()
        taken: list[tuple[str, str]] = []
        errors = []
        plain = isinstance(dev.task, Tag) and dev.task.scheme == "plain"
        for where, example, answer, reference in dev:
            gold, mine = set(reference), _spans(answer)
            wanted.update(kind for _, _, kind in gold)
            given.update(kind for _, _, kind in mine)
            right.update(kind for _, _, kind in gold & mine)
            if gold == mine:
                continue
            for way, its, said in _paired(gold - mine, mine - gold):
                ways[way] += 1
                if way in ("type", "both"):
                    taken.append((its, said))
            errors.append((len(gold ^ mine), where, example, answer, gold))
        errors.sort(key=lambda error: -error[0])
        names = sorted(wanted.keys() | given.keys(), key=lambda name: (-wanted[name], name))
        return cls(
            types=counted(names, wanted, given, right),
            right=right.total(),
            ways={way: ways[way] for way in WAYS},
            taken=most_taken(taken, MOST_PAIRS),
            wrong=len(errors),
            worst=tuple(
                _sentence(dev, where, example["text"], answer, gold, plain)
                for _, where, example, answer, gold in errors[: MOST_ERRORS * dev.texts]
            ),
        )

    def show(self, page: Report, words: Words) -> None:
        """Append its sections."""
        page.heading(words["by_type"])
        show_counts(page, self.types, words, words["type_of_entity"])
        page.heading(words["ways"])
        page.text(words["ways_text"])
        page.bars(
            {words["way_right"]: self.right}
            | {words[f"way_{way}"]: self.ways.get(way, 0) for way in WAYS},
            value=words["entities"],
        )
        if self.taken:
            show_taken(page, self.taken, words)
        page.heading(words["worst"])
        count = {"wrong": f"{self.wrong:,}", "shown": f"{len(self.worst):,}"}
        said = "worst_texts" if self.worst else "wrong_untold" if self.wrong else "no_errors"
        page.text(words[said].format(**count))
        if self.worst:
            page.text(words["signs"])
        for one in self.worst:
            page.marked(
                {
                    words["gold"]: (one.text, one.gold),
                    words["predicted"]: (one.text, one.predicted),
                },
                title=title_of(one.where, words),
            )


def _spans(answer: Tagged) -> set[Span]:
    return {(entity.start, entity.end, entity.type) for entity in answer.entities}


def _paired(gold: set[Span], mine: set[Span]) -> list[tuple[str, str, str]]:
    """(way, type of gold, type that was said) of what is only in one of the two.

    An entity of the one belongs to that of the other with which it shares the most characters,
    those of the same type first; each belongs to one at most.
    """
    shared = []
    for its in gold:
        for said in mine:
            common = min(its[1], said[1]) - max(its[0], said[0])
            if common > 0:
                same = its[:2] == said[:2]
                shared.append((not same, its[2] != said[2], -common, its, said))
    found, used = [], set[tuple[str, Span]]()
    for other_bounds, other_type, _, its, said in sorted(shared):
        if ("gold", its) in used or ("mine", said) in used:
            continue
        used |= {("gold", its), ("mine", said)}
        way = "both" if other_bounds and other_type else "bounds" if other_bounds else "type"
        found.append((way, its[2], said[2]))
    found += [("missed", its[2], "") for its in gold if ("gold", its) not in used]
    found += [("spurious", "", said[2]) for said in mine if ("mine", said) not in used]
    return found


def _sentence(
    dev: Dev, where: Where, text: str, answer: Tagged, gold: set[Span], plain: bool
) -> Sentence:
    """plain: each word has a tag, so only those that are wrong are marked."""
    mine = _spans(answer)
    wrong = sorted(gold ^ mine)
    part = dev.excerpt(text, [(start, end) for start, end, _ in wrong])
    right = set[Span]() if plain else gold & mine
    sure = {(e.start, e.end, e.type): e.probability for e in answer.entities}
    return Sentence(
        where,
        part.text,
        gold=part.marks(_marks(sorted(gold - mine | right), right, "missed", {})),
        predicted=part.marks(_marks(sorted(mine - gold | right), right, "wrong", sure)),
        wrong=len(wrong),
    )


def _marks(
    spans: Sequence[Span], right: set[Span], kind: str, sure: dict[Span, float]
) -> list[Mark]:
    found = []
    for span in spans:
        start, end, its = span
        label = f"{brief(its, 40)} {sure[span]:.2f}" if span in sure else brief(its, 40)
        found.append((start, end, label, "right" if span in right else kind))
    return found
