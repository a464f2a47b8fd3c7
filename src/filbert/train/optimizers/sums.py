"""Sums over all numbers of a tensor, which must be exact enough not to depend on how it is cut.

torch.dot and torch.linalg.vector_norm add up float32 numbers one after the other on a CPU: over the
embeddings of 30,000 tokens the norm was wrong by 2.5e-4, and by how much depends on the threads.
torch.sum adds up halves of halves: 4e-8.
"""

import torch
from torch import Tensor

PIECE = 2**18
"""So many numbers at a time on a CPU, so that what lies between two operations stays in the cache;
2**16 and whole tensors were slower (docs/log.md)."""


def pieces(tensor: Tensor) -> tuple[Tensor, ...]:
    """All numbers of a tensor in pieces of one dimension; on a GPU in one."""
    flat = tensor.reshape(-1)
    pieces: tuple[Tensor, ...] = flat.split(PIECE) if flat.device.type == "cpu" else (flat,)
    return pieces


def square_sum(tensor: Tensor) -> Tensor:
    """Σ x², without a dimension."""
    sums = [torch.mul(piece, piece).sum() for piece in pieces(tensor)]
    return torch.stack(sums).sum()
