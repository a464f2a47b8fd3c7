"""The classification head: the pooled vector, then a linear layer (section 4.1)."""

from typing import Any

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


class ClassifyHead(Head):
    """tanh(W·h[CLS] + b), dropout, one logit a label; the shape may name another activation.

    pooling  "first": the first token's vector; "mean": the mean of all
    """

    def __init__(self, shape: Shape, labels: int, pooling: str = "first"):
        """Make the head."""
        super().__init__()
        self.pooler, self.pooler_norm = dense_and_norm(shape)
        self.output = nn.Linear(shape.width, labels)
        self.activation, self.pooling = shape.head_activation, pooling
        self.dropout_fraction = shape.dropout_fraction
        initialise(self)

    @classmethod
    def build(cls, encoder: Encoder, task: Task) -> "ClassifyHead":
        """A fresh head with one output a label."""
        assert isinstance(task, Classify)
        return cls(encoder.shape, len(task.labels), task.pooling)

    def forward(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors
    ) -> dict[str, Tensor]:
        """logits [sequences, labels]."""
        pooled = pool(hidden, packed, self.pooling)
        pooled = through(pooled, self.pooler, self.pooler_norm, self.activation)
        pooled = drop(pooled, self.dropout_fraction if self.training else 0.0)
        return {"logits": self.output(pooled)}

    def loss(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors, peers: Any = None
    ) -> Loss:
        """Cross-entropy of the labels, summed."""
        labels = packed.targets["labels"]
        logits = self(hidden, packed)["logits"]
        total = functional.cross_entropy(logits.float(), labels, reduction="sum")
        right = (logits.detach().argmax(dim=1) == labels).sum().float()
        return Loss({"labels": Term(total, len(labels), right)})
