"""A folder is a model: saved whole or not at all, loaded strictly; ours and Hugging Face's."""

from typing import TYPE_CHECKING, Any

from filbert.checkpoint.card import Card
from filbert.checkpoint.converting import Converted, convert
from filbert.checkpoint.find import find_folder
from filbert.checkpoint.folder import Folder
from filbert.checkpoint.model import Weights, read_model, write_model
from filbert.checkpoint.save import save
from filbert.checkpoint.tensors import read_tensors
from filbert.errors import missing_extra

if TYPE_CHECKING:
    from filbert.checkpoint.hub import fetch
    from filbert.checkpoint.weights import load, model_tensors

__all__ = [
    "Card",
    "Converted",
    "Folder",
    "Weights",
    "convert",
    "fetch",
    "find_folder",
    "load",
    "model_tensors",
    "read_model",
    "read_tensors",
    "save",
    "write_model",
]


def __getattr__(name: str) -> Any:
    """What brings torch or huggingface_hub with it is imported when it is first asked for."""
    if name == "fetch":
        from filbert.checkpoint.hub import fetch

        return fetch
    if name not in ("load", "model_tensors"):
        raise AttributeError(f"module 'filbert.checkpoint' has no attribute {name!r}")
    try:
        from filbert.checkpoint import weights
    except ModuleNotFoundError as error:
        if error.name in ("torch", "jaxtyping"):
            raise missing_extra(error.name, "train") from error
        raise

    return getattr(weights, name)
