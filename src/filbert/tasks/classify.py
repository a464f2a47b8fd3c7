"""Text classification (Devlin et al. 2019, section 4.1): labels for a text or a pair."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np

from filbert.batch import Array, Packed, Row, pack, row_labels
from filbert.errors import DataError, SettingsError, did_you_mean
from filbert.tasks import judging
from filbert.tasks.calibration import fitted_temperature
from filbert.tasks.judging import Judged
from filbert.tasks.scores import accuracy, calibration_error, macro_f1, matthews, set_f1
from filbert.tasks.task import Example, Outputs, Scores, Task


@dataclass(frozen=True)
class Classified:
    """The label of a text, and how sure the network is.

    label          the likeliest
    probability    of that label
    probabilities  of every label, in the order of the task's labels; they sum to 1, unless a text
                   may have several labels
    tokens_cut     how many tokens of the text were left out
    labels         of a task whose texts may have several: all that were found, the likeliest first;
                   else the one label
    """

    label: str
    probability: float
    probabilities: Mapping[str, float]
    tokens_cut: int = 0
    labels: tuple[str, ...] = ()

    def best(self, count: int) -> list[tuple[str, float]]:
        """The likeliest labels with their probabilities, the best first."""
        return sorted(self.probabilities.items(), key=lambda pair: -pair[1])[:count]

    def __str__(self) -> str:
        """The label and its probability; of several labels all of them."""
        if self.labels == (self.label,):
            return f"{self.label} ({self.probability:.2f})"
        named = (f"{label} ({self.probabilities[label]:.2f})" for label in self.labels)
        return ", ".join(named) or "none"


@dataclass(frozen=True)
class Classify(Task):
    """Choose one of `labels`, or all that hold.

    pooling          what the head reads: the vector of the "first" token, or the "mean" of all
    several          whether a text may have several labels, or none; each is then asked for itself
    threshold        with `several`: the probability from which on a label holds
    class_weights    in the loss, a number for each of the labels; "balanced": as if all labels were
                     equally frequent; empty: all alike
    label_smoothing  of the loss: this part of the wanted certainty goes to all labels alike
                     (Szegedy et al. 2016, section 7)
    temperature      the logits are divided by it (Guo et al. 2017, section 4.2); found on the dev
                     set, so that a probability of 0.8 holds in 8 of 10 cases

    A long text is read as windows; in training each of them carries the text's labels, in use the
    probabilities of the windows are averaged.
    """

    name: ClassVar[str] = "classify"
    judged_by: ClassVar[str] = "accuracy"
    labels: tuple[str, ...] = ()
    pooling: Literal["first", "mean"] = "first"
    several: bool = False
    threshold: float = 0.5
    class_weights: tuple[float, ...] | Literal["balanced"] = ()
    label_smoothing: float = 0.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Refuse labels that leave no choice, and numbers that mean nothing."""
        super().__post_init__()
        least = 1 if self.several else 2
        if len(self.labels) < least or len(set(self.labels)) != len(self.labels):
            raise SettingsError(
                f"task.labels must be at least {'one label' if least == 1 else 'two'}"
                f"{'' if least == 1 else ' different labels'}; got {list(self.labels)}"
            )
        weights = self.class_weights
        if weights and weights != "balanced" and len(weights) != len(self.labels):
            raise SettingsError(
                f"task.class_weights: expected {len(self.labels)} numbers, one a label, or "
                f"'balanced'; got {list(weights)}"
            )
        if not 0 <= self.label_smoothing < 1:
            raise SettingsError(
                f"task.label_smoothing must be in [0, 1); got {self.label_smoothing}"
            )
        if not 0 < self.threshold < 1:
            raise SettingsError(f"task.threshold must be between 0 and 1; got {self.threshold}")
        if not 0 < self.temperature < 1e6:
            raise SettingsError(f"task.temperature must be above 0; got {self.temperature}")

    @classmethod
    def settings_for(cls, examples: Sequence[Example], said: Mapping[str, Any]) -> dict[str, Any]:
        """The labels that occur, sorted, whether a text has several, and balanced weights."""
        found = dict(said)
        sets = [_labels(example) for example in examples]
        if "several" not in found:
            found["several"] = any("labels" in example for example in examples)
        if "labels" not in found:
            if examples and not any(sets):
                raise DataError("example 1: expected a label, there is none")
            found["labels"] = sorted({label for labels in sets for label in labels})
        if found.get("class_weights") == "balanced":
            counts = Counter(label for labels in sets for label in labels)
            total = counts.total() / len(found["labels"])
            found["class_weights"] = [
                round(total / max(1, counts[label]), 6) for label in found["labels"]
            ]
        return found

    def labels_of(self, example: Example) -> Array | None:
        """The number of the example's label: int32 []; of `several`, bool [labels].

        Raises DataError for a label that the task does not know, naming the nearest.
        """
        if example.get("label") is None and example.get("labels") is None:
            return None
        numbers = [self._number(label, example) for label in _labels(example)]
        if self.several:
            held = np.zeros(len(self.labels), np.bool_)
            held[numbers] = True
            return held
        if len(numbers) != 1:
            raise DataError(
                f"{_where(example)}: expected one label, got {len(numbers)}: several labels a text "
                "need task.several=true"
            )
        return np.array(numbers[0], np.int32)

    def _number(self, label: str, example: Example) -> int:
        if label not in self.labels:
            raise DataError(
                f"{_where(example)}: label {label!r:.80} is not one of this task's "
                f"{len(self.labels)} labels{did_you_mean(label, self.labels)}"
            )
        return self.labels.index(label)

    def check_labels(self, examples: Sequence[Example]) -> None:
        """Raise DataError for the first example without a label."""
        for number, example in enumerate(examples):
            if example.get("label") is None and example.get("labels") is None:
                where = example.get("place", f"example {number + 1}")
                raise DataError(f"{where}: expected a label, there is none")

    def batch(self, rows: Sequence[Row], seed: int, epoch: int) -> Packed:
        """Rows packed; targets, where the rows have them: labels.

        int32 [sequences]; of `several`, float32 [sequences, labels], 1 where a label holds.
        """
        labels = row_labels(rows, np.float32 if self.several else np.int32)
        return pack(rows, None if labels is None else {"labels": labels})

    def decode(self, outputs: Outputs, packed: Packed) -> list[Any]:
        """logits [sequences, labels] → Classified."""
        logits = outputs["logits"].astype(np.float64) / self.temperature
        if self.several:
            return [self._answer(row) for row in 1 / (1 + np.exp(-logits.clip(-700, 700)))]
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return [self._answer(row) for row in weights / weights.sum(axis=1, keepdims=True)]

    def _answer(self, probabilities: Array) -> Classified:
        best = int(probabilities.argmax())
        held = [best]
        if self.several:
            order = np.argsort(-probabilities, kind="stable")
            held = [int(n) for n in order if probabilities[n] >= self.threshold]
        return Classified(
            self.labels[best],
            float(probabilities[best]),
            dict(zip(self.labels, probabilities.tolist(), strict=True)),
            labels=tuple(self.labels[number] for number in held),
        )

    def references(self, packed: Packed) -> list[Any]:
        """The right labels: one a text, or a tuple of all."""
        if self.several:
            return [
                tuple(label for label, holds in zip(self.labels, row, strict=True) if holds)
                for row in packed.targets["labels"]
            ]
        return [self.labels[number] for number in packed.targets["labels"]]

    def merge(self, answers: Sequence[Any]) -> Any:
        """The mean of the windows' probabilities: each window is one reading with one voice."""
        if len(answers) == 1:
            return answers[0]
        return self._answer(
            np.mean([list(answer.probabilities.values()) for answer in answers], axis=0)
        )

    def score(self, predictions: Sequence[Any], references: Sequence[Any]) -> Scores:
        """How good the labels are.

        accuracy           of one label; of several, the share of texts with just the right ones
        macro_f1           the mean of the labels' F1
        micro_f1           of several labels: F1 over all labels of all texts
        mcc                of one label: Matthews' correlation
        calibration_error  how far the likeliest label's probability lies from how often it is right
        """
        examples = {"examples": float(len(references))}
        if self.several:
            found = [prediction.labels for prediction in predictions]
            pairs = list(zip(found, references, strict=True))
            right = sum(set(mine) == set(wanted) for mine, wanted in pairs)
            sure = [p for answer in predictions for p in answer.probabilities.values()]
            holds = [name in wanted for wanted in references for name in self.labels]
            return {
                "accuracy": right / len(references),
                **set_f1(found, references),
                "calibration_error": calibration_error(sure, holds),
            } | examples
        labels = [prediction.label for prediction in predictions]
        hits = [mine == wanted for mine, wanted in zip(labels, references, strict=True)]
        return {
            "accuracy": accuracy(labels, references),
            "macro_f1": macro_f1(labels, references),
            "mcc": matthews(labels, references),
            "calibration_error": calibration_error([a.probability for a in predictions], hits),
        } | examples

    def judged(self, predictions: Sequence[Any], references: Sequence[Any]) -> Judged:
        """accuracy, macro_f1 and mcc or, of several labels, micro_f1; right: just these labels."""
        if self.several:
            given, wanted = (
                [set(answer.labels) for answer in predictions],
                list(map(set, references)),
            )
        else:
            given, wanted = [{answer.label} for answer in predictions], [{r} for r in references]
        pairs = list(zip(given, wanted, strict=True))
        right = np.array([mine == theirs for mine, theirs in pairs])
        measures = {
            "accuracy": judging.mean(right),
            "macro_f1": judging.macro_f1(given, wanted),
        }
        if self.several:
            common = [2 * len(mine & theirs) for mine, theirs in pairs]
            either = [len(mine) + len(theirs) for mine, theirs in pairs]
            measures["micro_f1"] = judging.ratio(common, either, empty=0.0)
        else:
            measures["mcc"] = judging.matthews([a.label for a in predictions], references)
        return Judged(len(right), measures, right)

    def says_nothing(self, predictions: Sequence[Any], references: Sequence[Any]) -> bool:
        """Whether all texts get the same labels, and should not."""
        same = len({answer.labels for answer in predictions}) < 2
        return same and len(set(references)) > 1

    def fitted(self, predictions: Sequence[Any], references: Sequence[Any]) -> Self:
        """The task with the temperature at which the predictions' probabilities hold best."""
        values = np.array([list(answer.probabilities.values()) for answer in predictions])
        if self.several:
            wanted = np.array([[name in right for name in self.labels] for right in references])
        else:
            numbers = {label: number for number, label in enumerate(self.labels)}
            wanted = np.array([numbers[label] for label in references])
        temperature = self.temperature * fitted_temperature(values, wanted)
        fitted = dataclasses.replace(self, temperature=round(float(temperature), 6))
        return fitted.with_tokenizer(self.tokenizer)


def _labels(example: Example) -> list[str]:
    """The labels of an example, one or several, as texts."""
    several = example.get("labels")
    if several is not None:
        return [str(label) for label in several]
    return [] if example.get("label") is None else [str(example["label"])]


def _where(example: Example) -> str:
    return str(example["place"]) if "place" in example else "an example"
