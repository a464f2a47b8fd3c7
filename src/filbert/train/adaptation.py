"""How a pre-trained network is taken over for a task: the settings."""

from dataclasses import dataclass

from filbert.errors import SettingsError


@dataclass(frozen=True)
class Adapt:
    """What of the start is learnt on, and what is not.

    frozen_layers  so many layers from below, and the embeddings, stay as they are
    head_only      the whole network stays, the head alone learns
    fresh_layers   so many layers from above are drawn anew: what they know is of pre-training
                   alone, and a fresh start may do better (Zhang et al. 2021, section 4)
    """

    frozen_layers: int = 0
    head_only: bool = False
    fresh_layers: int = 0

    def __post_init__(self) -> None:
        """Refuse what is below 0."""
        for name in ("frozen_layers", "fresh_layers"):
            if getattr(self, name) < 0:
                raise SettingsError(f"adapt.{name} must be from 0 on; got {getattr(self, name)}")

    def is_asked(self) -> bool:
        """Whether anything is other than usual."""
        return self != Adapt()
