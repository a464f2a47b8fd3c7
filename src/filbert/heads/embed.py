"""Pooling: the tokens' vectors → one vector a text."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from filbert.encoder.encoder import Encoder
from filbert.encoder.tensors import PackedTensors
from filbert.heads.head import Head
from filbert.tasks import Embed, Task


class EmbedHead(Head):
    """Mean or first token.

    A checkpoint's pooler is carried along, so that a folder loses nothing on its way through
    filbert; no pooling here reads it.
    """

    def __init__(self, pooling: str, pooler: nn.Linear | None = None):
        """Make the head; it has no weights of its own."""
        super().__init__()
        self.pooling = pooling
        self.pooler = pooler

    @classmethod
    def build(cls, encoder: Encoder, task: Task) -> "EmbedHead":
        """The head that the task's pooling asks for."""
        assert isinstance(task, Embed)
        return cls(task.pooling)

    def forward(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors
    ) -> dict[str, Tensor]:
        """vectors [sequences, width]."""
        if self.pooling == "first":
            return {"vectors": hidden.index_select(0, packed.starts)}
        # Sequence by sequence, so that a text's mean does not depend on its neighbours.
        means = torch.segment_reduce(hidden, "mean", offsets=packed.ends.long(), axis=0)
        return {"vectors": means}
