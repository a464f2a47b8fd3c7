"""Pooling: the tokens' vectors → one vector a text; and how such vectors are learnt."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from filbert.encoder.encoder import Encoder
from filbert.encoder.tensors import PackedTensors
from filbert.errors import SettingsError
from filbert.heads.head import Head, Loss, Term
from filbert.heads.pooler import pool
from filbert.tasks import Embed, Task


class EmbedHead(Head):
    """Mean, first token or the largest of each number.

    A checkpoint's pooler is carried along, so that a folder loses nothing on its way through
    filbert; no pooling here reads it.
    """

    coupled: ClassVar[bool] = True

    def __init__(self, pooling: str, pooler: nn.Linear | None = None):
        """Make the head; it has no weights of its own."""
        super().__init__()
        self.pooling = pooling
        self.pooler = pooler
        self._scale, self._both_ways, self._dims = 20.0, True, tuple[int, ...]()

    @classmethod
    def build(cls, encoder: Encoder, task: Task) -> "EmbedHead":
        """The head that the task's pooling asks for."""
        assert isinstance(task, Embed)
        head = cls(task.pooling)
        width = encoder.shape.width
        if any(dim > width for dim in task.dims):
            raise SettingsError(
                f"task.dims must be at most the network's width, {width}; got {list(task.dims)}"
            )
        head._scale, head._both_ways, head._dims = task.scale, task.both_ways, task.dims
        return head

    def forward(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors
    ) -> dict[str, Tensor]:
        """vectors [sequences, width]; targets["first_pooled"], where given, leaves prompts out."""
        first_pooled = packed.targets.get("first_pooled")
        return {"vectors": pool(hidden, packed, self.pooling, first_pooled)}

    def loss(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors, peers: Any = None
    ) -> Loss:
        """The loss of a batch for itself; see `coupled_loss`."""
        return self.coupled_loss(self(hidden, packed)["vectors"], packed.targets)

    def coupled_loss(
        self, vectors: Float[Tensor, "sequences width"], targets: Mapping[str, Tensor]
    ) -> Loss:
        """In-batch negatives of the rows without a label, CoSENT of those with one.

        Of Matryoshka dims the mean over all of them.
        """
        of_row, labels = targets["of_row"], targets["labels"]
        scored = ~labels.isnan()
        place = torch.arange(len(of_row), device=of_row.device)
        counts = of_row.bincount(minlength=len(labels))
        first = counts.cumsum(0) - counts
        second = (place == first[of_row] + 1) & (counts[of_row] > 1)
        paired = second & ~scored[of_row]
        others = (place > first[of_row]) & ~scored[of_row]
        texts, pairs = first[~scored], paired.nonzero()[:, 0]
        losses, right = [], None
        rows = scored.nonzero()[:, 0]
        for dim in self._dims or (vectors.shape[1],):
            unit = functional.normalize(vectors[:, :dim].float(), dim=1)
            total_pairs = total_scored = unit.sum() * 0
            if len(texts):
                total_pairs, found = self._in_batch(unit, texts, pairs, others, targets["identity"])
                right = found if right is None else right
            if len(rows):
                cosines = (unit[first[rows]] * unit[first[rows] + 1]).sum(dim=1)
                total_scored = _cosent(cosines * self._scale, labels[rows]) * len(rows)
            losses.append((total_pairs, total_scored))
        means = [torch.stack(part).mean() for part in zip(*losses, strict=True)]
        return Loss(
            {
                "pairs": Term(means[0], int((~scored).sum()), right),
                "scored": Term(means[1], int(scored.sum())),
            }
        )

    def _in_batch(
        self,
        unit: Float[Tensor, "sequences dim"],
        texts: Tensor,
        pairs: Tensor,
        others: Bool[Tensor, " sequences"],
        identity: Tensor,
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Each text looks for its pair among all others'; (loss, how many find it), summed.

        What is equal to the text or to its pair is no wrong answer, and takes no part.
        """
        candidates = others.nonzero()[:, 0]
        wanted = torch.searchsorted(candidates, pairs)
        scores = unit[texts] @ unit[candidates].T * self._scale
        same = identity[candidates] == identity[pairs][:, None]
        same |= identity[candidates] == identity[texts][:, None]
        own = torch.zeros_like(same).scatter_(1, wanted[:, None], True)
        scores = scores.masked_fill(same & ~own, float("-inf"))
        total = functional.cross_entropy(scores, wanted, reduction="sum")
        right = (scores.detach().argmax(dim=1) == wanted).sum().float()
        if self._both_ways:
            back = unit[pairs] @ unit[texts].T * self._scale
            alike = identity[texts] == identity[texts][:, None]
            alike |= identity[texts] == identity[pairs][:, None]
            back = back.masked_fill(
                alike & ~torch.eye(len(texts), dtype=torch.bool, device=unit.device), float("-inf")
            )
            places = torch.arange(len(texts), device=unit.device)
            total = (total + functional.cross_entropy(back, places, reduction="sum")) / 2
        return total, right


def _cosent(cosines: Float[Tensor, " pairs"], labels: Float[Tensor, " pairs"]) -> Float[Tensor, ""]:
    """log(1 + the sum of e^(c_j - c_i) over all i that are to be nearer than j) (Su 2022)."""
    apart = cosines[None, :] - cosines[:, None]
    wrong = apart.masked_fill(labels[:, None] <= labels[None, :], float("-inf"))
    return torch.logsumexp(torch.cat((wrong.flatten(), wrong.new_zeros(1))), dim=0)
