"""The network: H = BERT-Encoder(X), over packed sequences (Devlin et al. 2019)."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from filbert.encoder.attention import Attend, choose_attend
from filbert.encoder.block import Block
from filbert.encoder.dropout import drop
from filbert.encoder.inside import Inside, Watch, check_single
from filbert.encoder.rotary import Rotation, rotation
from filbert.encoder.shape import Shape
from filbert.encoder.tensors import PackedTensors

INITIAL_DEVIATION = 0.02


class Embeddings(nn.Module):
    """What the first layer reads: token + position + segment, normalised (section 3, figure 2).

    Where positions are rotary or there are no segments, the sum is that much shorter.
    """

    def __init__(self, shape: Shape):
        """Make the tables that the shape has."""
        super().__init__()
        width = shape.width
        rows = shape.max_positions + shape.positions_offset
        self.positions_offset = shape.positions_offset
        self.tokens = nn.Embedding(shape.vocab, width)
        self.positions = nn.Embedding(rows, width) if shape.positions == "learned" else None
        self.segments = nn.Embedding(shape.segments, width) if shape.segments else None
        self.norm = nn.LayerNorm(width, shape.norm_epsilon, bias=shape.bias)

    def forward(self, packed: PackedTensors) -> Float[Tensor, "tokens width"]:
        """The sum of the parts, normalised."""
        first, *others = self.parts(packed).values()
        normalised: Tensor = self.norm(sum(others, start=first))
        return normalised

    def parts(self, packed: PackedTensors) -> dict[str, Float[Tensor, "tokens width"]]:
        """What is summed: "tokens", and "segments" and "positions" where the shape has them.

        A network that knows one kind of segment reads all tokens as of that one.
        """
        parts: dict[str, Tensor] = {"tokens": self.tokens(packed.token_ids)}
        if self.segments is not None:
            only = self.segments.num_embeddings == 1
            kinds = torch.zeros_like(packed.segments) if only else packed.segments
            parts["segments"] = self.segments(kinds)
        if self.positions is not None:
            offset = self.positions_offset
            rows = packed.positions + offset if offset else packed.positions
            parts["positions"] = self.positions(rows)
        return parts


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
        self.blocks = nn.ModuleList(Block(shape, layer) for layer in range(shape.depth))
        self.final_norm = (
            nn.LayerNorm(shape.width, shape.norm_epsilon, bias=shape.bias)
            if shape.norm_place == "before"
            else None
        )
        initialise(self)

    def forward(self, packed: PackedTensors) -> Float[Tensor, "tokens width"]:
        """The last layer's vector of every token."""
        states = self._states(packed)
        hidden = next(states)
        for state in states:
            hidden = state
        return hidden

    def hidden_states(self, packed: PackedTensors) -> list[Float[Tensor, "tokens width"]]:
        """The embeddings' output, then each layer's: depth + 1, the last as `forward` gives it."""
        return list(self._states(packed))

    @torch.no_grad()
    def attention(
        self, packed: PackedTensors
    ) -> Float[Tensor, "depth attention_heads tokens tokens"]:
        """Where each token looks, in each layer and attention head, recomputed exactly.

        Fast kernels never build these weights; this walks the same layers with the plain formula,
        without dropout. One sequence at a time: raises DataError for a pack of several.
        """
        check_single(packed)
        watch = Watch()
        for _ in self._states(packed, watch):
            pass
        return torch.stack(watch.attention)

    @torch.no_grad()
    def inside(self, packed: PackedTensors) -> Inside:
        """All that one sequence becomes on its way, recomputed exactly, without dropout.

        One sequence at a time: raises DataError for a pack of several.
        """
        check_single(packed)
        watch = Watch(keep_qkv=True)
        hidden = torch.stack(list(self._states(packed, watch)))
        query, key, value = torch.stack(watch.qkv, dim=1)
        parts = self.embeddings.parts(packed)
        return Inside(parts, hidden, query, key, value, torch.stack(watch.attention))

    def _states(
        self, packed: PackedTensors, watch: Watch | None = None
    ) -> Iterator[Float[Tensor, "tokens width"]]:
        """The embeddings' output, then each layer's; a watch sees them without dropout."""
        dropping = self.training and watch is None
        dropout = self.dropout_fraction if dropping else 0.0
        attention_dropout = self.attention_dropout_fraction if dropping else 0.0
        hidden = drop(self.embeddings(packed), dropout)
        yield hidden
        attend = watch.attend if watch else self._attend(hidden, attention_dropout)
        turns = self._turns(packed)
        for layer, block in enumerate(self.blocks):
            hidden = block(
                hidden,
                packed,
                attend,
                dropout,
                attention_dropout,
                turns.get(self.shape.theta_of(layer)),
            )
            if self.final_norm is not None and layer == self.shape.depth - 1:
                hidden = self.final_norm(hidden)
            yield hidden

    def _attend(self, hidden: Tensor, attention_dropout_fraction: float) -> Attend:
        return self.attend or choose_attend(
            hidden.device,
            _working_dtype(hidden),
            attention_dropout_fraction,
            self.shape.attention_head_width,
        )

    def _turns(self, packed: PackedTensors) -> dict[float, Rotation]:
        """By base of the wave lengths, where positions are rotary."""
        shape = self.shape
        if shape.positions != "rotary":
            return {}
        thetas = {shape.theta_of(layer) for layer in range(shape.depth)}
        return {
            theta: rotation(
                packed.positions, theta, shape.max_positions, shape.attention_head_width
            )
            for theta in thetas
        }


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
