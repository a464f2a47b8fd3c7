"""One scorer for all contestants: the same held-out rows, the same masks, the same loss."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.nn import functional

from filbert.batch import Packed, Row, batches_by_tokens
from filbert.checkpoint import load
from filbert.encoder import to_tensors
from filbert.heads import Model
from filbert.tasks import Pretrain
from race.clock import Clock
from race.rows import numbered

_PACK_TOKENS = 4096
_SEED = 1


class Scorer:
    """The loss of masked tokens (nats a token), 15 % of each row, in float32 on the CPU."""

    def __init__(self, rows: Sequence[Row], task: Pretrain):
        """Hide the tokens, once and for all."""
        self._task = task
        rows = numbered(rows)
        groups = batches_by_tokens([len(row) for row in rows], _PACK_TOKENS)
        self._packs: list[Packed] = [
            task.scored_batch([rows[index] for index in group], _SEED) for group in groups
        ]
        self.masked = sum(len(packed.targets["labels"]) for packed in self._packs)

    def loss(self, model: Model) -> float:
        """Of a model of filbert's as it stands; it is left in the mode in which it was."""
        training, total = model.training, 0.0
        model.eval()
        with torch.inference_mode():
            for packed in self._packs:
                tensors = to_tensors(packed, model.encoder.shape)
                logits = model(tensors)["logits"].float()
                labels = tensors.targets["labels"]
                total += float(functional.cross_entropy(logits, labels, reduction="sum"))
        model.train(training)
        return total / self.masked

    def loss_of(self, folder: Path) -> float:
        """Of a folder, whoever has written it."""
        return self.loss(load(folder, task=self._task))


@dataclass
class Curve:
    """The held-out loss over seconds of training.

    points    (seconds, loss), the first before any step
    steps     that were made
    tokens    real tokens that were read
    """

    points: list[tuple[float, float]] = field(default_factory=list)
    steps: int = 0
    tokens: int = 0

    def at(self, seconds: float) -> float:
        """The loss then, between two points in a straight line; the last one's behind them."""
        before = (0.0, float("nan"))
        for after in self.points:
            if after[0] >= seconds:
                if after[0] == seconds or not before[0] < after[0]:
                    return after[1]
                part = (seconds - before[0]) / (after[0] - before[0])
                return before[1] + part * (after[1] - before[1])
            before = after
        return before[1]

    def reaches(self, loss: float) -> float | None:
        """After how many seconds the loss is first so low; None: never."""
        before: tuple[float, float] | None = None
        for seconds, here in self.points:
            if here <= loss:
                if before is None or before[1] <= here:
                    return seconds
                part = (before[1] - loss) / (before[1] - here)
                return before[0] + part * (seconds - before[0])
            before = (seconds, here)
        return None

    @property
    def final(self) -> float:
        """The last loss."""
        return self.points[-1][1]


@dataclass
class Sampling:
    """Scores now and then on a clock that stands still meanwhile.

    minutes        of training
    every_seconds  between two scores
    """

    clock: Clock
    minutes: float
    every_seconds: float
    curve: Curve = field(default_factory=Curve)

    @property
    def spent(self) -> float:
        """The part of the time that is over."""
        return self.clock.seconds / (60 * self.minutes)

    @property
    def due(self) -> bool:
        """Whether it is time for a score."""
        points = self.curve.points
        return not points or self.clock.seconds >= len(points) * self.every_seconds

    def note(self, loss: float, seconds: float) -> None:
        """Keep a score."""
        self.curve.points.append((seconds, loss))
