"""Pooling: the tokens' vectors → one vector a text."""

from jaxtyping import Float
from torch import Tensor, nn

from filbert.encoder.encoder import Encoder
from filbert.encoder.tensors import PackedTensors
from filbert.heads.head import Head
from filbert.heads.pooler import pool
from filbert.tasks import Embed, Task


class EmbedHead(Head):
    """Mean, first token or the largest of each number.

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
        """vectors [sequences, width]; targets["first_pooled"], where given, leaves prompts out."""
        first_pooled = packed.targets.get("first_pooled")
        return {"vectors": pool(hidden, packed, self.pooling, first_pooled)}
