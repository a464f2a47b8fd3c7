"""The classification head: the pooled first token, then a linear layer (section 4.1)."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from filbert.encoder.dropout import drop
from filbert.encoder.encoder import Encoder, initialise
from filbert.encoder.tensors import PackedTensors
from filbert.heads.head import Head, Loss
from filbert.tasks import Classify, Task


class ClassifyHead(Head):
    """tanh(W·h[CLS] + b), dropout, one logit a label."""

    def __init__(self, width: int, labels: int, dropout_fraction: float):
        """Make the head."""
        super().__init__()
        self.pooler = nn.Linear(width, width)
        self.output = nn.Linear(width, labels)
        self.dropout_fraction = dropout_fraction
        initialise(self)

    @classmethod
    def build(cls, encoder: Encoder, task: Task) -> "ClassifyHead":
        """A fresh head with one output a label."""
        assert isinstance(task, Classify)
        shape = encoder.shape
        return cls(shape.width, len(task.labels), shape.dropout_fraction)

    def forward(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors
    ) -> dict[str, Tensor]:
        """logits [sequences, labels]."""
        pooled = self.pooler(hidden.index_select(0, packed.starts)).tanh()
        pooled = drop(pooled, self.dropout_fraction if self.training else 0.0)
        return {"logits": self.output(pooled)}

    def loss(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors, peers: Any = None
    ) -> Loss:
        """Cross-entropy of the labels, summed."""
        labels = packed.targets["labels"]
        logits = self(hidden, packed)["logits"]
        total = functional.cross_entropy(logits.float(), labels, reduction="sum")
        return Loss(total, len(labels))
