"""What can be learnt, in plain numbers: the interface of every task.

A task knows nothing of networks, loops, optimizers or ranks. It is a frozen dataclass whose fields
are its settings (they are what task.json holds), plus the tokenizer that it is bound to.
"""

import dataclasses
import itertools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from filbert.batch import Array, Packed, Row, batches_by_tokens
from filbert.errors import DataError, SettingsError
from filbert.tasks.judging import Judged
from filbert.tasks.reading import Paths, Reader, read_examples
from filbert.tasks.windows import Long, check_long, special_tokens, text_rows, too_long
from filbert.tokenizer import Tokenizer

Example = Mapping[str, Any]
Outputs = Mapping[str, Array]
Scores = dict[str, float]
Run = Callable[[Packed], Outputs]
RunAll = Callable[[Iterable[Packed]], Iterator[Outputs]]

SCORE_TOKENS = 8192
"""Tokens of a batch where a set is scored: training and `evaluate` alike, so the numbers agree."""


@dataclass(frozen=True)
class Task(ABC):
    """Examples → rows → batches; outputs → answers; answers → scores.

    max_tokens  the longest row that the task makes, special tokens included
    """

    name: ClassVar[str]
    judged_by: ClassVar[str]
    reader: ClassVar[Reader] = staticmethod(read_examples)
    max_tokens: int = 128

    def __post_init__(self) -> None:
        """Refuse settings that make no rows."""
        if self.max_tokens < 4:
            raise SettingsError(f"task.max_tokens must be at least 4; got {self.max_tokens}")

    def with_tokenizer(self, tokenizer: Tokenizer) -> Self:
        """This task, able to read text."""
        bound = dataclasses.replace(self)
        object.__setattr__(bound, "_tokenizer", tokenizer)
        return bound

    @property
    def main_score(self) -> str:
        """The score by which models for this task are compared."""
        return self.judged_by

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that the task is bound to; SettingsError if there is none."""
        tokenizer: Tokenizer | None = getattr(self, "_tokenizer", None)
        if tokenizer is None:
            raise SettingsError(f"the task {self.name} has no tokenizer; use with_tokenizer")
        return tokenizer

    def rows(self, example: Example) -> list[Row]:
        """One example ({"text"} or {"text", "pair"}) as rows; a long text becomes windows."""
        return self.rows_of([example])[0]

    def rows_of(
        self, examples: Sequence[Example], *, long: Long = "windows", overlap_tokens: int = 0
    ) -> list[list[Row]]:
        """The rows of each example; all texts are tokenised in one go.

        long            what becomes of an example that is longer than max_tokens: "windows", its
                        beginning alone ("truncate"), or an "error"
        overlap_tokens  how many tokens each two neighbouring windows share

        Raises RequestError where `long` is "error", naming the text, its tokens and the limit.
        """
        return self._rows(examples, long, overlap_tokens)

    def _rows(
        self, examples: Sequence[Example], long: Long, overlap_tokens: int, prompt: str = ""
    ) -> list[list[Row]]:
        """`rows_of`, with a prompt before each text."""
        check_long(long, overlap_tokens)
        tokenizer, texts = self.tokenizer, []
        for number, example in enumerate(examples):
            text, *pair = (_text(example, part, number) for part in _parts(example))
            texts += [prompt + text, *pair]
        alone = tokenizer.encode(prompt, specials=False) if prompt else None
        encoded = iter(tokenizer.encode_batch(texts, specials=False))
        groups = []
        for number, example in enumerate(examples):
            parts = [next(encoded) for _ in _parts(example)]
            tokens = sum(map(len, parts)) + special_tokens(tokenizer, pair=len(parts) == 2)
            if long == "error" and tokens > self.max_tokens:
                raise too_long(_where(example, number), tokens, self.max_tokens)
            groups.append(
                text_rows(
                    tokenizer,
                    *parts,
                    max_tokens=self.max_tokens,
                    overlap_tokens=overlap_tokens,
                    labels=self.labels_of(example),
                    truncate=long == "truncate",
                    prompt=alone,
                )
            )
        return groups

    @classmethod
    def read(
        cls,
        paths: Paths,
        say: Callable[[str], None] = lambda text: None,
        columns: Mapping[str, str] | None = None,
    ) -> list[Example]:
        """The examples of files, as they are for this task; what was found in them is said.

        columns  of a table: the file's own names for "text", "pair", "label", …

        Raises DataError naming file, line and field.
        """
        return list(cls.reader(paths, say, columns))

    @classmethod
    def settings_for(cls, examples: Sequence[Example], said: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that were said, and those that the examples give, such as their labels."""
        return dict(said)

    @classmethod
    def lesson(cls, example: Example) -> Example | None:
        """An example as it is learnt from; None where it cannot be."""
        return example

    @classmethod
    def can_be_scored(cls, example: Example) -> bool:
        """Whether there is something to hold an answer against."""
        return True

    def labels_of(self, example: Example) -> Array | None:
        """What a row keeps of an example's label; None where the task has no use for one."""
        return None

    def check_labels(self, examples: Sequence[Example]) -> None:
        """Refuse examples that cannot be learnt from or scored, by name, before any work."""
        return

    @abstractmethod
    def batch(self, rows: Sequence[Row], seed: int, epoch: int) -> Packed:
        """Rows packed, with the targets that the task's head learns from.

        All that is random comes from (seed, epoch) and each row's origin.
        """

    def scored_batch(self, rows: Sequence[Row], seed: int) -> Packed:
        """Rows packed to be scored; the same every time."""
        return self.batch(rows, seed, 0)

    def at(self, spent: float) -> Self:
        """The task as it is when this part of the training's budget is spent, 0 to 1.

        Most tasks never change; a schedule of the masking rate is one that does.
        """
        return self

    def counts(self, packed: Packed) -> dict[str, int]:
        """How many targets each term of the head's loss has in a batch, by the term's name."""
        return {"labels": len(packed.ends)}

    @abstractmethod
    def decode(self, outputs: Outputs, packed: Packed) -> list[Any]:
        """What the head gave → one answer a row."""

    @abstractmethod
    def references(self, packed: Packed) -> list[Any]:
        """The right answers of a pack, one a row."""

    def finish(self, answer: Any, example: Example) -> Any:
        """An example's answer with what only its text can give, such as the words of a span."""
        return answer

    def right_answer(self, example: Example, reference: Any) -> Any:
        """What an example's answer is scored against; `reference` is what its first row says."""
        return reference

    @abstractmethod
    def score(self, predictions: Sequence[Any], references: Sequence[Any]) -> Scores:
        """Answers against the right ones."""

    def judged(self, predictions: Sequence[Any], references: Sequence[Any]) -> Judged:
        """What `score` counts, before it is counted up: for intervals and comparisons.

        Each score equals that of `score` where all count once. Raises DataError for a task whose
        scores have no intervals.
        """
        raise DataError(f"the scores of the task {self.name} have no intervals")

    def fitted(self, predictions: Sequence[Any], references: Sequence[Any]) -> Self:
        """The task with what is not learnt by gradients but found on a dev set: a threshold, say.

        It changes what `decode` makes of the head's outputs, never the head.
        """
        return self

    def says_nothing(self, predictions: Sequence[Any], references: Sequence[Any]) -> bool:
        """Whether the answers tell no text from another, though the right ones do.

        The same label for all, no entity at all: that is what a network says that learns nothing
        (Mosbach et al. 2021). Where it would be right, it proves nothing.
        """
        return False

    def merge(self, answers: Sequence[Any]) -> Any:
        """The answers of one example's windows → its answer."""
        if len(answers) != 1:
            raise DataError(f"the task {self.name} cannot join the answers of several windows")
        return answers[0]


def _text(example: Example, part: str, number: int) -> str:
    text = example.get(part) if isinstance(example, Mapping) else None
    if isinstance(text, str):
        return text
    where = _where(example, number, "example")
    raise DataError(f"{where}: expected text under {part!r}, got {example!r:.80}")


def _where(example: Example, number: int, what: str = "text") -> str:
    """An example's place, or its number, for messages."""
    place = example.get("place") if isinstance(example, Mapping) else None
    return str(place) if place else f"{what} {number + 1}"


def numbered(groups: Sequence[Sequence[Row]]) -> list[list[Row]]:
    """Rows with their numbers as origins, so that each has chance of its own."""
    number = itertools.count()
    return [
        [dataclasses.replace(row, origin=(0, next(number))) for row in group] for group in groups
    ]


def _parts(example: Example) -> tuple[str, ...]:
    paired = isinstance(example, Mapping) and example.get("pair") is not None
    return ("text", "pair") if paired else ("text",)


@dataclass(frozen=True)
class Answered:
    """Answers and, where the rows have labels, the references and scores.

    answers     one an example, in the order of the examples
    task        what they are answers of
    """

    answers: list[Any]
    references: list[Any]
    scores: Scores
    task: Task


def answer_rows(
    task: Task,
    groups: Sequence[Sequence[Row]],
    run_all: RunAll,
    *,
    batch_tokens: int = SCORE_TOKENS,
    seed: int = 0,
    examples: Sequence[Example] | None = None,
    batch: Callable[[Sequence[Row]], Packed] | None = None,
    labelled: bool = True,
    each: Callable[[int], None] | None = None,
) -> Answered:
    """Answer examples, each given as its rows; score them where they are labelled.

    train scores a dev set and `evaluate` a Folder by this one function: same batches, same numbers.

    run_all   packs → outputs, in their order; may work ahead on several threads
    examples  what the groups were made of; None: they are rows of shards
    batch     how rows become a pack; None: the task's own way to be scored
    each      called with the rows of every batch that is done, for progress
    """
    make = batch or (lambda rows: task.scored_batch(rows, seed))
    rows = [row for group in groups for row in group]
    answers: list[Any] = [None] * len(rows)
    references: list[Any] = [None] * len(rows)
    packs: deque[tuple[Array, Packed]] = deque()

    def packed_rows() -> Iterator[Packed]:
        for indices in batches_by_tokens([len(row) for row in rows], batch_tokens):
            packs.append((indices, make([rows[index] for index in indices])))
            yield packs[-1][1]

    for outputs in run_all(packed_rows()):
        indices, packed = packs.popleft()
        for index, answer in zip(indices, task.decode(outputs, packed), strict=True):
            answers[index] = answer
        if labelled:
            for index, reference in zip(indices, task.references(packed), strict=True):
                references[index] = reference
        if each:
            each(len(indices))
    merged, right, place = [], [], 0
    for group in groups:
        merged.append(task.merge(answers[place : place + len(group)]))
        right.append(references[place])
        place += len(group)
    if examples is not None:
        merged = list(map(task.finish, merged, examples))
        right = list(map(task.right_answer, examples, right)) if labelled else right
    scores = task.score(merged, right) if labelled and merged else {}
    return Answered(merged, right, scores, task)
