"""The tagging head: a linear layer over every token (section 5.3)."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from filbert.encoder.dropout import drop
from filbert.encoder.encoder import Encoder, initialise
from filbert.encoder.shape import Shape
from filbert.encoder.tensors import PackedTensors
from filbert.errors import SettingsError
from filbert.heads.head import Head, Loss, Term
from filbert.heads.pooler import of_each_token, through
from filbert.tasks import Task

NO_LABEL = -100
"""In targets["labels"]: a token that is not asked for, such as a continuation piece."""


class TagHead(Head):
    """Dropout, one logit a label, of every token."""

    def __init__(self, shape: Shape, labels: int):
        """Make the head."""
        super().__init__()
        self.pooler, self.pooler_norm = of_each_token(shape)
        self.output = nn.Linear(shape.width, labels)
        self.activation = shape.head_activation
        self.dropout_fraction = shape.dropout_fraction
        initialise(self)

    @classmethod
    def build(cls, encoder: Encoder, task: Task) -> "TagHead":
        """A fresh head with one output for each of the task's labels."""
        labels: Sequence[str] | None = getattr(task, "labels", None)
        if not labels:
            raise SettingsError(f"tagging needs a task with labels; {task.name} has none")
        return cls(encoder.shape, len(labels))

    def forward(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors
    ) -> dict[str, Tensor]:
        """logits [tokens, labels]."""
        vectors = through(hidden, self.pooler, self.pooler_norm, self.activation)
        vectors = drop(vectors, self.dropout_fraction if self.training else 0.0)
        return {"logits": self.output(vectors)}

    def loss(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors, peers: Any = None
    ) -> Loss:
        """Cross-entropy of targets["labels"] [tokens], summed over those that are no NO_LABEL."""
        labels = packed.targets["labels"]
        logits = self(hidden, packed)["logits"].float()
        total = functional.cross_entropy(logits, labels, ignore_index=NO_LABEL, reduction="sum")
        return Loss({"labels": Term(total, int((labels != NO_LABEL).sum()))})
