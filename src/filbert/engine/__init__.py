"""Fast answers: batching and back ends."""

from typing import TYPE_CHECKING, Any

from filbert.engine.answers import Attention, FilledMask, Guess, HiddenStates, Inside
from filbert.engine.comparing import Comparison, compare, compare_with_first, disagreements
from filbert.engine.engine import Engine
from filbert.engine.predicting import PredictedFile, predict_file, stream_answers
from filbert.engine.predictor import BATCH_TOKENS, Predictor, open_model

if TYPE_CHECKING:
    from filbert.engine.evaluating import evaluate

__all__ = [
    "BATCH_TOKENS",
    "Attention",
    "Comparison",
    "Engine",
    "FilledMask",
    "Guess",
    "HiddenStates",
    "Inside",
    "PredictedFile",
    "Predictor",
    "compare",
    "compare_with_first",
    "disagreements",
    "evaluate",
    "open_model",
    "predict_file",
    "stream_answers",
]


def __getattr__(name: str) -> Any:
    """`evaluate` runs the torch back end, so it is loaded when it is first asked for."""
    if name != "evaluate":
        raise AttributeError(f"module 'filbert.engine' has no attribute {name!r}")
    from filbert.engine.evaluating import evaluate

    return evaluate
