"""A short guide for choosing a model of the hub: what stands in models.toml."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from filbert.settings import load_settings


@dataclass(frozen=True)
class KnownModel:
    """A model that one may want to begin with.

    parameters: of the encoder, in millions. megabytes: what a fetch brings, about.
    languages: "en", "zh", "many". licence: as SPDX writes it.
    """

    name: str
    languages: tuple[str, ...]
    family: str
    parameters: float
    megabytes: int
    max_tokens: int
    licence: str
    good_for: str
    good_for_zh: str


@dataclass(frozen=True)
class _Guide:
    models: tuple[KnownModel, ...]


@cache
def read_guide() -> tuple[KnownModel, ...]:
    """The models of the guide, in its order. No network is asked."""
    return load_settings(Path(__file__).with_name("models.toml"), _Guide).models
