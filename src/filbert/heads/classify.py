"""The heads that answer for a whole text: labels, a number, the better of several endings."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from filbert.encoder.dropout import drop
from filbert.encoder.encoder import Encoder, initialise
from filbert.encoder.shape import Shape
from filbert.encoder.tensors import PackedTensors
from filbert.heads.head import Head, Loss, Term
from filbert.heads.pooler import dense_and_norm, pool, through
from filbert.tasks import Classify, Task


class PooledHead(Head):
    """tanh(W·h[CLS] + b), dropout, a linear layer; the shape may name another activation.

    pooling  "first": the first token's vector; "mean": the mean of all
    """

    def __init__(self, shape: Shape, outputs: int, pooling: str = "first"):
        """Make the head, with so many outputs."""
        super().__init__()
        self.pooler, self.pooler_norm = dense_and_norm(shape)
        self.output = nn.Linear(shape.width, outputs)
        self.activation, self.pooling = shape.head_activation, pooling
        self.dropout_fraction = shape.dropout_fraction
        initialise(self)

    @classmethod
    def build(cls, encoder: Encoder, task: Task) -> "PooledHead":
        """A fresh head with one output."""
        return cls(encoder.shape, 1, getattr(task, "pooling", "first"))

    def forward(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors
    ) -> dict[str, Tensor]:
        """logits [sequences, outputs]."""
        pooled = pool(hidden, packed, self.pooling)
        pooled = through(pooled, self.pooler, self.pooler_norm, self.activation)
        pooled = drop(pooled, self.dropout_fraction if self.training else 0.0)
        return {"logits": self.output(pooled)}


class ClassifyHead(PooledHead):
    """One logit a label (section 4.1)."""

    def __init__(self, shape: Shape, labels: int, pooling: str = "first"):
        """Make the head."""
        super().__init__(shape, labels, pooling)
        self._class_weights: tuple[float, ...] = ()
        self._label_smoothing, self._several = 0.0, False

    @classmethod
    def build(cls, encoder: Encoder, task: Task) -> "ClassifyHead":
        """A fresh head with one output a label."""
        assert isinstance(task, Classify)
        head = cls(encoder.shape, len(task.labels), task.pooling)
        assert task.class_weights != "balanced", "the data make numbers of it"
        head._class_weights = tuple(task.class_weights)
        head._label_smoothing, head._several = task.label_smoothing, task.several
        return head

    def loss(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors, peers: Any = None
    ) -> Loss:
        """Cross-entropy of the labels, summed; of several labels a text, the mean over them."""
        labels = packed.targets["labels"]
        logits = self(hidden, packed)["logits"].float()
        weights = (
            torch.tensor(self._class_weights, device=logits.device) if self._class_weights else None
        )
        if self._several:
            wanted = labels * (1 - self._label_smoothing) + self._label_smoothing / 2
            each = functional.binary_cross_entropy_with_logits(
                logits, wanted, pos_weight=weights, reduction="none"
            )
            right = ((logits.detach() > 0) == (labels > 0.5)).all(dim=1).sum().float()
            return Loss({"labels": Term(each.mean(dim=1).sum(), len(labels), right)})
        total = functional.cross_entropy(
            logits, labels, weights, reduction="sum", label_smoothing=self._label_smoothing
        )
        right = (logits.detach().argmax(dim=1) == labels).sum().float()
        return Loss({"labels": Term(total, len(labels), right)})


class RegressHead(PooledHead):
    """One number a text."""

    def loss(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors, peers: Any = None
    ) -> Loss:
        """Squared error, summed; in units of the numbers' deviation."""
        labels = packed.targets["labels"]
        values = self(hidden, packed)["logits"][:, 0].float()
        return Loss(
            {"labels": Term(functional.mse_loss(values, labels, reduction="sum"), len(labels))}
        )


class RerankHead(PooledHead):
    """One logit for a query and a passage: that the one answers the other."""

    def loss(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors, peers: Any = None
    ) -> Loss:
        """Cross-entropy of relevant or not, summed."""
        labels = packed.targets["labels"]
        logits = self(hidden, packed)["logits"][:, 0].float()
        total = functional.binary_cross_entropy_with_logits(logits, labels, reduction="sum")
        right = ((logits.detach() > 0) == (labels > 0.5)).sum().float()
        return Loss({"labels": Term(total, len(labels), right)})


class ChooseHead(PooledHead):
    """One logit for each ending; the likelier it is, the larger (section 4.4)."""

    def loss(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors, peers: Any = None
    ) -> Loss:
        """Cross-entropy over the endings of each row, summed."""
        labels, of_row = packed.targets["labels"], packed.targets["of_row"]
        logits = self(hidden, packed)["logits"][:, 0].float()
        counts = of_row.bincount(minlength=len(labels))
        padded = logits.new_full((len(labels), int(counts.max())), float("-inf"))
        first = counts.cumsum(0) - counts
        places = torch.arange(len(logits), device=logits.device) - first[of_row]
        padded = padded.index_put((of_row, places), logits)
        total = functional.cross_entropy(padded, labels, reduction="sum")
        right = (padded.detach().argmax(dim=1) == labels).sum().float()
        return Loss({"labels": Term(total, len(labels), right)})
