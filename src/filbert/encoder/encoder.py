"""The network: H = BERT-Encoder(X), over packed sequences (Devlin et al. 2019)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from filbert.encoder.attention import Attend, attend_plain, attention_weights, choose_attend
from filbert.encoder.block import Block
from filbert.encoder.dropout import drop
from filbert.encoder.shape import Shape
from filbert.encoder.tensors import PackedTensors
from filbert.errors import DataError

INITIAL_DEVIATION = 0.02


class Embeddings(nn.Module):
    """What the first layer reads: token + position + segment, normalised (section 3, figure 2)."""

    def __init__(self, shape: Shape):
        """Make the three tables."""
        super().__init__()
        self.tokens = nn.Embedding(shape.vocab, shape.width)
        self.positions = nn.Embedding(shape.max_positions, shape.width)
        self.segments = nn.Embedding(shape.segments, shape.width)
        self.norm = nn.LayerNorm(shape.width, shape.norm_epsilon)

    def forward(self, packed: PackedTensors) -> Float[Tensor, "tokens width"]:
        """The sum of the three, normalised."""
        summed: Tensor = (
            self.tokens(packed.token_ids)
            + self.segments(packed.segments)
            + self.positions(packed.positions)
        )
        normalised: Tensor = self.norm(summed)
        return normalised


class Encoder(nn.Module):
    """A BERT encoder over packed sequences.

    attend                       chosen for the device when None
    dropout_fraction             used in training mode; the shape's own unless it is changed
    attention_dropout_fraction   used in training mode; 0 unless it is changed, because the fast
                                 kernels have none
    """

    def __init__(self, shape: Shape, attend: Attend | None = None):
        """Make the weights and draw them (see `initialise`)."""
        super().__init__()
        self.shape = shape
        self.attend = attend
        self.dropout_fraction = shape.dropout_fraction
        self.attention_dropout_fraction = 0.0
        self.embeddings = Embeddings(shape)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        initialise(self)

    def forward(self, packed: PackedTensors) -> Float[Tensor, "tokens width"]:
        """The last layer's vector of every token."""
        dropout = self.dropout_fraction if self.training else 0.0
        attention_dropout = self.attention_dropout_fraction if self.training else 0.0
        hidden = drop(self.embeddings(packed), dropout)
        attend = self.attend or choose_attend(
            hidden.device, _working_dtype(hidden), attention_dropout
        )
        for block in self.blocks:
            hidden = block(hidden, packed, attend, dropout, attention_dropout)
        return hidden

    @torch.no_grad()
    def attention(
        self, packed: PackedTensors
    ) -> Float[Tensor, "depth attention_heads tokens tokens"]:
        """Where each token looks, in each layer and attention head, recomputed exactly.

        Fast kernels never build these weights; this walks the same layers with the plain formula.
        One sequence at a time: raises DataError for a pack of several.
        """
        if len(packed.starts) != 1:
            raise DataError(f"attention is shown for one sequence; got {len(packed.starts)}")
        hidden = self.embeddings(packed)
        layers = []
        for block in self.blocks:
            assert isinstance(block, Block)
            qkv = block.qkv(hidden).view(len(hidden), 3, self.shape.attention_heads, -1)
            query, key, _ = qkv.permute(1, 2, 0, 3)
            layers.append(attention_weights(query, key))
            hidden = block(hidden, packed, attend_plain)
        return torch.stack(layers)


def _working_dtype(hidden: Tensor) -> torch.dtype:
    """What matrix products are computed in: autocast's type where it is on."""
    kind = hidden.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype


def initialise(module: nn.Module) -> None:
    """Draw weights as the paper's code does: normal, deviation 0.02, cut at two deviations.

    Biases are 0, norms begin as the identity.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            bound = 2 * INITIAL_DEVIATION
            nn.init.trunc_normal_(part.weight, std=INITIAL_DEVIATION, a=-bound, b=bound)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)
