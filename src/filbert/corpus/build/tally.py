"""What is counted while a corpus is read, part by part, and put together at the end.

Plain dictionaries inside, so that a part's counts lie beside it as JSON. The examples are chosen by
a number of their own (a hash of source and place), not by who came first: they come from all over
the corpus, and the same ones whatever the order of the parts' ends.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from filbert.files import Problem
from filbert.settings import to_mapping

SAMPLES = 5
NAMED = 5
"""So many problems of a kind are told one by one of each source; the others are counted."""
SAMPLE_CHARACTERS = 200
_MESSAGE_CHARACTERS = 300


@dataclass(order=True, frozen=True, slots=True)
class Sample:
    """A text that a rule dropped, cut, and where it stands; `draw` decides which are shown."""

    draw: str
    text: str
    source: str
    place: str


@dataclass(frozen=True, slots=True)
class Example:
    """A problem and where it is."""

    source: str
    place: str
    message: str
    lost: bool


@dataclass
class Named:
    """The problems of one kind in one source.

    Attributes:
        count: all of them.
        lost: those by which text was lost.
        first: place and message of the first of them.
    """

    count: int = 0
    lost: int = 0
    first: list[tuple[str, str]] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        """Count one more."""
        self.count += 1
        self.lost += problem.lost
        if len(self.first) < NAMED:
            self.first.append((problem.place, cut_text(problem.message, _MESSAGE_CHARACTERS)))


@dataclass
class Tally:
    """The counts of a part, or of all.

    Attributes:
        read_documents: texts that were found.
        kept_documents: that no rule dropped.
        dropped: by rule.
        samples: by rule.
        lost: problems by which text was lost, by kind.
        noted: problems in spite of which the text was kept, by kind.
        examples: by kind of problem, those of lost texts first, and from several sources.
        named: by kind of problem and source; of a part only, not of all (there may be millions).
        kinds: by kind of source: files, bytes, documents.
    """

    read_documents: int = 0
    kept_documents: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    lost: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Example]] = field(default_factory=dict)
    named: dict[str, dict[str, Named]] = field(default_factory=dict)
    kinds: dict[str, Counter[str]] = field(default_factory=dict)

    def drop(self, rule: str, text: str, source: str, place: str) -> None:
        """Count a dropped text."""
        self.dropped[rule] += 1
        draw = hashlib.blake2b(f"{source}\0{place}".encode(), digest_size=8).hexdigest()
        shown = self.samples.setdefault(rule, [])
        if len(shown) < SAMPLES or draw < shown[-1].draw:
            short = Sample(draw, cut_text(text, SAMPLE_CHARACTERS), source, place)
            self.samples[rule] = sorted([*shown, short])[:SAMPLES]

    def problem(self, problem: Problem, source: str) -> None:
        """Count a problem."""
        (self.lost if problem.lost else self.noted)[problem.kind] += 1
        named = self.named.setdefault(problem.kind, {}).setdefault(source, Named())
        named.add(problem)
        shown = self.examples.setdefault(problem.kind, [])
        if named.count <= SAMPLES or problem.lost:
            message = cut_text(problem.message, _MESSAGE_CHARACTERS)
            example = Example(source, problem.place, message, problem.lost)
            self.examples[problem.kind] = _chosen([*shown, example])

    def source(self, kind: str, **counts: int) -> None:
        """Count something of a kind of source."""
        self.kinds.setdefault(kind, Counter()).update(counts)

    def add(self, other: "Tally") -> None:
        """Put the counts of a later part to these."""
        self.read_documents += other.read_documents
        self.kept_documents += other.kept_documents
        self.dropped += other.dropped
        self.lost += other.lost
        self.noted += other.noted
        for rule, samples in other.samples.items():
            self.samples[rule] = sorted([*self.samples.get(rule, []), *samples])[:SAMPLES]
        for kind, examples in other.examples.items():
            self.examples[kind] = _chosen([*self.examples.get(kind, []), *examples])
        for kind, counts in other.kinds.items():
            self.source(kind, **counts)

    def problems(self) -> dict[str, int]:
        """All problems by kind, the most frequent first."""
        return dict((self.lost + self.noted).most_common())

    def first_lost(self) -> Example | None:
        """The first example of a lost text."""
        shown = (each for examples in self.examples.values() for each in examples)
        return next((each for each in shown if each.lost), None)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        values: dict[str, Any] = to_mapping(self)
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Tally":
        """What to_json gave."""
        return cls(
            values["read_documents"],
            values["kept_documents"],
            Counter(values["dropped"]),
            {rule: [Sample(**each) for each in all_] for rule, all_ in values["samples"].items()},
            Counter(values["lost"]),
            Counter(values["noted"]),
            {kind: [Example(**each) for each in all_] for kind, all_ in values["examples"].items()},
            {
                kind: {source: Named(**each) for source, each in sources.items()}
                for kind, sources in values["named"].items()
            },
            {kind: Counter(counts) for kind, counts in values["kinds"].items()},
        )


def _chosen(examples: list[Example]) -> list[Example]:
    """A few of them: lost texts before remarks, the first of each source before its second."""
    seen: Counter[tuple[str, bool]] = Counter()
    ranks = []
    for example in examples:
        seen[example.source, example.lost] += 1
        ranks.append((not example.lost, seen[example.source, example.lost]))
    ordered = sorted(range(len(examples)), key=lambda number: ranks[number])
    return [examples[number] for number in sorted(ordered[:SAMPLES])]


def cut_text(text: str, most: int) -> str:
    """The beginning of a text in one line, with an ellipsis where more follows."""
    short = " ".join(text[: 2 * most].split())
    cut = len(short) > most or len(text) > 2 * most
    return f"{short[:most].rstrip()}…" if cut else short
