"""The heads of pre-training (Devlin et al. 2019, section 3.1): hidden tokens and pairs."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from filbert.encoder.encoder import Encoder, initialise
from filbert.encoder.shape import Shape
from filbert.encoder.tensors import PackedTensors
from filbert.errors import SettingsError
from filbert.heads.head import Head, Loss, Term
from filbert.heads.masked_loss import masked_loss
from filbert.tasks import Task


class PretrainHead(Head):
    """A GELU layer and a norm, then the token embedding turned round, plus a bias for each token.

    The last bias is there whatever the shape says of the others.

    Only the places in targets["positions"] are read: the product with the vocabulary is the dearest
    of all, and 85 % of it would be thrown away.

    With pairs, also tanh(W·h[CLS] + b) and a linear layer with two outputs, 0: B follows A (or they
    stand in their order), 1: it does not; without dropout between, as in the paper's code.
    """

    def __init__(self, shape: Shape, embedding: nn.Embedding, *, pairs: bool = False):
        """Make the head; `embedding` stays the encoder's own."""
        super().__init__()
        self.transform = nn.Linear(shape.width, shape.width, shape.bias)
        self.norm = nn.LayerNorm(shape.width, shape.norm_epsilon, bias=shape.bias)
        self.bias = nn.Parameter(torch.zeros(shape.vocab))
        self.pooler = nn.Linear(shape.width, shape.width, shape.bias) if pairs else None
        self.next_sentence = nn.Linear(shape.width, 2) if pairs else None
        # In a tuple, so that torch does not count the encoder's weight as this head's own.
        self._tied = (embedding,)
        initialise(self)

    @classmethod
    def build(cls, encoder: Encoder, task: Task) -> "PretrainHead":
        """A fresh head, tied to the encoder's token embedding.

        Raises SettingsError for pairs where the network cannot tell their segments apart.
        """
        shape, pairs = encoder.shape, getattr(task, "pairs", "none")
        if pairs != "none" and (shape.segments < 2 or shape.head_activation != "tanh"):
            raise SettingsError(
                f"task.pairs {pairs!r} needs a BERT, with shape.segments 2 or more and "
                f"shape.head_activation 'tanh'; got {shape.segments} and {shape.head_activation!r}"
            )
        return cls(shape, encoder.embeddings.tokens, pairs=pairs != "none")

    def forward(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors
    ) -> dict[str, Tensor]:
        """logits [masked, vocab]; of a pack with pairs also pair_logits [pairs, 2]."""
        inner = self._inner(hidden, packed)
        outputs = {"logits": functional.linear(inner, self._tied[0].weight, self.bias)}
        if self.pooler is not None and "pairs" in packed.targets:
            outputs["pair_logits"] = self._pair_logits(hidden, packed)
        return outputs

    def loss(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors, peers: Any = None
    ) -> Loss:
        """Cross-entropy of the hidden tokens, and of the pairs where the head has them, summed.

        The logits of the hidden tokens are never all there.
        """
        labels = packed.targets["labels"]
        inner = self._inner(hidden, packed)
        total, right = masked_loss(inner, self._tied[0].weight, self.bias, labels)
        terms = {"masked": Term(total, len(labels), right)}
        if self.pooler is not None:
            asked = packed.targets["pair_labels"].index_select(0, packed.targets["pairs"])
            logits = self._pair_logits(hidden, packed)
            total = functional.cross_entropy(logits.float(), asked, reduction="sum")
            right = (logits.detach().argmax(dim=1) == asked).sum().float()
            terms["pairs"] = Term(total, len(asked), right)
        return Loss(terms)

    def _pair_logits(self, hidden: Tensor, packed: PackedTensors) -> Float[Tensor, "pairs 2"]:
        assert self.pooler is not None
        assert self.next_sentence is not None
        first = hidden.index_select(0, packed.starts.index_select(0, packed.targets["pairs"]))
        logits: Tensor = self.next_sentence(torch.tanh(self.pooler(first)))
        return logits

    def _inner(self, hidden: Tensor, packed: PackedTensors) -> Float[Tensor, "masked width"]:
        places = hidden.index_select(0, packed.targets["positions"])
        inner: Tensor = self.norm(functional.gelu(self.transform(places)))
        return inner
