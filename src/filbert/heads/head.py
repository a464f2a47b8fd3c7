"""The layers on top of the network and their losses, one per task."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from filbert.batch import Array, Packed
from filbert.device import Device
from filbert.encoder.encoder import Encoder
from filbert.encoder.tensors import PackedTensors, to_tensors
from filbert.errors import SettingsError
from filbert.tasks import Run, Task


@dataclass(frozen=True)
class Term:
    """A part of a loss: a sum over targets.

    total  of the targets' losses, not divided
    count  of the targets
    right  how many of them the network named right, where that is known
    """

    total: Float[Tensor, ""]
    count: int
    right: Float[Tensor, ""] | None = None


@dataclass(frozen=True)
class Loss:
    """A loss as sums, term by term; the loss itself is the sum of the terms' means.

    The loop divides by the counts of the whole step, over micro-batches and ranks, which it knows
    beforehand from `Task.counts`: so the result does not depend on how a step is cut.
    """

    terms: Mapping[str, Term]

    def mean(self, counts: Mapping[str, int] | None = None) -> Float[Tensor, ""]:
        """The loss, with these counts or this batch's own. A term without targets gives 0."""
        if counts is None:
            counts = {name: term.count for name, term in self.terms.items()}
        parts = [term.total / max(1, counts[name]) for name, term in self.terms.items()]
        first, *others = parts
        return sum(others, start=first)

    def sums(self, names: Sequence[str]) -> Float[Tensor, "terms 2"]:
        """Each term's total and how many of its targets were right (NaN: it is not known)."""
        terms = [self.terms[name] for name in names]
        unknown = torch.full_like(terms[0].total.detach().float(), torch.nan)
        return torch.stack(
            [
                torch.stack((t.total.detach().float(), unknown if t.right is None else t.right))
                for t in terms
            ]
        )


class Head(nn.Module, ABC):
    """What a task puts on top of the encoder.

    coupled           whether its loss looks at all rows of a step together, over all pieces and
                      GPUs, by `coupled_loss`
    dropout_fraction  of what the head drops in training, where it drops anything
    """

    coupled: ClassVar[bool] = False
    dropout_fraction: float = 0.0

    @classmethod
    @abstractmethod
    def build(cls, encoder: Encoder, task: Task) -> "Head":
        """A fresh head for this encoder and task."""

    @abstractmethod
    def forward(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors
    ) -> dict[str, Tensor]:
        """The outputs that the task's `decode` reads."""

    def loss(
        self, hidden: Float[Tensor, "tokens width"], packed: PackedTensors, peers: Any = None
    ) -> Loss:
        """The loss of a batch that carries targets.

        It begins at the hidden vectors, not at the outputs: what is only there to be learnt from
        need not be built. peers: passed by the loop to heads that look across GPUs.
        """
        raise SettingsError(f"{type(self).__name__} has nothing to learn: it has no loss")

    def coupled_loss(
        self, vectors: Float[Tensor, "sequences width"], targets: Mapping[str, Tensor]
    ) -> Loss:
        """The loss of all vectors of a step; of heads that are `coupled`.

        targets: as of one batch, those of all pieces and GPUs end to end.
        """
        raise SettingsError(f"{type(self).__name__} learns from each row by itself")


class Model(nn.Module):
    """An encoder and a head on it.

    fresh   names of the parts that were drawn anew because the checkpoint had none
    family  what the folder that it came from calls its kind of network, kept for the next one
    """

    def __init__(self, encoder: Encoder, head: Head):
        """Join the two."""
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.fresh: list[str] = []
        self.family: str | None = None

    def forward(self, packed: PackedTensors) -> dict[str, Tensor]:
        """The head's outputs."""
        outputs: dict[str, Tensor] = self.head(self.encoder(packed), packed)
        return outputs

    def loss(self, packed: PackedTensors, peers: Any = None) -> Loss:
        """The loss of a batch that carries targets."""
        return self.head.loss(self.encoder(packed), packed, peers)

    def step_loss(
        self, packed: PackedTensors, counts: Mapping[str, int]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "terms 2"]]:
        """A batch's part of a step's loss, and the sums of each term, without gradients.

        counts: the targets of the whole step by term (see Loss). The sums stand in the order of the
        terms' sorted names: the total, and how many targets were right (NaN: it is not known).

        Of a coupled head, whose loss was found elsewhere, targets["gradient"] [sequences, width] is
        its gradient: what is returned has that, and no sums.
        """
        if (gradient := packed.targets.get("gradient")) is not None:
            return (self(packed)["vectors"].float() * gradient).sum(), gradient.new_zeros(0, 2)
        loss = self.loss(packed)
        return loss.mean(counts), loss.sums(sorted(counts))

    def set_dropout(
        self, dropout_fraction: float | None, attention_dropout_fraction: float = 0.0
    ) -> None:
        """How much is dropped in training; None leaves what the shape says."""
        self.encoder.attention_dropout_fraction = attention_dropout_fraction
        if dropout_fraction is not None:
            self.encoder.dropout_fraction = dropout_fraction
            self.head.dropout_fraction = dropout_fraction

    def runner(self, device: Device, precision: str = "auto") -> Run:
        """A function pack → outputs in numpy, without gradients and dropout.

        train scores its dev set by it and the engine answers by it: one path, the same numbers.
        """

        def run(packed: Packed) -> dict[str, Array]:
            if self.training:
                self.eval()
            with torch.inference_mode(), device.autocast(precision):
                outputs = self(to_tensors(packed, self.encoder.shape, device.name))
                return {name: value.float().cpu().numpy() for name, value in outputs.items()}

        return run
