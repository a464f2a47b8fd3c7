"""The sizes that make an encoder, as data. No torch here: every room may know a Shape."""

from dataclasses import dataclass, fields

from filbert.errors import SettingsError


@dataclass(frozen=True)
class Shape:
    """Everything that one must know to build an encoder (Devlin et al. 2019, section 3).

    depth                       layers (L)
    width                       size of a token's vector (H)
    attention_heads             attention heads of a layer (A); width / attention_heads each
    mlp_width                   inner size of the feed-forward part, 4 * width in the paper
    vocab                       rows of the token embedding
    max_positions               longest sequence, special tokens included
    segments                    kinds of segment, 2 in the paper
    norm_epsilon                added to the variance in LayerNorm
    dropout_fraction            of embeddings and of each sub-layer's output, in training
    attention_dropout_fraction  of attention weights, in training, as the checkpoint states it
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

    def __post_init__(self) -> None:
        """Refuse sizes that make no network."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type in (int, "int") and value < 1:
                raise SettingsError(f"shape.{field.name} must be at least 1; got {value}")
        if self.width % self.attention_heads:
            raise SettingsError(
                f"shape.width must be a multiple of attention_heads; "
                f"got {self.width} and {self.attention_heads}"
            )
        for name in ("dropout_fraction", "attention_dropout_fraction"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(f"shape.{name} must be in [0, 1); got {getattr(self, name)}")
        if not 0 < self.norm_epsilon < 1:
            raise SettingsError(f"shape.norm_epsilon must be in (0, 1); got {self.norm_epsilon}")

    @property
    def attention_head_width(self) -> int:
        """The part of the width that one attention head works in."""
        return self.width // self.attention_heads


BERT_BASE = Shape(depth=12, width=768, attention_heads=12, mlp_width=3072, vocab=30522)
"""bert-base-uncased (Devlin et al. 2019)."""
