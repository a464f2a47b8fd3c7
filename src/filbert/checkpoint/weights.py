"""A folder → a Model of torch, and back to arrays: the only file here that imports torch."""

import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import nn

from filbert.checkpoint.folder import Folder
from filbert.checkpoint.names import ARCHITECTURES, SAVED_AS
from filbert.checkpoint.rename import Match, match
from filbert.checkpoint.tensors import FLOATS, read_header
from filbert.encoder import Encoder, Shape
from filbert.errors import CheckpointError, SettingsError
from filbert.heads import EmbedHead, Model, build_model
from filbert.tasks import Classify, Task


class Stored(Protocol):
    """A tensor in a file: its sizes are known before its values are read."""

    @property
    def kind(self) -> str:
        """The kind of number, in the words of safetensors."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of its axes."""

    def read(self) -> np.ndarray:
        """Its values, as a copy."""


@dataclass(frozen=True)
class PickledTensor:
    """A tensor of a pytorch_model.bin, mapped from the file where torch can."""

    tensor: torch.Tensor

    @property
    def kind(self) -> str:
        """F32 for all floats, for all are read as such; else torch's word."""
        return "F32" if self.tensor.is_floating_point() else str(self.tensor.dtype)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of its axes."""
        return tuple(self.tensor.shape)

    def read(self) -> np.ndarray:
        """Its values, as a float32 copy."""
        copy: np.ndarray = self.tensor.detach().to("cpu", torch.float32, copy=True).numpy()
        return copy


def model_tensors(model: Model) -> dict[str, np.ndarray]:
    """The weights of a model by our names, float32, as `save` takes them.

    On the CPU in float32 they share the model's memory: save them before training goes on.
    """
    return {
        name: tensor.detach().to("cpu", torch.float32).numpy()
        for name, tensor in model.state_dict().items()
    }


def load(
    folder: Folder | Path | str,
    *,
    task: Task | None = None,
    device: str | torch.device = "cpu",
    verify: bool = True,
) -> Model:
    """The model of a folder, in float32 and in evaluation mode.

    task: what the model shall do; the folder's own task if None. With another task, or other
    labels, a new head is put on the encoder; what the checkpoint has of it (the pooler, say) is
    kept, and the names of what was drawn anew stand in Model.fresh.
    verify: compare the files with checksums.json where there is one.

    Raises CheckpointError naming file, field or tensor for whatever does not fit: names missing or
    unexpected (with the nearest), sizes that are not config.json's, damaged or truncated files, a
    pickle with code in it, a second copy of the embedding that differs. Nothing is taken from a
    file before all names and sizes fit. SettingsError where `task` asks for longer rows than the
    model has positions.
    """
    folder = folder if isinstance(folder, Folder) else Folder(Path(folder))
    shape = folder.shape()
    own = folder.task() if task is None else _own_task(folder)
    _check_length(task or own, shape, folder, task is None)
    if verify:
        folder.verify()
    stored = _stored_tensors(folder)
    required: tuple[str, ...] = ()
    if own is not None and (task is None or own == task):
        required = ARCHITECTURES[SAVED_AS[own.name]].parts
    matched = match(
        {name: tensor.sizes for name, tensor in stored.items()},
        shape,
        required=required,
        labels=len(own.labels) if isinstance(own, Classify) else None,
        where=str(folder),
    )
    _check_copies(folder, stored, matched)
    wanted = task or own
    assert wanted is not None
    return _build(folder, shape, wanted, own, stored, matched).to(device).eval()


def _own_task(folder: Folder) -> Task | None:
    """The folder's own task; None where filbert has none for it, but its encoder may still do."""
    try:
        return folder.task()
    except CheckpointError:
        if (folder.path / "task.json").is_file():
            raise
        return None


def _check_length(task: Task | None, shape: Shape, folder: Folder, own: bool) -> None:
    if task is None or task.max_tokens <= shape.max_positions:
        return
    kind = CheckpointError if own else SettingsError
    raise kind(
        f"{folder}: task.max_tokens is {task.max_tokens}, but the model has only "
        f"{shape.max_positions} positions"
    )


def _build(
    folder: Folder,
    shape: Shape,
    task: Task,
    own: Task | None,
    stored: Mapping[str, Stored],
    matched: Match,
) -> Model:
    # On the meta device no memory is taken and nothing is drawn for weights that the file has.
    with torch.device("meta"):
        encoder = Encoder(shape)
    model = build_model(encoder, task)
    if isinstance(model.head, EmbedHead) and "pooler" in matched.parts:
        with torch.device("meta"):
            model.head.pooler = nn.Linear(shape.width, shape.width)
    state, fresh = {}, []
    same_labels = getattr(own, "labels", None) == getattr(task, "labels", None)
    for name in model.state_dict():
        sources = matched.sources.get(name)
        if sources is None or (name.startswith("head.output.") and not same_labels):
            fresh.append(name)
            continue
        values = [_read(folder, source, stored[source]) for source in sources]
        joined = values[0] if len(values) == 1 else np.concatenate(values)
        state[name] = torch.from_numpy(joined)
    model.load_state_dict(state, strict=False, assign=True)
    model.fresh = fresh
    return model


def _read(folder: Folder, name: str, stored: Stored) -> np.ndarray:
    if stored.kind not in FLOATS:
        raise CheckpointError(
            f"{folder}: tensor {name!r}: expected floats ({', '.join(FLOATS)}), got {stored.kind}"
        )
    values: np.ndarray = stored.read().astype(np.float32, copy=False)
    return values


def _check_copies(folder: Folder, stored: Mapping[str, Stored], matched: Match) -> None:
    for copy, original in matched.copies:
        values = _read(folder, copy, stored[copy]), _read(folder, original, stored[original])
        if not np.array_equal(*values, equal_nan=True):
            raise CheckpointError(
                f"{folder}: tensor {copy!r} differs from {original!r}; filbert's BERT has one "
                "tensor for both, and would drop what this one learnt"
            )


def _stored_tensors(folder: Folder) -> dict[str, Stored]:
    found: dict[str, Stored] = {}
    for path in folder.weight_files():
        tensors: Mapping[str, Stored] = (
            _read_pickle(path) if path.suffix == ".bin" else read_header(path)
        )
        for name, tensor in tensors.items():
            if name in found:
                raise CheckpointError(f"{path}: tensor {name!r} stands in another file, too")
            found[name] = tensor
    return found


def _read_pickle(path: Path) -> dict[str, PickledTensor]:
    """The tensors of a file of torch.save; code in it is refused, not run."""
    try:
        value = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        if found:
            raise CheckpointError(
                f"{path}: refused: a pickle that calls {found[1]!r}, which no weights need; "
                "nothing of it was run"
            ) from error
        raise CheckpointError(
            f"{path}: refused: not a file of plain tensors: {_first_line(error)}"
        ) from error
    except Exception as error:
        # A damaged pickle fails with whatever its bytes lead to: KeyError, EOFError, …
        raise CheckpointError(
            f"{path}: cannot be read as weights (damaged or truncated): {_first_line(error)}"
        ) from error
    if not isinstance(value, Mapping):
        raise CheckpointError(f"{path}: expected tensors by name, got {type(value).__name__}")
    for name, tensor in value.items():
        if (
            not isinstance(name, str)
            or not isinstance(tensor, torch.Tensor)
            or tensor.layout != torch.strided
            or tensor.is_quantized
        ):
            raise CheckpointError(f"{path}: {name!r:.80}: expected a dense tensor")
    return {name: PickledTensor(tensor) for name, tensor in value.items()}


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
