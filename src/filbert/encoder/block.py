"""One layer of the encoder (Devlin et al. 2019; Vaswani et al. 2017, section 3)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from filbert.encoder.attention import QKV, Attend
from filbert.encoder.dropout import drop
from filbert.encoder.rotary import Rotation, rotate
from filbert.encoder.shape import Shape
from filbert.encoder.tensors import PackedTensors

PARTS_OF_WIDTH = 2
"""The feed-forward part is computed this many widths at a time; 1 and 4 were slower."""


class Block(nn.Module):
    """Self-attention, then a feed-forward part, each added to its input.

    Where the shape says "after", each sum is normalised; where it says "before", each part's input
    is, but for the first layer's, which comes normalised from the embeddings.

    Query, key and value come from one matrix, in this order; so do the two sides of a gated
    feed-forward part, the one that goes through GELU first.
    """

    def __init__(self, shape: Shape, layer: int = 0):
        """Make the layer's weights, uninitialised beyond torch's own defaults.

        layer: which of the encoder's it is, from 0: it says how far the tokens see.
        """
        super().__init__()
        width, bias = shape.width, shape.bias
        self.attention_heads = shape.attention_heads
        self.window = shape.window_of(layer)
        self.norm_after = shape.norm_place == "after"
        self.gated = shape.gated
        self.qkv = nn.Linear(width, 3 * width, bias)
        self.out = nn.Linear(width, width, bias)
        self.attention_norm = (
            nn.LayerNorm(width, shape.norm_epsilon, bias=bias) if self.norm_after or layer else None
        )
        self.up = nn.Linear(width, (1 + shape.gated) * shape.mlp_width, bias)
        self.down = nn.Linear(shape.mlp_width, width, bias)
        self.mlp_norm = nn.LayerNorm(width, shape.norm_epsilon, bias=bias)

    def forward(
        self,
        hidden: Float[Tensor, "tokens width"],
        packed: PackedTensors,
        attend: Attend,
        dropout_fraction: float = 0.0,
        attention_dropout_fraction: float = 0.0,
        turns: Rotation | None = None,
    ) -> Float[Tensor, "tokens width"]:
        """One layer's step. The fractions are 0 outside of training.

        turns: for queries and keys, where positions are rotary.
        """
        qkv = self.begin(hidden, turns)
        attended = attend(qkv, packed, attention_dropout_fraction, self.window).flatten(1)
        return self.finish(hidden, attended, dropout_fraction)

    def begin(self, hidden: Float[Tensor, "tokens width"], turns: Rotation | None) -> QKV:
        """What comes before attention: queries, keys and values."""
        before = None if self.norm_after else self.attention_norm
        return self._qkv(hidden if before is None else before(hidden), turns)

    def finish(
        self,
        hidden: Float[Tensor, "tokens width"],
        attended: Float[Tensor, "tokens width"],
        dropout_fraction: float,
    ) -> Float[Tensor, "tokens width"]:
        """What comes after attention, of the layer's input and what its tokens saw."""
        hidden = hidden + drop(self.out(attended), dropout_fraction)
        if self.norm_after:
            assert self.attention_norm is not None
            hidden = self.attention_norm(hidden)
            normalised: Tensor = self.mlp_norm(self._add_mlp(hidden, hidden, dropout_fraction))
            return normalised
        return self._add_mlp(hidden, self.mlp_norm(hidden), dropout_fraction)

    def _qkv(self, hidden: Float[Tensor, "tokens width"], turns: Rotation | None) -> QKV:
        qkv: Tensor = self.qkv(hidden).view(len(hidden), 3, self.attention_heads, -1)
        return qkv if turns is None else rotate(qkv, turns)

    def _add_mlp(
        self,
        hidden: Float[Tensor, "tokens width"],
        read: Float[Tensor, "tokens width"],
        dropout_fraction: float,
    ) -> Float[Tensor, "tokens width"]:
        """hidden + the feed-forward part of what it reads: hidden itself, or its norm."""
        if not (dropout_fraction or torch.is_grad_enabled()) and _on_cpu_as_it_is(hidden):
            return self._add_mlp_in_parts(hidden, read)
        inner = self.up(read)
        if self.gated:
            through, gate = inner.chunk(2, dim=-1)
            inner = functional.gelu(through) * gate
        else:
            inner = functional.gelu(inner)
        return hidden + drop(self.down(inner), dropout_fraction)

    def _add_mlp_in_parts(
        self, hidden: Float[Tensor, "tokens width"], read: Float[Tensor, "tokens width"]
    ) -> Float[Tensor, "tokens width"]:
        """The same, a part of the inner width at a time.

        The inner values never leave the cache, and the sum with `hidden` is the product's own.
        """
        added = hidden.clone() if self.down.bias is None else hidden + self.down.bias
        inner_width = self.down.in_features
        step = PARTS_OF_WIDTH * hidden.shape[1] // (1 + self.gated)
        for start in range(0, inner_width, step):
            end = min(start + step, inner_width)
            inner = functional.gelu(self._up_part(read, start, end))
            if self.gated:
                inner.mul_(self._up_part(read, inner_width + start, inner_width + end))
            added.addmm_(inner, self.down.weight[:, start:end].t())
        return added

    def _up_part(
        self, read: Float[Tensor, "tokens width"], start: int, end: int
    ) -> Float[Tensor, "tokens part"]:
        weight, bias = self.up.weight[start:end], self.up.bias
        return functional.linear(read, weight, None if bias is None else bias[start:end])


def _on_cpu_as_it_is(hidden: Tensor) -> bool:
    """Where products in parts are the faster ones; autocast would not take their sums in place."""
    return hidden.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
