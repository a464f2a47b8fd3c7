"""One layer of the encoder (Devlin et al. 2019; Vaswani et al. 2017, section 3)."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from filbert.encoder.attention import Attend
from filbert.encoder.dropout import drop
from filbert.encoder.shape import Shape
from filbert.encoder.tensors import PackedTensors


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
        inner = functional.gelu(self.up(hidden))
        normalised: Tensor = self.mlp_norm(hidden + drop(self.down(inner), dropout_fraction))
        return normalised
