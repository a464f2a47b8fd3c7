"""The tagging head: a linear layer over every token (section 5.3), and what may follow what."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from filbert.encoder.dropout import drop
from filbert.encoder.encoder import Encoder, initialise
from filbert.encoder.shape import Shape
from filbert.encoder.tensors import PackedTensors
from filbert.errors import SettingsError
from filbert.heads.head import Head, Loss, Term
from filbert.heads.pooler import of_each_token, through
from filbert.tasks import NO_LABEL, Task


class TagHead(Head):
    """Dropout, one logit a label, of every token; with a CRF, scores of the steps between words.

    first, next, last  a CRF's: [labels], [labels, labels] (from a row to a column), [labels]
    """

    def __init__(self, shape: Shape, labels: int, *, crf: bool = False):
        """Make the head. A CRF begins with all steps alike."""
        super().__init__()
        self.pooler, self.pooler_norm = of_each_token(shape)
        self.output = nn.Linear(shape.width, labels)
        self.activation = shape.head_activation
        self.dropout_fraction = shape.dropout_fraction
        initialise(self)
        self.crf = crf
        self.first = nn.Parameter(torch.zeros(labels)) if crf else None
        self.next = nn.Parameter(torch.zeros(labels, labels)) if crf else None
        self.last = nn.Parameter(torch.zeros(labels)) if crf else None

    @classmethod
    def build(cls, encoder: Encoder, task: Task) -> "TagHead":
        """A fresh head with one output for each of the task's labels."""
        labels = getattr(task, "labels", None)
        if not labels:
            raise SettingsError(f"tagging needs a task with labels; {task.name} has none")
        return cls(encoder.shape, len(labels), crf=getattr(task, "crf", False))

    def forward(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors
    ) -> dict[str, Tensor]:
        """logits [tokens, labels]; a CRF's first, next and last, too."""
        vectors = through(hidden, self.pooler, self.pooler_norm, self.activation)
        vectors = drop(vectors, self.dropout_fraction if self.training else 0.0)
        outputs = {"logits": self.output(vectors)}
        if self.first is not None and self.next is not None and self.last is not None:
            outputs |= {"first": self.first, "next": self.next, "last": self.last}
        return outputs

    def loss(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors, peers: Any = None
    ) -> Loss:
        """Cross-entropy of targets["labels"] [tokens], summed over those that are no NO_LABEL.

        With a CRF: of each sequence's labels as a whole (Lafferty et al. 2001).
        """
        labels = packed.targets["labels"]
        outputs = self(hidden, packed)
        logits, asked = outputs["logits"].float(), labels != NO_LABEL
        right = ((logits.detach().argmax(dim=1) == labels) & asked).sum().float()
        if self.crf:
            total = self._crf_loss(logits, labels, asked, packed)
        else:
            total = functional.cross_entropy(logits, labels, ignore_index=NO_LABEL, reduction="sum")
        return Loss({"labels": Term(total, int(asked.sum()), right)})

    def _crf_loss(
        self,
        logits: Float[Tensor, "tokens labels"],
        labels: Int[Tensor, " tokens"],
        asked: Bool[Tensor, " tokens"],
        packed: PackedTensors,
    ) -> Float[Tensor, ""]:
        """-log of the chance of each sequence's labels, summed; all sequences go word by word."""
        assert self.first is not None
        assert self.next is not None
        assert self.last is not None
        sequence = torch.arange(len(packed.starts), device=logits.device)
        of_word = sequence.repeat_interleave(packed.lengths)[asked]
        words = of_word.bincount(minlength=len(sequence))
        of_word = of_word[words[of_word] > 0]
        place = torch.arange(len(of_word), device=logits.device)
        place = place - (words.cumsum(0) - words)[of_word]
        scores, right = logits[asked], labels[asked]
        # What was chosen: its words' scores and the steps between them.
        begins, ends = place == 0, place == words[of_word] - 1
        chosen = scores.gather(1, right[:, None]).sum()
        chosen = chosen + self.first[right[begins]].sum() + self.last[right[ends]].sum()
        follows = (~begins).nonzero()[:, 0]
        chosen = chosen + self.next[right[follows - 1], right[follows]].sum()
        # All that might have been.
        longest, kinds = int(words.max()), logits.shape[1]
        padded = scores.new_zeros(len(words), longest, kinds)
        padded = padded.index_put((of_word, place), scores)
        forward = self.first + padded[:, 0]
        for at in range(1, longest):
            on = torch.logsumexp(forward[:, :, None] + self.next, dim=1) + padded[:, at]
            forward = torch.where((words > at)[:, None], on, forward)
        total = torch.logsumexp(forward + self.last, dim=1)
        return (total * (words > 0)).sum() - chosen
