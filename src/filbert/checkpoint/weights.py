"""A folder → a Model of torch, and back to arrays."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from filbert.checkpoint.families import Family, Kind, kind_of_task, labels_of_task
from filbert.checkpoint.folder import Folder
from filbert.checkpoint.rename import Match, match
from filbert.checkpoint.stored import Stored, check_copies, read_joined, stored_tensors
from filbert.encoder import Encoder, Shape, undrawn
from filbert.errors import CheckpointError, SettingsError
from filbert.heads import EmbedHead, Model, build_model
from filbert.tasks import Task


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
    stored, family = stored_tensors(folder), folder.family()
    required: tuple[str, ...] = ()
    if own is not None and (task is None or own == task):
        required = _kind(family, own, folder).parts
    matched = match(
        {name: tensor.sizes for name, tensor in stored.items()},
        shape,
        family,
        required=required,
        labels=None if own is None else len(labels_of_task(own)) or None,
        where=str(folder),
    )
    check_copies(folder, stored, matched)
    wanted = task or own
    assert wanted is not None
    return _build(folder, shape, wanted, own, stored, matched, family).to(device).eval()


def _kind(family: Family, task: Task, folder: Folder) -> Kind:
    """What a task's model has in a family. Raises CheckpointError where there is no such kind."""
    name = kind_of_task(task) or "encoder"
    if name not in family.kinds:
        raise CheckpointError(
            f"{folder}: a {family.model_type} has no form on disk for {family.class_of(name)}: "
            f"it has {', '.join(family.classes)}"
        )
    return family.kinds[name]


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
    family: Family,
) -> Model:
    with undrawn():
        encoder = Encoder(shape)
    model = build_model(encoder, task)
    row = _kind(family, task, folder)
    found = matched.of((*row.parts, *row.optional))
    if isinstance(model.head, EmbedHead) and "head.pooler.weight" in found:
        with undrawn():
            model.head.pooler = nn.Linear(shape.width, shape.width)
    state, fresh = {}, []
    same_labels = own is not None and _outputs(own) == _outputs(task)
    for name in model.state_dict():
        sources = found.get(name)
        if sources is None or (name.startswith(_LABELLED) and not same_labels):
            fresh.append(name)
            continue
        state[name] = torch.from_numpy(read_joined(folder, sources, stored))
    model.load_state_dict(state, strict=False, assign=True)
    model.fresh = fresh
    model.family = folder.family().model_type
    return model


_LABELLED = ("head.output.", "head.first", "head.next", "head.last")
"""The tensors that are of use for the very labels alone that they were learnt for."""


def _outputs(task: Task) -> tuple[str, tuple[str, ...]]:
    """What a task's outputs mean."""
    return task.name, labels_of_task(task)
