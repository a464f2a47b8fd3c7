"""Text classification (Devlin et al. 2019, section 4.1): one label for a text or a pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from filbert.batch import Array, Packed, Row, pack
from filbert.errors import DataError, SettingsError, did_you_mean
from filbert.tasks.scores import accuracy, macro_f1
from filbert.tasks.task import Example, Outputs, Scores, Task


@dataclass(frozen=True)
class Classified:
    """The label of a text, and how sure the network is.

    probabilities  of every label, in the order of the task's labels
    tokens_cut     how many tokens of the text were left out
    """

    label: str
    probability: float
    probabilities: Mapping[str, float]
    tokens_cut: int = 0

    def best(self, count: int) -> list[tuple[str, float]]:
        """The likeliest labels with their probabilities, the best first."""
        return sorted(self.probabilities.items(), key=lambda pair: -pair[1])[:count]

    def __str__(self) -> str:
        """The label and its probability."""
        return f"{self.label} ({self.probability:.2f})"


@dataclass(frozen=True)
class Classify(Task):
    """Choose one of `labels`.

    pooling  what the head reads: the vector of the "first" token, or the "mean" of all

    A long text is read as windows; in training each of them carries the text's label, in use the
    probabilities of the windows are averaged.
    """

    name: ClassVar[str] = "classify"
    main_score: ClassVar[str] = "accuracy"
    labels: tuple[str, ...] = ()
    pooling: Literal["first", "mean"] = "first"

    def __post_init__(self) -> None:
        """Refuse labels that leave no choice."""
        super().__post_init__()
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise SettingsError(
                f"task.labels must be at least two different labels; got {list(self.labels)}"
            )

    def labels_of(self, example: Example) -> Array | None:
        """The number of the example's label: int32 [].

        Raises DataError for a label that the task does not know, naming the nearest.
        """
        label = example.get("label")
        if label is None:
            return None
        if str(label) not in self.labels:
            where = f"{example['place']}: " if "place" in example else ""
            raise DataError(
                f"{where}label {str(label)!r} is not one of this task's {len(self.labels)} "
                f"labels{did_you_mean(str(label), self.labels)}"
            )
        return np.array(self.labels.index(str(label)), np.int32)

    def check_labels(self, examples: Sequence[Example]) -> None:
        """Raise DataError for the first example without a label."""
        for number, example in enumerate(examples):
            if example.get("label") is None:
                where = example.get("place", f"example {number + 1}")
                raise DataError(f"{where}: expected a label, there is none")

    def batch(self, rows: Sequence[Row], seed: int, epoch: int) -> Packed:
        """Rows packed; targets: labels int32 [sequences], where the rows have them."""
        labels = [row.labels for row in rows if row.labels is not None]
        if labels and len(labels) != len(rows):
            raise DataError(f"{len(rows) - len(labels)} of {len(rows)} rows have no label")
        return pack(rows, {"labels": np.array(labels, np.int32)} if labels else None)

    def decode(self, outputs: Outputs, packed: Packed) -> list[Any]:
        """logits [sequences, labels] → Classified."""
        logits = outputs["logits"].astype(np.float64)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return [self._answer(row) for row in weights / weights.sum(axis=1, keepdims=True)]

    def _answer(self, probabilities: Array) -> Classified:
        best = int(probabilities.argmax())
        return Classified(
            self.labels[best],
            float(probabilities[best]),
            dict(zip(self.labels, probabilities.tolist(), strict=True)),
        )

    def references(self, packed: Packed) -> list[Any]:
        """The right labels."""
        return [self.labels[number] for number in packed.targets["labels"]]

    def merge(self, answers: Sequence[Any]) -> Any:
        """The mean of the windows' probabilities: each window is one reading with one voice."""
        if len(answers) == 1:
            return answers[0]
        return self._answer(
            np.mean([list(answer.probabilities.values()) for answer in answers], axis=0)
        )

    def score(self, predictions: Sequence[Any], references: Sequence[Any]) -> Scores:
        """accuracy, and macro_f1: the mean of the labels' F1."""
        labels = [prediction.label for prediction in predictions]
        return {
            "accuracy": accuracy(labels, references),
            "macro_f1": macro_f1(labels, references),
            "examples": float(len(references)),
        }
