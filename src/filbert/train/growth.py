"""How much larger a checkpoint shall become: the settings, and the shape that they make."""

from dataclasses import dataclass, replace
from typing import Literal

from filbert.encoder.shape import Shape
from filbert.errors import SettingsError

Positions = Literal["tiled", "interpolated"]
_MOST = {"max_positions": 1 << 20, "depth": 1000, "width": 1 << 16, "mlp_width": 1 << 18}
Layers = Literal["stacked", "spread"]


@dataclass(frozen=True)
class Grow:
    """What becomes larger when training goes on from a checkpoint; None: it stays as it is.

    max_positions  the longest row
    positions      how a learned table gets longer: "tiled" repeats it, so that texts of the old
                   length are read as before (Beltagy et al. 2020, section 5); "interpolated"
                   stretches it, so that all rows are near to learned ones, and none is as it was.
                   Rotary positions have no table
    depth          layers
    layers         which old layer each new one is a copy of: "stacked" 0 1 2 0 1 2 (Gong et al.
                   2019, "StackBERT"); "spread" 0 0 1 1 2 2 (Rae et al. 2021, "Gopher", and
                   ModernBERT-large)
    width          of the layers; attention heads of the old width are added (Warner et al. 2024)
    mlp_width      None: in proportion to the width
    """

    max_positions: int | None = None
    positions: Positions = "tiled"
    depth: int | None = None
    layers: Layers = "stacked"
    width: int | None = None
    mlp_width: int | None = None

    def __post_init__(self) -> None:
        """Refuse sizes that are a slip of the pen: they would fill the memory first."""
        for name, most in _MOST.items():
            wanted = getattr(self, name)
            if wanted is not None and not 1 <= wanted <= most:
                raise SettingsError(f"grow.{name} must be from 1 to {most:,}; got {wanted:,}")

    def is_asked(self) -> bool:
        """Whether anything shall grow."""
        return any((self.max_positions, self.depth, self.width, self.mlp_width))

    def shape(self, old: Shape, vocab: int | None = None) -> Shape:
        """The old shape, grown, with at least so many tokens.

        Raises SettingsError naming a setting that is smaller than what is there, or does not fit.
        """
        for name in ("max_positions", "depth", "width", "mlp_width"):
            wanted, there = getattr(self, name), getattr(old, name)
            if wanted is not None and wanted < there:
                raise SettingsError(
                    f"grow.{name} must be at least what the start has, {there:,}; got {wanted:,}"
                )
        width, head_width = self.width or old.width, old.attention_head_width
        if width % head_width:
            raise SettingsError(
                f"grow.width must be a multiple of {head_width}, the width of an attention head of "
                f"the start; got {width}"
            )
        return replace(
            old,
            vocab=max(old.vocab, vocab or 0),
            max_positions=self.max_positions or old.max_positions,
            depth=self.depth or old.depth,
            width=width,
            attention_heads=width // head_width,
            mlp_width=self.mlp_width or old.mlp_width * width // old.width,
        )
