"""What is found of vectors: cosines beside numbers, where pairs are found, the worst of both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from filbert.batch import Array
from filbert.report import Report
from filbert.train.findings.dev import Dev, title_of
from filbert.train.findings.excerpts import MOST_ERRORS, Where
from filbert.train.page_words import Words

MOST_POINTS = 1000
RANKS = (1, 2, 4, 11, 101)
"""Where the classes of ranks begin."""
_CHARACTERS = 300


@dataclass(frozen=True)
class Pair:
    """Two texts with a number, and their cosine.

    gold_rank, rank  where the number and the cosine stand among all, from 0 (lowest) to 1
    """

    where: Where
    text: str
    pair: str
    gold: float
    cosine: float
    gold_rank: float
    rank: float


@dataclass(frozen=True)
class Sought:
    """A text whose pair was not found first.

    rank    where the pair came, counted from 1
    cosine  of text and pair
    first   what came first in its place
    """

    where: Where
    text: str
    pair: str
    rank: int
    cosine: float
    first: str
    first_cosine: float


@dataclass(frozen=True)
class FoundOfVectors:
    """What is found of vectors.

    gold, cosines  of pairs with a number, evenly chosen where there are many
    ranks          how many pairs without one were found at a rank of each class of RANKS
    worst_pairs    those whose cosine stands farthest from its place
    worst_sought   those that were found last
    """

    gold: tuple[float, ...]
    cosines: tuple[float, ...]
    ranks: tuple[int, ...]
    worst_pairs: tuple[Pair, ...]
    worst_sought: tuple[Sought, ...]

    @classmethod
    def of(cls, dev: Dev) -> "FoundOfVectors":
        """Find it."""
        scored = [at for at, number in enumerate(dev.references) if number is not None]
        paired = [at for at, number in enumerate(dev.references) if number is None]
        gold = [float(dev.references[at]) for at in scored]
        cosines = [dev.answers[at].cosine for at in scored]
        chosen = np.linspace(0, len(gold) - 1, min(MOST_POINTS, len(gold))).round().astype(int)
        found, sought = _search(dev, paired) if paired else ((), ())
        return cls(
            gold=tuple(gold[at] for at in chosen),
            cosines=tuple(cosines[at] for at in chosen),
            ranks=found,
            worst_pairs=_worst_pairs(dev, scored, gold, cosines) if scored else (),
            worst_sought=sought,
        )

    def show(self, page: Report, words: Words) -> None:
        """Append its sections."""
        if self.gold:
            page.heading(words["said_and_right"])
            page.points(
                {words["pairs"]: (self.gold, self.cosines)}, x=words["gold"], y=words["cosine"]
            )
        if self.ranks:
            page.heading(words["where_found"])
            names = [*map(_class, range(len(RANKS)))]
            page.bars(
                dict(zip(names, self.ranks, strict=True)),
                title=words["rank_of_pair"],
                value=words["pairs"],
            )
        page.heading(words["worst"])
        if not self.worst_pairs and not self.worst_sought:
            page.text(words["no_errors"])
        for pair in self.worst_pairs:
            _show_pair(page, pair, words)
        for one in self.worst_sought:
            _show_sought(page, one, words)


def _class(at: int) -> str:
    if at == len(RANKS) - 1:
        return f"{RANKS[at]}+"
    last = RANKS[at + 1] - 1
    return f"{RANKS[at]}" if last == RANKS[at] else f"{RANKS[at]}–{last}"


def _worst_pairs(
    dev: Dev, scored: Sequence[int], gold: Sequence[float], cosines: Sequence[float]
) -> tuple[Pair, ...]:
    its, mine = _places(gold), _places(cosines)
    found = []
    for n in np.argsort(-np.abs(its - mine), kind="stable")[:MOST_ERRORS].tolist():
        if its[n] == mine[n]:
            break
        example = dev.examples[scored[n]]
        found.append(
            Pair(
                Where.of(example, scored[n]),
                dev.text(example["text"], _CHARACTERS),
                dev.text(example["pair"], _CHARACTERS),
                gold[n],
                cosines[n],
                float(its[n]),
                float(mine[n]),
            )
        )
    return tuple(found)


def _places(values: Sequence[float]) -> Array:
    """Where each number stands among all, from 0 (lowest) to 1; equal ones share their mean."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts + 1) / 2)[place]
    places: Array = ranks / max(1, len(values) - 1)
    return places


def _search(dev: Dev, paired: Sequence[int]) -> tuple[tuple[int, ...], tuple[Sought, ...]]:
    """Each text looks for its pair among all pairs and negatives, as it is scored."""
    vectors = [_unit(dev.answers[at].vectors) for at in paired]
    texts = np.stack([its[0] for its in vectors])
    passages = np.concatenate([its[1:] for its in vectors])
    own = np.cumsum([0, *(len(its) - 1 for its in vectors[:-1])])
    said = [
        (at, name, number)
        for at in paired
        for name, number in (
            ("pair", 0),
            *(("negatives", n) for n in range(len(dev.answers[at].vectors) - 2)),
        )
    ]
    found = []
    for n, text in enumerate(texts):
        cosines = passages @ text
        its = cosines[own[n]]
        before = int((cosines > its).sum() + (cosines[: own[n]] == its).sum())
        found.append((before + 1, float(its), int(cosines.argmax()), float(cosines.max())))
    classes = np.searchsorted(RANKS, [rank for rank, *_ in found], side="right") - 1
    counts = np.bincount(classes, minlength=len(RANKS))
    order = sorted(range(len(found)), key=lambda n: -found[n][0])
    worst = []
    for n in order[:MOST_ERRORS]:
        rank, its, first, cosine = found[n]
        if rank == 1:
            break
        example = dev.examples[paired[n]]
        at, name, number = said[first]
        other = dev.examples[at][name]
        other = other if name == "pair" else other[number]
        mine, pair, instead = (
            dev.text(text, _CHARACTERS) for text in (example["text"], example["pair"], other)
        )
        where = Where.of(example, paired[n])
        worst.append(Sought(where, mine, pair, rank, its, instead, cosine))
    return tuple(counts.tolist()), tuple(worst)


def _unit(vectors: Array) -> Array:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Array = vectors / np.maximum(lengths, 1e-12)
    return unit


def _show_pair(page: Report, one: Pair, words: Words) -> None:
    lines = {"A": one.text, "B": one.pair} if one.text or one.pair else {}
    place = words["place_of"]
    lines[words["gold"]] = f"{one.gold:.4g} ({place.format(place=f'{100 * one.gold_rank:.0f}')})"
    lines[words["cosine"]] = f"{one.cosine:.3f} ({place.format(place=f'{100 * one.rank:.0f}')})"
    _show(page, one.where, lines, words)


def _show_sought(page: Report, one: Sought, words: Words) -> None:
    lines = {words["text"]: one.text} if one.text else {}
    found = words["found_at"].format(rank=f"{one.rank:,}", cosine=f"{one.cosine:.3f}")
    first = words["found_at"].format(rank="1", cosine=f"{one.first_cosine:.3f}")
    lines[words["its_pair"]] = f"{found}\n{one.pair}".rstrip()
    lines[words["came_first"]] = f"{first}\n{one.first}".rstrip()
    _show(page, one.where, lines, words)


def _show(page: Report, where: Where, lines: dict[str, str], words: Words) -> None:
    page.marked({name: (line, ()) for name, line in lines.items()}, title=title_of(where, words))
