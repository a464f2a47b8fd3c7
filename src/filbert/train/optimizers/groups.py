"""Which parameters are treated alike."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from filbert.encoder import Block


@dataclass(frozen=True)
class Matrix:
    """A weight of a layer.

    parts  how many matrices of equal size lie in it, one below the other: 3 for query, key, value
    """

    weight: Tensor
    parts: int = 1


def trained(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that learn; one with two names, once."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def decay_groups(
    parameters: Iterable[nn.Parameter], *, peak_lr: float, weight_decay: float
) -> list[dict[str, Any]]:
    """The paper's two groups: biases and norms are not decayed (BERT's optimization.py).

    Those are just the parameters of one dimension. Each group knows its own peak_lr.
    """
    parameters = list(parameters)
    return [
        {
            "params": [p for p in parameters if (p.ndim > 1) == decayed],
            "peak_lr": peak_lr,
            "weight_decay": weight_decay if decayed else 0.0,
        }
        for decayed in (True, False)
    ]


def matrices(model: nn.Module) -> list[Matrix]:
    """The trained matrices of the encoder's layers, in order: no embedding, nothing of the head."""
    return [
        matrix
        for block in model.modules()
        if isinstance(block, Block)
        for matrix in (
            Matrix(block.qkv.weight, 3),
            Matrix(block.out.weight),
            Matrix(block.up.weight, 1 + block.gated),
            Matrix(block.down.weight),
        )
        if matrix.weight.requires_grad
    ]
