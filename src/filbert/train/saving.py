"""Checkpoints of a run: written whole, and read back to the bit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from filbert.batch import Array
from filbert.checkpoint import Card, Folder, load, model_tensors, read_tensors, save
from filbert.errors import CheckpointError
from filbert.heads import Model
from filbert.settings import to_mapping
from filbert.tasks import Scores, Task
from filbert.train.averaging import Averages
from filbert.train.parts import whole, write
from filbert.train.ranks import Ranks
from filbert.train.run import RunFolder
from filbert.train.state import (
    TrainState,
    load_optimizers,
    optimizer_tensors,
    read_state,
    state_mapping,
)
from filbert.train.training import Training

OPTIMIZER_FILE = "optimizer/state.safetensors"
WEIGHTS_FILE = "optimizer/weights.safetensors"
AVERAGES_FILE = "optimizer/averages.safetensors"


@dataclass(frozen=True)
class Learning:
    """What changes while a run learns.

    averages  of the weights, where the settings ask for them
    """

    model: Model
    optimizers: list[torch.optim.Optimizer]
    averages: Averages | None


@dataclass(frozen=True)
class Writer:
    """Writes a run's checkpoints, on the first rank, and reads them, on all.

    The weights that are scored and served lie in model.safetensors; where those are averages, the
    ones that training goes on with lie beside the optimizer's memory.
    """

    run: RunFolder
    task: Task
    settings: Training
    card: Card
    ranks: Ranks

    def write(
        self, learning: Learning, state: TrainState, scores: Scores, *, unscored: bool = False
    ) -> Folder:
        """A checkpoint. unscored: the run is over, but its last evaluation is still to come."""
        model = learning.model
        weights = _arrays(model)
        extra = {OPTIMIZER_FILE: optimizer_tensors(model, learning.optimizers)}
        if learning.averages is not None:
            extra[WEIGHTS_FILE] = weights
            extra[AVERAGES_FILE] = learning.averages.tensors()
            with learning.averages.used(model):
                weights = {name: array.copy() for name, array in _arrays(model).items()}
        place = self.run.place(state.step)
        if self.ranks.first:
            train = {"state": state_mapping(state), "settings": to_mapping(self.settings)}
            save(
                place,
                weights,
                shape=model.encoder.shape,
                task=self.task,
                tokenizer=self.task.tokenizer,
                train=train | {"unscored": unscored},
                scores={} if unscored else scores,
                family=model.family,
                card=replace(self.card, settings=_shown(self.settings)),
                extra_files=extra,
                replace=True,
            )
            score = self.task.main_score if self.settings.keep_best else None
            self.run.tidy(self.settings.keep_folders, score=score)
        self.ranks.wait()
        return Folder(place)

    def state_of(self, folder: Folder) -> TrainState:
        """The state in which a checkpoint was written."""
        return read_state(folder.train().get("state", {}), str(folder.path / "train.json"))

    def read(self, learning: Learning, folder: Folder, *, weights: bool) -> TrainState:
        """Everything as it was when the folder was written; the state it was written in.

        weights: the model's, too; else it has those of model.safetensors already.
        """
        state = self.state_of(folder)
        raw = folder.path / WEIGHTS_FILE
        if raw.exists():
            _put(read_tensors(raw), learning.model, str(raw))
        elif weights:
            _put(model_tensors(load(folder, task=self.task)), learning.model, str(folder))
        file = folder.path / OPTIMIZER_FILE
        load_optimizers(learning.model, learning.optimizers, read_tensors(file), str(file))
        if learning.averages is not None:
            file = folder.path / AVERAGES_FILE
            learning.averages.load(read_tensors(file) if file.exists() else {}, str(file))
        return state


def _arrays(model: Model) -> dict[str, Array]:
    """The weights, whole, as arrays. Every rank must ask."""
    return {
        name: whole(tensor.detach()).to("cpu", torch.float32).numpy()
        for name, tensor in model.state_dict().items()
    }


def _put(arrays: Mapping[str, Array], model: Model, where: str) -> None:
    """Give a model its weights back. Raises CheckpointError naming what does not belong."""
    own = model.state_dict()
    if odd := sorted(arrays.keys() ^ own.keys()):
        raise CheckpointError(f"{where}: the weights are not this network's: {', '.join(odd[:5])}")
    for name, tensor in own.items():
        if tuple(tensor.shape) != arrays[name].shape:
            raise CheckpointError(
                f"{where}: {name}: expected shape {tuple(tensor.shape)}, got {arrays[name].shape}"
            )
        write(torch.from_numpy(arrays[name]), tensor)


def _shown(settings: Training) -> tuple[tuple[str, str], ...]:
    """The settings that the card shows: those that are set."""
    values = to_mapping(settings)
    return tuple((f"train.{name}", str(v)) for name, v in values.items() if v not in (None, []))
