"""filbert: BERT in a nutshell, from raw text to a useful model.

The names below are loaded when they are first used: `import filbert` itself stays light.
"""

from typing import TYPE_CHECKING, Any

from filbert.errors import FilbertError, explain_missing

if TYPE_CHECKING:
    from filbert.checkpoint import Folder
    from filbert.engine import Predictor, evaluate, open_model, predict_file
    from filbert.pretrained import (
        BertForMaskedLM,
        BertForQuestionAnswering,
        BertForSequenceClassification,
        BertForTokenClassification,
        BertModel,
        BertTokenizer,
    )
    from filbert.tokenizer import Tokenizer
    from filbert.train import Plan, finetune, pretrain

__version__ = "0.1.0"

_HOME = {
    "BertForMaskedLM": "pretrained",
    "BertForQuestionAnswering": "pretrained",
    "BertForSequenceClassification": "pretrained",
    "BertForTokenClassification": "pretrained",
    "BertModel": "pretrained",
    "BertTokenizer": "pretrained",
    "Folder": "checkpoint",
    "Plan": "train",
    "Predictor": "engine",
    "Tokenizer": "tokenizer",
    "evaluate": "engine",
    "finetune": "train",
    "open_model": "engine",
    "predict_file": "engine",
    "pretrain": "train",
}

__all__ = [
    "BertForMaskedLM",
    "BertForQuestionAnswering",
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "BertModel",
    "BertTokenizer",
    "FilbertError",
    "Folder",
    "Plan",
    "Predictor",
    "Tokenizer",
    "__version__",
    "evaluate",
    "finetune",
    "open_model",
    "predict_file",
    "pretrain",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'filbert' has no attribute {name!r}")
    import importlib

    try:
        return getattr(importlib.import_module(f"filbert.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        raise explain_missing(error) from error


def __dir__() -> list[str]:
    return __all__
