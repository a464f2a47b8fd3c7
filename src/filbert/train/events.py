"""What the loop yields: plain facts, for whoever shows, logs or plots them."""

from dataclasses import dataclass

from filbert.checkpoint import Folder
from filbert.tasks import Scores


@dataclass(frozen=True)
class Stepped:
    """One optimizer step is done.

    loss               mean over the step's targets
    learning_rate      that the step was made with
    gradient_norm      before clipping
    tokens             read since the run began
    tokens_per_second  of this step
    spent              part of the budget
    """

    step: int
    loss: float
    learning_rate: float
    gradient_norm: float
    tokens: int
    seconds: float
    tokens_per_second: float
    spent: float


@dataclass(frozen=True)
class Evaluated:
    """The dev set was scored."""

    step: int
    scores: Scores


@dataclass(frozen=True)
class Saved:
    """A checkpoint is on the disk."""

    step: int
    folder: Folder


@dataclass(frozen=True)
class Stopped:
    """The run was asked to stop before its end; what is saved lies in `folder`."""

    step: int
    folder: Folder


Event = Stepped | Evaluated | Saved | Stopped
