"""The layers on top of the network and their losses, one per task."""

from filbert.encoder.encoder import Encoder
from filbert.heads.classify import ChooseHead, ClassifyHead, PooledHead, RegressHead, RerankHead
from filbert.heads.embed import EmbedHead
from filbert.heads.head import Head, Loss, Model, Term
from filbert.heads.pretrain import PretrainHead
from filbert.heads.span import SpanHead
from filbert.heads.tag import TagHead
from filbert.tasks import Task

HEADS: dict[str, type[Head]] = {
    "pretrain": PretrainHead,
    "classify": ClassifyHead,
    "regress": RegressHead,
    "tag": TagHead,
    "span": SpanHead,
    "choose": ChooseHead,
    "rerank": RerankHead,
    "embed": EmbedHead,
}


def build_model(encoder: Encoder, task: Task) -> Model:
    """An encoder with a fresh head for the task."""
    return Model(encoder, HEADS[task.name].build(encoder, task))


__all__ = [
    "HEADS",
    "ChooseHead",
    "ClassifyHead",
    "EmbedHead",
    "Head",
    "Loss",
    "Model",
    "PooledHead",
    "PretrainHead",
    "RegressHead",
    "RerankHead",
    "SpanHead",
    "TagHead",
    "Term",
    "build_model",
]
