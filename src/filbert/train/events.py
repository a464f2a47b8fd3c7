"""What the loop yields: plain facts, for whoever shows, logs or plots them."""

from dataclasses import dataclass

from filbert.checkpoint import Folder
from filbert.tasks import Scores


@dataclass(frozen=True)
class Stepped:
    """One optimizer step is done.

    begun              part of the budget, in the middle of the step: rate, batch and masking follow
    loss               mean over the step's targets
    learning_rate      that the step was made with
    gradient_norm      before clipping
    tokens             read since the run began
    batch_tokens       read in this step
    seconds            trained since the run began
    tokens_per_second  of this step
    spent              part of the budget, after it
    figures            what the head tells of itself (masked_accuracy, …), and roof_share, the part
                       of the device's best that its products reached
    """

    step: int
    begun: float
    loss: float
    learning_rate: float
    gradient_norm: float
    tokens: int
    batch_tokens: int
    seconds: float
    tokens_per_second: float
    spent: float
    figures: dict[str, float]


@dataclass(frozen=True)
class Dropped:
    """A step was not made: its rows are behind, the weights as they were.

    reason  in words
    rows    (shard, row) of this rank's rows, the first hundred
    """

    step: int
    begun: float
    reason: str
    rows: list[tuple[int, int]]
    spent: float


@dataclass(frozen=True)
class WentBack:
    """Too many steps on end were dropped: the weights are those of an earlier checkpoint again."""

    step: int
    to_step: int


@dataclass(frozen=True)
class Told:
    """Something was found out that is worth a line: a precision, a size of the pieces."""

    text: str


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


Event = Stepped | Dropped | WentBack | Told | Evaluated | Saved | Stopped
