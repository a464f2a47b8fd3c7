"""One layer of the encoder (Devlin et al. 2019; Vaswani et al. 2017, section 3)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from filbert.encoder.attention import Attend
from filbert.encoder.dropout import drop
from filbert.encoder.shape import Shape
from filbert.encoder.tensors import PackedTensors

PARTS_OF_WIDTH = 2
"""The feed-forward part is computed this many widths at a time; 1 and 4 were slower."""


class Block(nn.Module):
    """Self-attention, then a feed-forward part, each added to its input and normalised after.

    Query, key and value come from one matrix, in this order.
    """

    def __init__(self, shape: Shape):
        """Make the layer's weights, uninitialised beyond torch's own defaults."""
        super().__init__()
        self.attention_heads = shape.attention_heads
        self.qkv = nn.Linear(shape.width, 3 * shape.width)
        self.out = nn.Linear(shape.width, shape.width)
        self.attention_norm = nn.LayerNorm(shape.width, shape.norm_epsilon)
        self.up = nn.Linear(shape.width, shape.mlp_width)
        self.down = nn.Linear(shape.mlp_width, shape.width)
        self.mlp_norm = nn.LayerNorm(shape.width, shape.norm_epsilon)

    def forward(
        self,
        hidden: Float[Tensor, "tokens width"],
        packed: PackedTensors,
        attend: Attend,
        dropout_fraction: float = 0.0,
        attention_dropout_fraction: float = 0.0,
    ) -> Float[Tensor, "tokens width"]:
        """One layer's step. The fractions are 0 outside of training."""
        qkv = self.qkv(hidden).view(len(hidden), 3, self.attention_heads, -1)
        attended = attend(qkv, packed, attention_dropout_fraction).flatten(1)
        hidden = self.attention_norm(hidden + drop(self.out(attended), dropout_fraction))
        if hidden.device.type == "cpu" and not torch.is_grad_enabled():
            added = self._mlp_in_parts(hidden)
        else:
            inner = functional.gelu(self.up(hidden))
            added = hidden + drop(self.down(inner), dropout_fraction)
        normalised: Tensor = self.mlp_norm(added)
        return normalised

    def _mlp_in_parts(self, hidden: Float[Tensor, "tokens width"]) -> Float[Tensor, "tokens width"]:
        """hidden + the feed-forward part, a part of the inner width at a time.

        The inner values never leave the cache, and the sum with `hidden` is the product's own.
        """
        added = hidden + self.down.bias
        step = PARTS_OF_WIDTH * hidden.shape[1]
        for start in range(0, self.up.out_features, step):
            part = slice(start, start + step)
            up = torch.addmm(self.up.bias[part], hidden, self.up.weight[part].t())
            added.addmm_(functional.gelu(up), self.down.weight[:, part].t())
        return added
