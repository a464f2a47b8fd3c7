"""Where a run stands: all that a resumed run must know beside weights and settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from filbert.batch import Array
from filbert.errors import CheckpointError
from filbert.settings import from_mapping, to_mapping
from filbert.shards import ReadState
from filbert.train.plan import Training


@dataclass(frozen=True)
class TrainState:
    """How far a run is.

    step     optimizer steps done
    read     where the data goes on
    tokens   tokens read so far
    seconds  spent in training, without evaluation and saving
    """

    step: int = 0
    read: ReadState = field(default_factory=lambda: ReadState(0, 0))
    tokens: int = 0
    seconds: float = 0.0

    def spent(self, settings: Training, rows: int) -> float:
        """The part of the budget that is spent; 1 and more: the run is over."""
        if settings.steps is not None:
            return self.step / settings.steps
        if settings.minutes is not None:
            return self.seconds / (60 * settings.minutes)
        assert settings.epochs is not None
        return (self.read.epoch + self.read.position / rows) / settings.epochs

    def after(self, read: ReadState, tokens: int, seconds: float) -> "TrainState":
        """The state one step on."""
        return replace(
            self,
            step=self.step + 1,
            read=read,
            tokens=self.tokens + tokens,
            seconds=self.seconds + seconds,
        )


def state_mapping(state: TrainState) -> dict[str, Any]:
    """A state as plain numbers."""
    plain: dict[str, Any] = to_mapping(state)
    return plain


def read_state(mapping: Mapping[str, Any], where: str) -> TrainState:
    """The state out of plain numbers."""
    return from_mapping(mapping, TrainState, where)


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Array]:
    """An optimizer's memory as arrays, named `FIELD/PARAMETER`."""
    arrays: dict[str, Array] = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            arrays[f"{key}/{name}"] = np.asarray(torch.as_tensor(value).detach().cpu())
    return arrays


def load_optimizer(
    model: nn.Module, optimizer: torch.optim.Optimizer, arrays: Mapping[str, Array], where: str
) -> None:
    """Give an optimizer its memory back.

    Raises CheckpointError, naming the array, where it does not belong to this model.
    """
    parameters = dict(model.named_parameters())
    for full_name, array in arrays.items():
        key, _, name = full_name.partition("/")
        parameter = parameters.get(name)
        value = torch.from_numpy(np.array(array))
        if parameter is None or (value.ndim and value.shape != parameter.shape):
            raise CheckpointError(
                f"{where}: {full_name} of shape {tuple(value.shape)} belongs to no parameter here"
            )
        optimizer.state[parameter][key] = value.to(parameter.device) if value.ndim else value
