"""The span head: where an answer begins and where it ends (section 4.2)."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from filbert.encoder.encoder import Encoder, initialise
from filbert.encoder.shape import Shape
from filbert.encoder.tensors import PackedTensors
from filbert.heads.head import Head, Loss, Term
from filbert.heads.pooler import of_each_token, through
from filbert.tasks import Task


class SpanHead(Head):
    """Two logits a token: that the answer begins with it, and that it ends with it."""

    def __init__(self, shape: Shape):
        """Make the head."""
        super().__init__()
        self.pooler, self.pooler_norm = of_each_token(shape)
        self.span = nn.Linear(shape.width, 2)
        self.activation = shape.head_activation
        initialise(self)

    @classmethod
    def build(cls, encoder: Encoder, task: Task) -> "SpanHead":
        """A fresh head."""
        return cls(encoder.shape)

    def forward(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors
    ) -> dict[str, Tensor]:
        """logits [tokens, 2]: begins here, ends here."""
        vectors = through(hidden, self.pooler, self.pooler_norm, self.activation)
        return {"logits": self.span(vectors)}

    def loss(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors, peers: Any = None
    ) -> Loss:
        """Cross-entropy over each sequence's tokens, mean of begin and end, summed.

        targets["span"] [sequences, 2]: the answer's first and last token, counted in its sequence.
        """
        spans = packed.targets["span"]
        logits = self(hidden, packed)["logits"].float()
        parts = logits.split(packed.lengths.tolist())
        # Only for the softmax: a place that is not there has no chance.
        padded = pad_sequence(list(parts), batch_first=True, padding_value=float("-inf"))
        total = functional.cross_entropy(padded, spans, reduction="sum") / 2
        return Loss({"spans": Term(total, len(spans))})
