"""The masked-language-model head (Devlin et al. 2019; its code's get_masked_lm_output)."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from filbert.encoder.encoder import Encoder, initialise
from filbert.encoder.shape import Shape
from filbert.encoder.tensors import PackedTensors
from filbert.heads.head import Head, Loss, Term
from filbert.heads.masked_loss import masked_loss
from filbert.tasks import Task


class PretrainHead(Head):
    """A GELU layer and a norm, then the token embedding turned round, plus a bias for each token.

    The last bias is there whatever the shape says of the others.

    Only the places in targets["positions"] are read: the product with the vocabulary is the dearest
    of all, and 85 % of it would be thrown away.
    """

    def __init__(self, shape: Shape, embedding: nn.Embedding):
        """Make the head; `embedding` stays the encoder's own."""
        super().__init__()
        self.transform = nn.Linear(shape.width, shape.width, shape.bias)
        self.norm = nn.LayerNorm(shape.width, shape.norm_epsilon, bias=shape.bias)
        self.bias = nn.Parameter(torch.zeros(shape.vocab))
        # In a tuple, so that torch does not count the encoder's weight as this head's own.
        self._tied = (embedding,)
        initialise(self)

    @classmethod
    def build(cls, encoder: Encoder, task: Task) -> "PretrainHead":
        """A fresh head, tied to the encoder's token embedding."""
        return cls(encoder.shape, encoder.embeddings.tokens)

    def forward(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors
    ) -> dict[str, Tensor]:
        """logits [masked, vocab]."""
        inner = self._inner(hidden, packed)
        return {"logits": functional.linear(inner, self._tied[0].weight, self.bias)}

    def loss(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors, peers: Any = None
    ) -> Loss:
        """Cross-entropy of the hidden tokens, summed; the logits are never all there."""
        labels = packed.targets["labels"]
        inner = self._inner(hidden, packed)
        total, right = masked_loss(inner, self._tied[0].weight, self.bias, labels)
        return Loss({"masked": Term(total, len(labels), right)})

    def _inner(self, hidden: Tensor, packed: PackedTensors) -> Float[Tensor, "masked width"]:
        places = hidden.index_select(0, packed.targets["positions"])
        inner: Tensor = self.norm(functional.gelu(self.transform(places)))
        return inner
