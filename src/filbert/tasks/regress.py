"""A number for a text or a pair (Devlin et al. 2019, section 4.1: STS-B)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from filbert.batch import Array, Packed, Row, pack, row_labels
from filbert.errors import DataError
from filbert.tasks import judging
from filbert.tasks.judging import Judged
from filbert.tasks.scores import pearson, spearman
from filbert.tasks.task import Example, Outputs, Scores, Task


@dataclass(frozen=True)
class Measured:
    """A text's number.

    tokens_cut  how many tokens of the text were left out
    """

    value: float
    tokens_cut: int = 0

    def __str__(self) -> str:
        """The number."""
        return f"{self.value:.4g}"


@dataclass(frozen=True)
class Regress(Task):
    """Say a number, learnt by its squared error.

    pooling    what the head reads: the vector of the "first" token, or the "mean" of all
    middle     the mean of the numbers learnt from: the head says how far from it, in `deviation`s
    deviation  their standard deviation

    A long text is read as windows; in use the windows' numbers are averaged.
    """

    name: ClassVar[str] = "regress"
    judged_by: ClassVar[str] = "spearman"
    pooling: Literal["first", "mean"] = "first"
    middle: float = 0.0
    deviation: float = 1.0

    @classmethod
    def settings_for(cls, examples: Sequence[Example], said: Mapping[str, Any]) -> dict[str, Any]:
        """The mean of the numbers and their deviation."""
        values = [number_of(example, count + 1) for count, example in enumerate(examples)]
        known = [value for value in values if value is not None]
        if not known:
            return dict(said)
        return {"middle": float(np.mean(known)), "deviation": float(np.std(known)) or 1.0, **said}

    def labels_of(self, example: Example) -> Array | None:
        """The example's number: float32 []. Raises DataError for what is none."""
        value = number_of(example, None)
        return None if value is None else np.array(value, np.float32)

    def check_labels(self, examples: Sequence[Example]) -> None:
        """Raise DataError for the first example without a number."""
        for count, example in enumerate(examples):
            if number_of(example, count + 1) is None:
                where = example.get("place", f"example {count + 1}")
                raise DataError(f"{where}: expected a number as its label, there is none")

    def batch(self, rows: Sequence[Row], seed: int, epoch: int) -> Packed:
        """Rows packed; targets, where the rows have them: labels float32 [sequences], in units.

        A unit is the deviation, counted from the middle.
        """
        numbers = row_labels(rows, np.float32)
        if numbers is None:
            return pack(rows)
        units = (numbers - self.middle) / self.deviation
        return pack(rows, {"labels": units.astype(np.float32)})

    def decode(self, outputs: Outputs, packed: Packed) -> list[Any]:
        """logits [sequences, 1] → Measured."""
        values = outputs["logits"][:, 0].astype(np.float64) * self.deviation + self.middle
        return [Measured(float(value)) for value in values]

    def references(self, packed: Packed) -> list[Any]:
        """The right numbers."""
        values = packed.targets["labels"].astype(np.float64) * self.deviation + self.middle
        return [float(value) for value in values]

    def right_answer(self, example: Example, reference: Any) -> Any:
        """The example's own number, which went through no float32."""
        return number_of(example, None)

    def merge(self, answers: Sequence[Any]) -> Any:
        """The mean of the windows' numbers."""
        if len(answers) == 1:
            return answers[0]
        return Measured(float(np.mean([answer.value for answer in answers])))

    def says_nothing(self, predictions: Sequence[Any], references: Sequence[Any]) -> bool:
        """Whether all texts get nearly the same number, and should not."""
        apart = float(np.std([answer.value for answer in predictions]))
        return apart < 0.01 * self.deviation <= float(np.std(references))

    def score(self, predictions: Sequence[Any], references: Sequence[Any]) -> Scores:
        """pearson, spearman, and mean_error: how far off an answer is, on the average."""
        values = [answer.value for answer in predictions]
        apart = np.abs(np.array(values) - np.array(references))
        return {
            "pearson": pearson(values, references),
            "spearman": spearman(values, references),
            "mean_error": float(apart.mean()),
            "examples": float(len(references)),
        }

    def judged(self, predictions: Sequence[Any], references: Sequence[Any]) -> Judged:
        """pearson, spearman and mean_error."""
        values = [answer.value for answer in predictions]
        apart = np.abs(np.array(values) - np.array(references))
        measures = {
            "pearson": judging.pearson(values, references),
            "spearman": judging.spearman(values, references),
            "mean_error": judging.mean(apart),
        }
        return Judged(len(values), measures)


def number_of(example: Example, number: int | None) -> float | None:
    """An example's label as a number; None where it has none.

    number: which of the examples it is, for messages. Raises DataError naming its place.
    """
    label = example.get("label")
    if label is None:
        return None
    try:
        value = math.nan if isinstance(label, bool) else float(label)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        where = example.get("place", "an example" if number is None else f"example {number}")
        raise DataError(f"{where}: expected a number as its label, got {label!r:.60}")
    return value
