"""What is found of rankings: how good each query's is, and the worst of them."""

from dataclasses import dataclass

import numpy as np

from filbert.report import Report
from filbert.tasks.ranking import mean_ndcg
from filbert.train.findings.dev import Dev, title_of
from filbert.train.findings.excerpts import MOST_ERRORS, Where
from filbert.train.page_words import Words

BINS = 10
CUT = 10
"""Passages of a ranking that count, as in ndcg@10."""
_CHARACTERS = 300


@dataclass(frozen=True)
class Ranked:
    """A passage in its query's ranking.

    rank  counted from 1
    """

    text: str
    rank: int
    score: float
    relevance: float


@dataclass(frozen=True)
class Query:
    """A query whose ranking could be better.

    passages  how many there are
    first     the passage that came first
    relevant  the first one that is relevant; the same, or one below it
    """

    where: Where
    text: str
    ndcg: float
    passages: int
    first: Ranked
    relevant: Ranked


@dataclass(frozen=True)
class FoundOfRankings:
    """What is found of reranking.

    ndcg      how many queries have an ndcg@10 of 0 to 0.1, … 0.9 to below 1, and of 1
    mean      of the queries' ndcg@10
    silent    queries without a relevant passage: they say nothing
    worst     the lowest ones
    """

    ndcg: tuple[int, ...]
    mean: float
    silent: int
    worst: tuple[Query, ...]

    @classmethod
    def of(cls, dev: Dev) -> "FoundOfRankings":
        """Find it."""
        places: dict[str, list[int]] = {}
        for place, asked in enumerate(dev.references):
            places.setdefault(asked.query, []).append(place)
        found = []
        for its in places.values():
            ranking = [(dev.answers[at].score, dev.references[at].relevance) for at in its]
            if any(relevance > 0 for _, relevance in ranking):
                found.append((mean_ndcg([ranking], CUT), its))
        # A ranking that is right up to rounding is right.
        values = np.array([min(1.0, round(value, 9)) for value, _ in found])
        bins = np.bincount((values * BINS).astype(int), minlength=BINS + 1)
        found.sort(key=lambda one: one[0])
        return cls(
            ndcg=tuple(bins.tolist()),
            mean=float(np.mean([value for value, _ in found])) if found else 0.0,
            silent=len(places) - len(found),
            worst=tuple(
                _query(dev, value, its) for value, its in found[:MOST_ERRORS] if value < 1 - 1e-9
            ),
        )

    def show(self, page: Report, words: Words) -> None:
        """Append its sections."""
        page.heading(words["by_query"])
        names = [f"{at / BINS:.1f} – {(at + 1) / BINS:.1f}" for at in range(BINS)] + ["1"]
        page.bars(dict(zip(names, self.ndcg, strict=True)), title="ndcg@10", value=words["queries"])
        if self.silent:
            page.text(words["silent_queries"].format(count=f"{self.silent:,}"))
        page.heading(words["worst"])
        if not self.worst:
            page.text(words["no_errors"])
        for one in self.worst:
            lines = {words["query"]: one.text} if one.text else {}
            lines[words["came_first"]] = _line(one.first, words)
            if one.relevant.rank > 1:
                lines[words["first_relevant"]] = _line(one.relevant, words)
            count = words["of_passages"].format(count=f"{one.passages:,}")
            page.marked(
                {name: (line, ()) for name, line in lines.items()},
                title=f"{title_of(one.where, words)} · ndcg@10 {one.ndcg:.3f} · {count}",
            )


def _line(one: Ranked, words: Words) -> str:
    said = words["ranked"].format(
        rank=f"{one.rank:,}", score=f"{one.score:.3f}", relevance=f"{one.relevance:g}"
    )
    return f"{said}\n{one.text}" if one.text else said


def _query(dev: Dev, ndcg: float, its: list[int]) -> Query:
    order = sorted(its, key=lambda at: -dev.answers[at].score)
    first = next(n for n, at in enumerate(order) if dev.references[at].relevance > 0)

    def ranked(rank: int) -> Ranked:
        at = order[rank]
        text = dev.text(dev.examples[at]["pair"], _CHARACTERS)
        return Ranked(text, rank + 1, dev.answers[at].score, dev.references[at].relevance)

    example = dev.examples[its[0]]
    where = Where.of(example, its[0])
    text = dev.text(example["text"], _CHARACTERS)
    return Query(where, text, ndcg, len(its), ranked(0), ranked(first))
