"""Where a run stands: all that a resumed run must know beside weights and settings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from filbert.batch import Array
from filbert.errors import CheckpointError, did_you_mean
from filbert.settings import from_mapping, to_mapping
from filbert.shards import ReadState
from filbert.train.optimizers.moments import FIELDS
from filbert.train.parts import cut, join, let_go, part, spread_like


@dataclass(frozen=True)
class TrainState:
    """How far a run is.

    step     optimizer steps done
    read     where the data goes on
    tokens   tokens read so far
    seconds  spent in training, without evaluation and saving
    phase    which of train.length_phases `read` belongs to
    recent   the last losses, that a new one is compared with
    dropped  steps that were not made, up to now on end
    returned  the step to which the run went back last; 0: it never did
    micro_tokens  what the memory was found to suffice for; None: not yet known
    precision     in which products are computed, once that is chosen
    compiled      whether the layers were compiled
    begun         part of the budget at which the last step was made
    best          the highest main score of the dev set so far; None: it was never scored
    not_better    evaluations since then
    ended         whether the run is over though its budget is not spent, for nothing gets better
    failed        whether it was given up, for it had learnt nothing
    """

    step: int = 0
    read: ReadState = field(default_factory=lambda: ReadState(0, 0))
    tokens: int = 0
    seconds: float = 0.0
    phase: int = 0
    recent: tuple[float, ...] = ()
    dropped: int = 0
    returned: int = 0
    micro_tokens: int | None = None
    precision: str = ""
    compiled: bool = False
    begun: float = 0.0
    best: float | None = None
    not_better: int = 0
    ended: bool = False
    failed: bool = False

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


def optimizer_tensors(
    model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]
) -> dict[str, Array]:
    """The memory of a model's optimizers as arrays, named `FIELD/PARAMETER`.

    A parameter that no step has met yet has zeros, as it would begin. On the CPU the arrays share
    the optimizers' memory: save them before training goes on. Where ranks have but parts, every
    rank must ask.
    """
    names = _names(model)
    arrays: dict[str, Array] = {}
    for optimizer, parameter in _learners(optimizers):
        state = optimizer.state.get(parameter, {})
        for field_name in _fields(optimizer):
            if field_name not in state:
                value = torch.zeros(() if field_name == "step" else parameter.shape)
            elif field_name == "step":
                value = torch.as_tensor(state[field_name])
            else:
                value = join(part(state[field_name]), parameter)
            arrays[f"{field_name}/{names[parameter]}"] = np.asarray(value.detach().cpu())
    return arrays


def load_optimizers(
    model: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    arrays: Mapping[str, Array],
    where: str,
) -> None:
    """Give a model's optimizers their memory back; after it they go on as if never stopped.

    Raises CheckpointError, naming the array, where one does not belong to this model and these
    optimizers, or is missing; nothing has been changed then.
    """
    names = _names(model)
    wanted = {
        f"{field_name}/{names[parameter]}": (optimizer, parameter, field_name)
        for optimizer, parameter in _learners(optimizers)
        for field_name in _fields(optimizer)
    }
    for full_name, array in arrays.items():
        if full_name not in wanted:
            raise CheckpointError(
                f"{where}: {full_name}, of shape {array.shape}, belongs to no parameter and "
                f"optimizer here{did_you_mean(full_name, wanted)}"
            )
        optimizer, parameter, field_name = wanted[full_name]
        shape = _shape(optimizer, field_name, parameter)
        if array.shape != shape or array.dtype != np.float32:
            raise CheckpointError(
                f"{where}: {full_name}: expected float32 of shape {shape}, "
                f"got {array.dtype} of shape {array.shape}"
            )
    if missing := [full_name for full_name in wanted if full_name not in arrays]:
        raise CheckpointError(f"{where}: {missing[0]} is missing, and {len(missing) - 1} others")
    for full_name, (optimizer, parameter, field_name) in wanted.items():
        value = torch.from_numpy(np.array(arrays[full_name]))
        if field_name != "step":
            own = cut(value.to(parameter.device), parameter).clone()
            value = spread_like(own, parameter)
        elif optimizer.defaults.get("fused"):
            # torch's own rule: its fused kernels look for the step where the parameter is.
            value = value.to(parameter.device)
        optimizer.state[parameter][field_name] = value


def _names(model: nn.Module) -> dict[nn.Parameter, str]:
    let_go(model)
    return {parameter: name for name, parameter in model.named_parameters()}


def _learners(
    optimizers: Sequence[torch.optim.Optimizer],
) -> Iterator[tuple[torch.optim.Optimizer, nn.Parameter]]:
    """Each optimizer with each of its parameters."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                yield optimizer, parameter


def _shape(
    optimizer: torch.optim.Optimizer, field_name: str, parameter: nn.Parameter
) -> tuple[int, ...]:
    """The sizes of what an optimizer remembers: the parameter's own, unless it says others."""
    if (shape_of := getattr(optimizer, "shape_of", None)) is not None:
        sizes: tuple[int, ...] = shape_of(field_name, parameter)
        return sizes
    return () if field_name == "step" else tuple(parameter.shape)


def _fields(optimizer: torch.optim.Optimizer) -> tuple[str, ...]:
    """What an optimizer remembers of a parameter: tensors of its shape, and "step", a number."""
    fields: tuple[str, ...] = getattr(optimizer, "fields", FIELDS)
    return fields
