"""Between the network and a head's output layer: which vectors, and what becomes of them."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from filbert.encoder.shape import Shape
from filbert.encoder.tensors import PackedTensors

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": functional.relu,
    "gelu": functional.gelu,
}


def dense_and_norm(shape: Shape) -> tuple[nn.Linear, nn.LayerNorm | None]:
    """The dense layer below an output layer, and the norm after it where activation is "gelu"."""
    dense = nn.Linear(shape.width, shape.width, shape.bias)
    if shape.head_activation != "gelu":
        return dense, None
    return dense, nn.LayerNorm(shape.width, shape.norm_epsilon, bias=shape.bias)


def of_each_token(shape: Shape) -> tuple[nn.Linear | None, nn.LayerNorm | None]:
    """The same for heads that answer for each token: only "gelu" shapes have it there."""
    return dense_and_norm(shape) if shape.head_activation == "gelu" else (None, None)


def through(
    vectors: Float[Tensor, "places width"],
    dense: nn.Linear | None,
    norm: nn.LayerNorm | None,
    activation: str,
) -> Float[Tensor, "places width"]:
    """norm(activation(W·v + b)), as much of it as there is."""
    if dense is None:
        return vectors
    vectors = ACTIVATIONS[activation](dense(vectors))
    return vectors if norm is None else norm(vectors)


def pool(
    hidden: Float[Tensor, "tokens width"],
    packed: PackedTensors,
    pooling: str,
    first_pooled: Int[Tensor, " sequences"] | None = None,
) -> Float[Tensor, "sequences width"]:
    """One vector a sequence: its "first" token's, the "mean" or the "max" of all its tokens'.

    first_pooled: the place in each sequence where this begins; what stands before is left out.
    Sequence by sequence, so that a text's vector does not depend on its neighbours.
    """
    starts = packed.starts if first_pooled is None else packed.starts + first_pooled
    if pooling == "first":
        return hidden.index_select(0, starts)
    ends = packed.ends.long()
    if first_pooled is not None:
        places = torch.arange(len(hidden), device=hidden.device)
        hidden = hidden[places >= starts.repeat_interleave(packed.lengths)]
        ends = functional.pad((packed.lengths - first_pooled).cumsum(0), (1, 0))
    pooled: Tensor = torch.segment_reduce(hidden, pooling, offsets=ends, axis=0)
    return pooled
