"""The network: a BERT encoder over packed sequences."""

from typing import TYPE_CHECKING, Any

from filbert.encoder.shape import BERT_BASE, MODERN_BASE, Shape

if TYPE_CHECKING:
    from filbert.encoder.attention import Attend, attend_plain, attend_runs, attend_varlen
    from filbert.encoder.block import Block
    from filbert.encoder.drawing import undrawn
    from filbert.encoder.encoder import Encoder, initialise
    from filbert.encoder.inside import Inside
    from filbert.encoder.tensors import PackedTensors, to_tensors

# A Shape is wanted where torch is not: the rest of the room is loaded when it is first used.
_HOME = {
    "Attend": "attention",
    "Block": "block",
    "Encoder": "encoder",
    "Inside": "inside",
    "PackedTensors": "tensors",
    "attend_plain": "attention",
    "attend_runs": "attention",
    "attend_varlen": "attention",
    "initialise": "encoder",
    "to_tensors": "tensors",
    "undrawn": "drawing",
}

__all__ = [
    "BERT_BASE",
    "MODERN_BASE",
    "Attend",
    "Block",
    "Encoder",
    "Inside",
    "PackedTensors",
    "Shape",
    "attend_plain",
    "attend_runs",
    "attend_varlen",
    "initialise",
    "to_tensors",
    "undrawn",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'filbert.encoder' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"filbert.encoder.{_HOME[name]}"), name)
