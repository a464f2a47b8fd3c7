"""Choosing one of several endings (Devlin et al. 2019, section 4.4: SWAG)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from filbert.batch import Array, Packed, Row, joined, pack, row_labels
from filbert.errors import DataError, RequestError
from filbert.tasks import judging
from filbert.tasks.judging import Judged
from filbert.tasks.scores import accuracy
from filbert.tasks.task import Example, Outputs, Scores, Task
from filbert.tasks.windows import Long


@dataclass(frozen=True)
class Chosen:
    """Which of the endings fits best.

    choice         its number, counted from 0
    text           the ending
    probabilities  of all of them
    tokens_cut     how many tokens of question and endings were left out
    """

    choice: int
    probability: float
    probabilities: tuple[float, ...]
    text: str = ""
    tokens_cut: int = 0

    def __str__(self) -> str:
        """The ending and its probability."""
        return f"{self.text or self.choice} ({self.probability:.2f})"


@dataclass(frozen=True)
class Choose(Task):
    """Of several "choices" the one that goes on from "text"; label: its number, from 0.

    Each ending is read beside the text, and gives one logit; a softmax goes over the endings. They
    must be seen together, so nothing is read as windows: what is too long is cut from the longer of
    the two, which is counted.
    """

    name: ClassVar[str] = "choose"
    judged_by: ClassVar[str] = "accuracy"

    def rows_of(
        self, examples: Sequence[Example], *, long: Long = "windows", overlap_tokens: int = 0
    ) -> list[list[Row]]:
        """One row an example, each ending a part of it; see Task."""
        for number, example in enumerate(examples):
            self._check(example, number)
        beside = [
            {"text": example["text"], "pair": choice, "place": _where(example, number)}
            for number, example in enumerate(examples)
            for choice in example["choices"]
        ]
        cut: Long = "error" if long == "error" else "truncate"
        single = iter(super().rows_of(beside, long=cut))
        return [
            [joined([next(single)[0] for _ in example["choices"]], self.labels_of(example))]
            for example in examples
        ]

    def _check(self, example: Example, number: int) -> None:
        choices = example.get("choices") if isinstance(example, Mapping) else None
        fine = isinstance(choices, list | tuple) and all(isinstance(c, str) for c in choices)
        if not fine or len(choices or ()) < 2:
            raise DataError(
                f"{_where(example, number)}: expected under 'choices' two texts or more, got "
                f"{choices!r:.80}"
            )

    def labels_of(self, example: Example) -> Array | None:
        """The right choice: int32 []. Raises DataError for a number that none of them has."""
        label = example.get("label")
        if label is None:
            return None
        try:
            number = int(str(label))
        except ValueError:
            number = -1
        if not 0 <= number < len(example["choices"]):
            raise DataError(
                f"{_where(example, 0)}: expected a label from 0 to {len(example['choices']) - 1}, "
                f"the number of the right choice; got {label!r:.40}"
            )
        return np.array(number, np.int32)

    def check_labels(self, examples: Sequence[Example]) -> None:
        """Raise DataError for the first example without a label."""
        for number, example in enumerate(examples):
            if example.get("label") is None:
                raise DataError(f"{_where(example, number)}: expected a label, there is none")

    def batch(self, rows: Sequence[Row], seed: int, epoch: int) -> Packed:
        """Rows packed, a sequence an ending.

        targets: of_row int32 [sequences], the number of the row that an ending is of; labels int32
        [rows], where the rows have them.
        """
        if any(row.parts is None for row in rows):
            raise RequestError("choose needs rows of several endings; use rows_of")
        counts = [len(row.parts) for row in rows if row.parts is not None]
        targets = {"of_row": np.repeat(np.arange(len(rows), dtype=np.int32), counts)}
        labels = row_labels(rows, np.int32)
        if labels is not None:
            targets["labels"] = labels
        return pack(rows, targets)

    def counts(self, packed: Packed) -> dict[str, int]:
        """A target a row."""
        return {"labels": int(packed.targets["of_row"][-1]) + 1}

    def decode(self, outputs: Outputs, packed: Packed) -> list[Any]:
        """logits [sequences, 1] → Chosen."""
        logits = outputs["logits"][:, 0].astype(np.float64)
        starts = np.flatnonzero(np.diff(packed.targets["of_row"])) + 1
        return [_chosen(row) for row in np.split(logits, starts)]

    def references(self, packed: Packed) -> list[Any]:
        """The right choices."""
        return list(packed.targets["labels"].tolist())

    def finish(self, answer: Any, example: Example) -> Any:
        """The answer with the ending's text."""
        return Chosen(
            answer.choice,
            answer.probability,
            answer.probabilities,
            example["choices"][answer.choice],
            answer.tokens_cut,
        )

    def score(self, predictions: Sequence[Any], references: Sequence[Any]) -> Scores:
        """accuracy."""
        chosen = [str(answer.choice) for answer in predictions]
        return {
            "accuracy": accuracy(chosen, [str(right) for right in references]),
            "examples": float(len(references)),
        }

    def judged(self, predictions: Sequence[Any], references: Sequence[Any]) -> Judged:
        """accuracy."""
        right = [a.choice == int(r) for a, r in zip(predictions, references, strict=True)]
        return Judged(len(right), {"accuracy": judging.mean(right)}, np.array(right))


def _chosen(logits: Array) -> Chosen:
    weights = np.exp(logits - logits.max())
    probabilities = weights / weights.sum()
    best = int(probabilities.argmax())
    return Chosen(best, float(probabilities[best]), tuple(probabilities.tolist()))


def _where(example: Example, number: int) -> str:
    place = example.get("place") if isinstance(example, Mapping) else None
    return str(place) if place else f"example {number + 1}"
