"""Which parameters are treated alike."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from filbert.encoder import Block
from filbert.encoder.encoder import Embeddings


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
    parameters: Iterable[nn.Parameter],
    *,
    peak_lr: float,
    weight_decay: float,
    shares: Mapping[Tensor, float] | None = None,
) -> list[dict[str, Any]]:
    """The paper's two groups: biases and norms are not decayed (BERT's optimization.py).

    Those are just the parameters of one dimension. Each group knows its own peak_lr.

    shares: the part of peak_lr with which a parameter learns, for those that do not learn with all
    of it; then there are two groups for each part that occurs.
    """
    parameters, shares = list(parameters), shares or {}
    parts = sorted({shares.get(p, 1.0) for p in parameters}, reverse=True) or [1.0]
    return [
        {
            "params": [
                p for p in parameters if (p.ndim > 1) == decayed and shares.get(p, 1.0) == part
            ],
            "peak_lr": peak_lr * part,
            "weight_decay": weight_decay if decayed else 0.0,
        }
        for part in parts
        for decayed in (True, False)
    ]


def shares_by_layer(model: nn.Module, layer_decay: float) -> dict[Tensor, float]:
    """The part of the rate for each weight below the top: layer_decay to the power of its depth.

    The last layer has layer_decay, as the head above it has 1; the embeddings come below the first.
    """
    if layer_decay == 1:
        return {}
    blocks = [module for module in model.modules() if isinstance(module, Block)]
    found: dict[Tensor, float] = {}
    for number, block in enumerate(blocks):
        share = layer_decay ** (len(blocks) - number)
        found |= dict.fromkeys(block.parameters(), share)
    for module in model.modules():
        if isinstance(module, Embeddings):
            share = layer_decay ** (len(blocks) + 1)
            found |= dict.fromkeys(module.parameters(), share)
    return found


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
