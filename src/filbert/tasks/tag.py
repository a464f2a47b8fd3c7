"""Tagging: a label for every word, and the entities that they make (section 5.3)."""

import dataclasses
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from filbert.batch import Array, Packed, Row, aligned, pack
from filbert.errors import DataError, SettingsError, did_you_mean
from filbert.tasks import judging
from filbert.tasks.judging import Judged
from filbert.tasks.lattice import Steps, best_path, marginals
from filbert.tasks.reading import Reader, read_tagged
from filbert.tasks.schemes import (
    OUTSIDE,
    Scheme,
    labels_for,
    legal_steps,
    parted,
    scheme_of,
    spans_of,
    tags_of,
)
from filbert.tasks.task import Example, Outputs, Scores, Task
from filbert.tasks.units import Units, units_of
from filbert.tasks.windows import Long, check_long, make_row, special_tokens, too_long, windows

NO_LABEL = -100
"""In targets["labels"]: a token that is not asked for, such as a continuation piece."""


@dataclass(frozen=True)
class Entity:
    """A part of a text and what it is.

    start, end   its characters
    probability  of its least sure word
    """

    start: int
    end: int
    type: str
    probability: float
    text: str = ""

    def __str__(self) -> str:
        """Its text, type and probability."""
        return f"{self.text} [{self.type} {self.probability:.2f}]"


@dataclass(frozen=True)
class Tagged:
    """The entities of a text, in the order in which they stand there.

    tokens_cut  how many tokens of the text were left out
    """

    entities: tuple[Entity, ...]
    tokens_cut: int = 0

    def __str__(self) -> str:
        """The entities in one line."""
        return " ".join(map(str, self.entities)) or "-"


@dataclass(frozen=True)
class WindowTags:
    """What a window says of its units, before the windows of a text are put together.

    units   int32 [units], their numbers in the text
    spans   int32 [units, 2], their characters
    scores  float64 [units, labels], the head's logits
    room    int32 [units], how many units stand before or behind it in the window, the fewer of both
    steps   scores of the steps from label to label
    """

    units: Array
    spans: Array
    scores: Array
    room: Array
    steps: Steps


@dataclass(frozen=True)
class Tag(Task):
    """Find the entities of a text; labels are tags, as in Hugging Face's folders.

    labels          the tags: "O", "B-PER", "I-PER", …; plain ones ("NOUN") make each word an entity
    characters      whether each character is a unit, as in data tagged that way; else each word
    crf             whether the head learns which tag follows which (a linear-chain CRF)
    overlap_tokens  of the windows of a long text, half of a window at most; each word is read where
                    it has most around it

    An example has its "entities" as (start, end, type) in characters, and may have "words", the
    characters of each, which entities are then made of. Decoding is Viterbi's: no illegal sequence.
    """

    name: ClassVar[str] = "tag"
    judged_by: ClassVar[str] = "f1"
    reader: ClassVar[Reader] = staticmethod(read_tagged)
    max_tokens: int = 256
    labels: tuple[str, ...] = ()
    characters: bool = False
    crf: bool = False
    overlap_tokens: int = 32

    def __post_init__(self) -> None:
        """Refuse labels that leave no choice."""
        super().__post_init__()
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise SettingsError(
                f"task.labels must be at least two different tags; got {list(self.labels)}"
            )
        if self.overlap_tokens < 0:
            raise SettingsError(f"task.overlap_tokens must be from 0 on; got {self.overlap_tokens}")

    @cached_property
    def scheme(self) -> Scheme:
        """The scheme that the labels follow."""
        return scheme_of(self.labels)

    @cached_property
    def _steps(self) -> Steps:
        return Steps.allowed(*legal_steps(self.labels))

    @classmethod
    def settings_for(cls, examples: Sequence[Example], said: Mapping[str, Any]) -> dict[str, Any]:
        """The tags of the types that occur, in the scheme of the file; whether by character."""
        found = dict(said)
        if "characters" not in found:
            found["characters"] = _are_characters(examples)
        if "labels" not in found:
            kinds = Counter(entity[2] for e in examples for entity in e.get("entities") or ())
            if not kinds and examples:
                raise DataError("no entity in any example: there is nothing to learn")
            schemes = {str(e["scheme"]) for e in examples if "scheme" in e} or {"BIO"}
            plain = schemes == {"plain"}
            scheme: Scheme = "plain" if plain else "BIOES" if "BIOES" in schemes else "BIO"
            found["labels"] = labels_for(sorted(kinds), scheme)
            if plain and any(_untagged(e) for e in examples):
                found["labels"] = [OUTSIDE, *found["labels"]]
        return found

    def rows_of(
        self, examples: Sequence[Example], *, long: Long = "windows", overlap_tokens: int = 0
    ) -> list[list[Row]]:
        """The rows of each example; windows share task.overlap_tokens, or more on request.

        aligned: units int32, a unit's number at its first token, -1 elsewhere; starts and stops
        int32, its characters; labels int32 where the example has entities, NO_LABEL elsewhere.
        """
        check_long(long, overlap_tokens)
        for number, example in enumerate(examples):
            _check(example, number)
        found = units_of(
            self.tokenizer,
            [example["text"] for example in examples],
            [example.get("words") for example in examples],
            characters=self.characters,
        )
        overlap = max(overlap_tokens, self.overlap_tokens)
        return [
            self._rows_of(example, units, long, overlap, number)
            for number, (example, units) in enumerate(zip(examples, found, strict=True))
        ]

    def _rows_of(
        self, example: Example, units: Units, long: Long, overlap: int, number: int
    ) -> list[Row]:
        tokens = len(units.token_ids)
        room = self.max_tokens - special_tokens(self.tokenizer, pair=False)
        overlap = min(overlap, room // 2)
        if long == "error" and tokens > room:
            where = str(example.get("place", f"text {number + 1}"))
            raise too_long(where, tokens + self.max_tokens - room, self.max_tokens)
        first = np.diff(units.unit_of, prepend=-1) > 0
        arrays = {
            "units": np.where(first, units.unit_of, -1),
            "starts": units.spans[units.unit_of, 0],
            "stops": units.spans[units.unit_of, 1],
        }
        if example.get("entities") is not None:
            labels = self._unit_labels(example, units)
            arrays["labels"] = np.where(first, labels[units.unit_of], NO_LABEL)
        cuts = [(0, min(tokens, room))] if long == "truncate" else windows(tokens, room, overlap)
        rows = []
        for start, stop in cuts:
            offsets = np.stack((arrays["starts"][start:stop], arrays["stops"][start:stop]), axis=1)
            cut = tokens - stop if long == "truncate" else 0
            row = make_row(self.tokenizer, [(units.token_ids[start:stop], offsets)], cut=cut)
            own = {
                name: np.concatenate(([_FILL[name]], values[start:stop], [_FILL[name]]))
                for name, values in arrays.items()
            }
            rows.append(
                dataclasses.replace(
                    row, aligned={name: values.astype(np.int32) for name, values in own.items()}
                )
            )
        return rows

    def _unit_labels(self, example: Example, units: Units) -> Array:
        """int32 [units]: the number of each unit's tag.

        An entity has all units of which at least one character lies in it.
        """
        starts, stops = units.spans[:, 0], units.spans[:, 1]
        spans = []
        for start, stop, kind in example["entities"]:
            first = int(np.searchsorted(stops, start, side="right"))
            last = int(np.searchsorted(starts, stop, side="left"))
            if first < last:
                spans.append((first, last, kind))
        numbers = {label: number for number, label in enumerate(self.labels)}
        tags = tags_of(spans, len(starts), self.scheme)
        unknown = next((tag for tag in tags if tag not in numbers), None)
        if unknown is not None:
            kinds = sorted({parted(label)[1] for label in self.labels} - {""})
            kind = parted(unknown)[1] or unknown
            raise DataError(
                f"{example.get('place', 'an example')}: an entity of the type {kind!r:.60} is none "
                f"of this task's {len(kinds)} types{did_you_mean(kind, kinds)}"
            )
        return np.array([numbers[tag] for tag in tags], np.int32)

    def check_labels(self, examples: Sequence[Example]) -> None:
        """Raise DataError for the first example whose entities are not said."""
        for number, example in enumerate(examples):
            if example.get("entities") is None:
                where = example.get("place", f"example {number + 1}")
                raise DataError(f"{where}: expected tags or entities, there are none")

    def batch(self, rows: Sequence[Row], seed: int, epoch: int) -> Packed:
        """Rows packed; targets: what their aligned arrays hold, and of_token, each token's row."""
        names = ["units", "starts", "stops"]
        labelled = [row for row in rows if row.aligned and "labels" in row.aligned]
        if labelled and len(labelled) != len(rows):
            raise DataError(f"{len(rows) - len(labelled)} of {len(rows)} rows have no labels")
        if labelled:
            names.append("labels")
        return pack(rows, {name: aligned(rows, name) for name in names})

    def counts(self, packed: Packed) -> dict[str, int]:
        """A target a labelled word; a CRF asks for whole sequences, its count is of words, too."""
        return {"labels": int((packed.targets["labels"] != NO_LABEL).sum())}

    def decode(self, outputs: Outputs, packed: Packed) -> list[Any]:
        """logits [tokens, labels], a CRF's first, next and last → WindowTags; `merge` ends it."""
        steps = self._steps
        if "next" in outputs:
            steps = steps.plus(*(outputs[name].astype(np.float64) for name in _LEARNT))
        logits, targets = outputs["logits"], packed.targets
        found = []
        for start, stop in zip(packed.starts, packed.ends, strict=True):
            units = targets["units"][start:stop]
            (places,) = np.nonzero(units >= 0)
            order = np.arange(len(places))
            at = places + start
            found.append(
                WindowTags(
                    units[places],
                    np.stack((targets["starts"][at], targets["stops"][at]), axis=1),
                    logits[at].astype(np.float64),
                    np.minimum(order, order[::-1]),
                    steps,
                )
            )
        return found

    def merge(self, answers: Sequence[Any]) -> Any:
        """Each unit as the window sees it in which it has most around it; then the best path."""
        steps = answers[0].steps
        units, spans, scores = answers[0].units, answers[0].spans, answers[0].scores
        if len(answers) > 1:
            numbers = np.concatenate([answer.units for answer in answers])
            room = np.concatenate([answer.room for answer in answers])
            order = np.lexsort((-room, numbers))
            _, first = np.unique(numbers[order], return_index=True)
            kept = order[first]
            units = numbers[kept]
            spans = np.concatenate([answer.spans for answer in answers])[kept]
            scores = np.concatenate([answer.scores for answer in answers])[kept]
        if not len(units):
            return Tagged(())
        path = best_path(scores, steps)
        sure = marginals(scores, steps)[np.arange(len(path)), path]
        return Tagged(
            tuple(
                Entity(
                    int(spans[first, 0]),
                    int(spans[last - 1, 1]),
                    kind,
                    float(sure[first:last].min()),
                )
                for first, last, kind in spans_of([self.labels[number] for number in path])
            )
        )

    def references(self, packed: Packed) -> list[Any]:
        """Rows do not know their text's entities: `right_answer` does."""
        return [None] * len(packed.ends)

    def finish(self, answer: Any, example: Example) -> Any:
        """Entities with their text; where the example has words of its own, of whole ones.

        A word belongs to an entity that has its first character, as its first piece decides it;
        what vanishes before that, such as a zero-width space, decides nothing.
        """
        text, words = example["text"], example.get("words")
        entities = []
        for entity in answer.entities:
            start, end = entity.start, entity.end
            if words is not None:
                inside = [
                    (first, behind)
                    for first, behind in words
                    if first < end and (start <= first or self._begins(text, first, start, behind))
                ]
                if not inside:
                    continue
                start, end = inside[0][0], inside[-1][1]
            entities.append(dataclasses.replace(entity, start=start, end=end, text=text[start:end]))
        return dataclasses.replace(answer, entities=tuple(entities))

    def _begins(self, text: str, first: int, start: int, behind: int) -> bool:
        """Whether a word's first piece is at `start`: the tokenizer drops what is before it."""
        return start < behind and not len(self.tokenizer.encode(text[first:start], specials=False))

    def right_answer(self, example: Example, reference: Any) -> Any:
        """The entities of an example, as (start, end, type)."""
        return tuple((start, stop, kind) for start, stop, kind in example["entities"])

    def says_nothing(self, predictions: Sequence[Any], references: Sequence[Any]) -> bool:
        """Whether no text gets an entity, and some should."""
        return not any(answer.entities for answer in predictions) and any(references)

    def score(self, predictions: Sequence[Any], references: Sequence[Any]) -> Scores:
        """precision, recall and f1 of whole entities, over all types and of each; as seqeval's."""
        given: Counter[str] = Counter()
        wanted: Counter[str] = Counter()
        right: Counter[str] = Counter()
        for answer, entities in zip(predictions, references, strict=True):
            mine = {(entity.start, entity.end, entity.type) for entity in answer.entities}
            given.update(kind for _, _, kind in mine)
            wanted.update(kind for _, _, kind in set(entities))
            right.update(kind for _, _, kind in mine & set(entities))
        scores = _precision_recall_f1(right.total(), given.total(), wanted.total())
        for kind in sorted(given.keys() | wanted.keys()):
            of_kind = _precision_recall_f1(right[kind], given[kind], wanted[kind])
            scores[f"{kind} f1"] = of_kind["f1"]
        return scores | {"entities": float(wanted.total()), "examples": float(len(references))}

    def judged(self, predictions: Sequence[Any], references: Sequence[Any]) -> Judged:
        """precision, recall and f1, over all types and of each; right: just these entities."""
        mine = [{(e.start, e.end, e.type) for e in answer.entities} for answer in predictions]
        theirs = [{tuple(entity) for entity in entities} for entities in references]
        types = sorted({kind for part in (mine, theirs) for each in part for _, _, kind in each})
        right = _of_types([one & other for one, other in zip(mine, theirs, strict=True)], types)
        given, wanted = _of_types(mine, types), _of_types(theirs, types)
        all_right, all_given, all_wanted = (part.sum(axis=1) for part in (right, given, wanted))
        measures = {
            "precision": judging.ratio(all_right, all_given, empty=0.0),
            "recall": judging.ratio(all_right, all_wanted, empty=0.0),
            "f1": judging.ratio(2 * all_right, all_given + all_wanted, empty=0.0),
        }
        for at, kind in enumerate(types):
            measures[f"{kind} f1"] = judging.ratio(2 * right[:, at], (given + wanted)[:, at])
        same = [one == other for one, other in zip(mine, theirs, strict=True)]
        return Judged(len(same), measures, np.array(same))


_FILL = {"units": -1, "starts": 0, "stops": 0, "labels": NO_LABEL}
_LEARNT = ("first", "next", "last")


def _of_types(entities: Sequence[Collection[tuple[Any, ...]]], types: Sequence[str]) -> Array:
    """float64 [texts, types]: how many entities of each type a text has."""
    counts = [Counter(kind for _, _, kind in each) for each in entities]
    return np.array([[count[kind] for kind in types] for count in counts], np.float64)


def _precision_recall_f1(right: int, given: int, wanted: int) -> Scores:
    return {
        "precision": right / given if given else 0.0,
        "recall": right / wanted if wanted else 0.0,
        "f1": 2 * right / (given + wanted) if given + wanted else 0.0,
    }


def _check(example: Example, number: int) -> None:
    text = example.get("text") if isinstance(example, Mapping) else None
    where = example.get("place") if isinstance(example, Mapping) else None
    where = where or f"example {number + 1}"
    if not isinstance(text, str):
        raise DataError(f"{where}: expected text under 'text', got {example!r:.80}")
    if example.get("pair") is not None:
        raise DataError(f"{where}: a pair of texts cannot be tagged")
    for what in ("words", "entities"):
        behind = 0
        for span in example.get(what) or ():
            start, stop = _characters(span, what, where)
            if not 0 <= start < stop <= len(text):
                raise DataError(
                    f"{where}: {what}: characters {start} to {stop} are not within the text's "
                    f"{len(text)}"
                )
            if what == "words" and start < behind:
                raise DataError(f"{where}: words: {start} to {stop} lies over the word before it")
            behind = stop


def _characters(span: Any, what: str, where: Any) -> tuple[int, int]:
    form = "[start, end, type]" if what == "entities" else "[start, end]"
    fine = isinstance(span, list | tuple) and len(span) == form.count(",") + 1
    if fine and all(isinstance(n, int | np.integer) and type(n) is not bool for n in span[:2]):
        if what == "words" or isinstance(span[2], str):
            return int(span[0]), int(span[1])
    raise DataError(f"{where}: {what}: expected {form}, got {span!r:.60}")


def _are_characters(examples: Sequence[Example]) -> bool:
    """Whether the words that files say are characters, nearly all of them."""
    lengths = [stop - start for e in examples for start, stop in e.get("words") or ()]
    return bool(lengths) and sum(length == 1 for length in lengths) > 0.99 * len(lengths)


def _untagged(example: Example) -> bool:
    """Whether a word of the example's own is in no entity."""
    words, entities = example.get("words"), example.get("entities") or ()
    inside = sum(stop - start for start, stop, _ in entities)
    return words is None or inside < sum(stop - start for start, stop in words)
