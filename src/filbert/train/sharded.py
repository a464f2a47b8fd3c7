"""A model of which each rank has a part: torch's FSDP2, a layer at a time."""

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from filbert.device import Device
from filbert.heads import Model


class Sharded:
    """The step's loss of a model whose weights, gradients and optimizer memory are shared out.

    A layer's weights are brought together when it is its turn, and let go again (Zhao et al.
    2023). What is not in a layer (embeddings, the last norm, the head) is one more part.
    """

    def __init__(self, model: Model, device: Device, world: int):
        """Take the model apart, in place. Every rank must come here with the same weights."""
        mesh = init_device_mesh(device.kind, (world,))
        for block in model.encoder.blocks:
            fully_shard(block, mesh=mesh)
        fully_shard(model, mesh=mesh)
        register_fsdp_forward_method(model, "step_loss")
        self._model: Any = model

    def __call__(self, *arguments: Any) -> tuple[Tensor, Tensor]:
        """Model.step_loss."""
        answer: tuple[Tensor, Tensor] = self._model.step_loss(*arguments)
        return answer

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Keep gradients where they were found, unreduced: for all of a step's pieces but one."""
        self._model.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            self._model.set_requires_gradient_sync(True)
