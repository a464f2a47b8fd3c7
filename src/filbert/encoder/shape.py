"""The sizes that make an encoder, as data. No torch here: every room may know a Shape."""

from dataclasses import dataclass, fields
from typing import Literal

from filbert.errors import SettingsError

MAY_BE_ZERO = {"segments": 0, "positions_offset": 0, "window": 0}

WORDS = {
    "positions": ("learned", "rotary"),
    "norm_place": ("after", "before"),
    "head_activation": ("tanh", "relu", "gelu"),
}


@dataclass(frozen=True)
class Shape:
    """Everything that one must know to build an encoder; classic and modern ones alike.

    depth                       layers (L)
    width                       size of a token's vector (H)
    attention_heads             attention heads of a layer (A); width / attention_heads each
    mlp_width                   inner size of the feed-forward part, 4 * width in the paper
    vocab                       rows of the token embedding
    max_positions               longest sequence, special tokens included
    segments                    kinds of segment, 2 in the paper; 1: all tokens get the one there
                                is (RoBERTa); 0: no such embedding (DistilBERT, ModernBERT)
    norm_epsilon                added to the variance in LayerNorm
    dropout_fraction            of embeddings and of each sub-layer's output, in training
    attention_dropout_fraction  of attention weights, in training, as the checkpoint states it
    positions                   "learned": a vector for each place, added (Devlin et al. 2019);
                                "rotary": query and key are turned by their place (Su et al. 2021)
    positions_offset            rows of the position embedding before the first place; 2 in RoBERTa
    norm_place                  "after": each sub-layer's sum is normalised (the paper); "before":
                                its input is, and the last layer's output (Xiong et al. 2020); the
                                first layer's attention reads the normalised embeddings as they are
    gated                       the feed-forward part is gelu(a) * b, a and b from one matrix
                                (GeGLU, Shazeer 2020)
    bias                        whether linear layers and norms have one; output layers always do
    window                      how many neighbours a token sees on each side in local layers;
                                0: all layers are global
    global_every                of layers 0, 1, 2, …, each of which this many divides is global
    theta                       base of the rotary wave lengths, in global layers
    local_theta                 the same in local layers
    head_activation             between the layer below a head's output layer and that one: "tanh"
                                (the paper's pooler), "relu" (DistilBERT), "gelu" and a norm after
                                it (ModernBERT)
    """

    depth: int
    width: int
    attention_heads: int
    mlp_width: int
    vocab: int
    max_positions: int = 512
    segments: int = 2
    norm_epsilon: float = 1e-12
    dropout_fraction: float = 0.1
    attention_dropout_fraction: float = 0.0
    positions: Literal["learned", "rotary"] = "learned"
    positions_offset: int = 0
    norm_place: Literal["after", "before"] = "after"
    gated: bool = False
    bias: bool = True
    window: int = 0
    global_every: int = 1
    theta: float = 10_000.0
    local_theta: float = 10_000.0
    head_activation: Literal["tanh", "relu", "gelu"] = "tanh"

    def __post_init__(self) -> None:
        """Refuse sizes that make no network."""
        self._check_kinds()
        for name in ("dropout_fraction", "attention_dropout_fraction"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(f"shape.{name} must be in [0, 1); got {getattr(self, name)}")
        if not 0 < self.norm_epsilon < 1:
            raise SettingsError(f"shape.norm_epsilon must be in (0, 1); got {self.norm_epsilon}")
        for name in ("theta", "local_theta"):
            if not 1 < getattr(self, name) < float("inf"):
                raise SettingsError(f"shape.{name} must be above 1; got {getattr(self, name)}")
        if self.width % self.attention_heads:
            raise SettingsError(
                f"shape.width must be a multiple of attention_heads; "
                f"got {self.width} and {self.attention_heads}"
            )
        if self.positions == "rotary" and self.attention_head_width % 2:
            raise SettingsError(
                "shape.positions 'rotary' needs an even width of an attention head; "
                f"got {self.attention_head_width}"
            )

    def _check_kinds(self) -> None:
        for field in fields(self):
            value, least = getattr(self, field.name), MAY_BE_ZERO.get(field.name, 1)
            if field.type in (int, "int") and value < least:
                raise SettingsError(f"shape.{field.name} must be at least {least}; got {value}")
        for name, words in WORDS.items():
            if getattr(self, name) not in words:
                raise SettingsError(
                    f"shape.{name} must be one of {', '.join(words)}; got {getattr(self, name)!r}"
                )

    def window_of(self, layer: int) -> int:
        """The neighbours on each side that a token sees in this layer; 0: all of them."""
        return self.window if layer % self.global_every else 0

    def theta_of(self, layer: int) -> float:
        """The base of the rotary wave lengths in this layer."""
        return self.local_theta if self.window_of(layer) else self.theta

    @property
    def attention_head_width(self) -> int:
        """The part of the width that one attention head works in."""
        return self.width // self.attention_heads


BERT_BASE = Shape(depth=12, width=768, attention_heads=12, mlp_width=3072, vocab=30522)
"""bert-base-uncased (Devlin et al. 2019)."""

MODERN_BASE = Shape(
    depth=22,
    width=768,
    attention_heads=12,
    mlp_width=1152,
    vocab=50368,
    max_positions=8192,
    segments=0,
    norm_epsilon=1e-5,
    dropout_fraction=0.0,
    positions="rotary",
    norm_place="before",
    gated=True,
    bias=False,
    window=64,
    global_every=3,
    theta=160_000.0,
    local_theta=10_000.0,
    head_activation="gelu",
)
"""ModernBERT-base (Warner et al. 2024)."""
