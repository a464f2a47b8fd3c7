"""Averages of the weights on their way, which score better than the last ones.

"ema": a running mean, a ← a + (1 - d)(w - a), at every step, from the first weights on. d is
average_decay, but at the start (1 + t)/(10 + t) after step t where that is less, so that the first
weights are soon forgotten (TensorFlow's ExponentialMovingAverage with num_updates).

"last": the mean of the last average_count of the snapshots that are taken every average_every_steps
(latest weight averaging; Kaddour 2022). They are kept whole, in the CPU's memory: so what is
averaged does not drift, and a resumed run has the very same.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from filbert.batch import Array
from filbert.errors import CheckpointError
from filbert.train.parts import cut, join, let_go, part
from filbert.train.training import Training

_RUNNING = "ema"


class Averages:
    """An average of a model's weights in float32, as settings.average says.

    Of the parameters that learn, one with two names once; buffers are not touched. Where ranks have
    but parts of the weights, each has its part of the average, and all must ask for `tensors`,
    `load` and `used`.
    """

    def __init__(self, model: nn.Module, settings: Training):
        """Begin with the model as it is now."""
        self._settings = settings
        # Snapshots by their step, oldest first; or the one running mean.
        self._kept: dict[str, dict[str, Tensor]] = {}
        let_go(model)
        self._parameters = {
            name: parameter
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }
        self._begin()

    def _begin(self) -> None:
        self._kept = {}
        if self._settings.average == "ema":
            self._kept[_RUNNING] = _copied(self._parameters)

    def _of(self, model: nn.Module) -> dict[str, nn.Parameter]:
        """The model's parameters that are averaged."""
        let_go(model)
        found = dict(model.named_parameters())
        return {name: found[name] for name in self._parameters}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after a step, the first of which is 1."""
        settings = self._settings
        if settings.average == "ema":
            decay = min(settings.average_decay, (1 + step) / (10 + step))
            weights = [part(each).float() for each in self._of(model).values()]
            torch._foreach_lerp_(list(self._kept[_RUNNING].values()), weights, 1 - decay)
        elif settings.average == "last" and step % settings.average_every_steps == 0:
            self._kept[f"{step:08d}"] = _copied(self._of(model), torch.device("cpu"))
            while len(self._kept) > settings.average_count:
                del self._kept[next(iter(self._kept))]

    def tensors(self) -> dict[str, Array]:
        """All that must be kept to go on, named `ema/PARAMETER` or `STEP/PARAMETER`.

        On the CPU they may share the average's memory: save them before training goes on.
        """
        arrays = {}
        for label, values in self._kept.items():
            for name, own in values.items():
                like = self._parameters[name]
                whole = join(own.to(like.device), like)
                arrays[f"{label}/{name}"] = np.asarray(whole.detach().cpu())
        return arrays

    def load(self, arrays: Mapping[str, Array], where: str) -> None:
        """Go on from what `tensors` gave; from nothing: begin with the model as it is now.

        Raises CheckpointError, naming the array, for one of another model or another kind of
        average, and for one that is missing; nothing has been changed then.
        """
        labels = sorted({full_name.partition("/")[0] for full_name in arrays})
        for full_name, array in arrays.items():
            label, _, name = full_name.partition("/")
            like = self._parameters.get(name)
            if not self._right(label) or like is None or array.shape != tuple(like.shape):
                raise CheckpointError(
                    f"{where}: {full_name}, of shape {array.shape}, belongs to no average "
                    f"{self._settings.average!r} of a parameter here"
                )
        for label in labels:
            for name in self._parameters:
                if f"{label}/{name}" not in arrays:
                    raise CheckpointError(f"{where}: {label}/{name} is missing")
        self._begin()
        for label in labels[-self._settings.average_count :]:
            self._kept[label] = {
                name: self._own(arrays[f"{label}/{name}"], like)
                for name, like in self._parameters.items()
            }

    def _right(self, label: str) -> bool:
        kind = self._settings.average
        return label == _RUNNING if kind == "ema" else kind == "last" and label.isdigit()

    def _own(self, array: Array, like: Tensor) -> Tensor:
        """This rank's part of stored values, where it is kept."""
        own = cut(torch.from_numpy(np.array(array, np.float32)).to(like.device), like).clone()
        return own if self._settings.average == "ema" else own.to("cpu")

    @contextmanager
    def used(self, model: nn.Module) -> Iterator[None]:
        """The model has the averaged weights within, and its own again, to the bit, afterwards.

        It keeps its own where there is no average yet.
        """
        if not self._kept:
            yield
            return
        parameters = self._of(model)
        own = {name: part(each).clone() for name, each in parameters.items()}
        try:
            for name, each in parameters.items():
                part(each).copy_(self._mean(name))
            yield
        finally:
            let_go(model)
            for name, each in parameters.items():
                part(each).copy_(own[name])

    def _mean(self, name: str) -> Tensor:
        """The average of one parameter; this rank's part."""
        first, *others = [values[name] for values in self._kept.values()]
        return sum(others, start=first) / len(self._kept)


def _copied(
    parameters: Mapping[str, Tensor], device: torch.device | None = None
) -> dict[str, Tensor]:
    """This rank's parts in float32, copied; to a device or where they are."""
    return {
        name: part(each).to(device or each.device, torch.float32, copy=True)
        for name, each in parameters.items()
    }
