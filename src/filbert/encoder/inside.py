"""What the network computes on the way from one text to its vectors, for people to look at."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from filbert.encoder.attention import QKV, Attended, attention_weights
from filbert.encoder.tensors import PackedTensors
from filbert.errors import DataError


@dataclass(frozen=True)
class Inside:
    """All that one sequence becomes, layer by layer; recomputed by the plain formula.

    parts      what the embedding is the sum of, before its norm: "tokens", and "positions" and
               "segments" where the shape has them
    hidden     the embeddings' output, then each layer's
    query      what is multiplied with the keys: where positions are rotary, turned already
    key        the same of the other side
    value      what the attention weights sum up
    attention  where each token (row) looks; 0 beyond a window
    """

    parts: dict[str, Float[Tensor, "tokens width"]]
    hidden: Float[Tensor, "states tokens width"]
    query: Float[Tensor, "depth attention_heads tokens attention_head_width"]
    key: Float[Tensor, "depth attention_heads tokens attention_head_width"]
    value: Float[Tensor, "depth attention_heads tokens attention_head_width"]
    attention: Float[Tensor, "depth attention_heads tokens tokens"]


@dataclass
class Watch:
    """An `Attend` by the plain formula for one sequence that keeps what it saw.

    attention  each layer's weights
    qkv        each layer's queries, keys and values, where asked for
    """

    keep_qkv: bool = False
    attention: list[Tensor] = field(default_factory=list)
    qkv: list[Tensor] = field(default_factory=list)

    def attend(
        self, qkv: QKV, packed: PackedTensors, dropout_fraction: float, window: int
    ) -> Attended:
        """Attend without dropout."""
        parts = qkv.permute(1, 2, 0, 3)
        weights = attention_weights(parts[0], parts[1], window)
        self.attention.append(weights)
        if self.keep_qkv:
            self.qkv.append(parts)
        return (weights @ parts[2]).transpose(0, 1)


def check_single(packed: PackedTensors) -> None:
    """Raise DataError unless the pack holds exactly one sequence."""
    if len(packed.starts) != 1:
        raise DataError(f"attention is shown for one sequence; got {len(packed.starts)}")
