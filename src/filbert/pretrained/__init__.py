"""The tutorial's front: Hugging Face's names, padded tensors packed at the door."""

from typing import TYPE_CHECKING, Any

from filbert.errors import explain_missing
from filbert.pretrained.tokenizer import BertTokenizer

if TYPE_CHECKING:
    from filbert.pretrained.bert import (
        BertForMaskedLM,
        BertForQuestionAnswering,
        BertForSequenceClassification,
        BertForTokenClassification,
        BertModel,
    )

__all__ = [
    "BertForMaskedLM",
    "BertForQuestionAnswering",
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "BertModel",
    "BertTokenizer",
]


def __getattr__(name: str) -> Any:
    """The models import torch, so they are imported when they are first asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'filbert.pretrained' has no attribute {name!r}")
    try:
        from filbert.pretrained import bert
    except ModuleNotFoundError as error:
        raise explain_missing(error) from error
    return getattr(bert, name)
