"""One step's loss and gradients, in as many pieces as the memory asks for, over all ranks."""

import contextlib
import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from filbert.batch import Array, Packed
from filbert.device import Device
from filbert.encoder import to_tensors
from filbert.encoder.tensors import PackedTensors
from filbert.errors import DeviceError
from filbert.heads import Model
from filbert.tasks import Task
from filbert.train.drawing import Pieces
from filbert.train.optimizers.sums import square_sum
from filbert.train.parts import part, whole, whole_sums
from filbert.train.ranks import Ranks
from filbert.train.roof import step_flops

_CPU_MEMORY = "DefaultCPUAllocator"


@dataclass(frozen=True)
class Found:
    """What a step's rows say; the gradients lie in the parameters.

    loss     the mean over the targets of all ranks
    norm     of the gradient
    figures  each term's loss and the part of its targets that were named right
    tokens   really read, over all ranks
    flops    of matrix products, over all ranks
    """

    loss: float
    norm: float
    figures: dict[str, float]
    tokens: int
    flops: float


class Objective(nn.Module):
    """A model as a function of a batch, as torch's data-parallel wrapper wants it."""

    def __init__(self, model: Model):
        """Of one model."""
        super().__init__()
        self.model = model

    def forward(self, packed: PackedTensors, counts: Mapping[str, int]) -> tuple[Tensor, Tensor]:
        """Model.step_loss."""
        return self.model.step_loss(packed, counts)


class Stepper:
    """Finds the gradients of steps.

    micro_tokens  that go through the network at once; halved when the memory does not suffice
    """

    def __init__(
        self,
        model: Model,
        *,
        device: Device,
        ranks: Ranks,
        precision: str,
        micro_tokens: int,
        sharded: bool,
    ):
        """For a model that lies on the device. sharded: a part of it on each rank."""
        self.model, self._device, self._ranks = model, device, ranks
        self.precision, self.micro_tokens = precision, micro_tokens
        self._network: Any = Objective(model)
        # Parts of a sharded model travel in the forward pass, too: nobody can try alone.
        self._untried = ranks.world > 1 and not sharded
        if ranks.world > 1 and sharded:
            from filbert.train.sharded import Sharded  # FSDP takes a second to load

            self._network = Sharded(model, device, ranks.world)
        elif ranks.world > 1:
            self._network = DistributedDataParallel(
                self._network,
                device_ids=[ranks.local] if device.kind == "cuda" else None,
                gradient_as_bucket_view=True,
            )

    def gradients(
        self, task: Task, pieces: Pieces, again: Callable[[int], Pieces], weight: int, chance: int
    ) -> Found:
        """The gradients of the mean loss over the rows of all ranks.

        pieces  this rank's rows
        again   cuts them anew, in pieces of so many tokens
        weight  1; 0 where they are a spare row, with which a rank without rows takes part
        chance  seeds dropout; another number on each rank

        Raises DeviceError where even the longest row is too much for the memory.
        """
        self.model.train()
        while True:
            if pieces.micro_tokens != self.micro_tokens:
                pieces = again(self.micro_tokens)
            try:
                if self._untried:
                    self._try(task, pieces.packs[0])
                walk = self._walk
                if self.model.head.coupled and (self._ranks.world, len(pieces.packs)) != (1, 1):
                    walk = self._walk_twice
                return walk(task, pieces.packs, weight, chance)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error)
            self._halve(pieces.lengths, reason)

    def _walk(self, task: Task, packs: Sequence[Packed], weight: int, chance: int) -> Found:
        """All pieces of a step, forward and backward."""
        counts, tokens, flops = self._agree(task, packs, weight)
        torch.manual_seed(chance)
        self.model.zero_grad(set_to_none=True)
        sums = torch.zeros(len(counts), 2, device=self._device.name)
        for number, packed in enumerate(packs):
            with self._synced(last=number + 1 == len(packs)):
                loss, terms = self._through(packed, counts)
                # Ranks' gradients are averaged on their way; what is wanted is their sum.
                (loss * (weight * self._ranks.world)).backward()
            sums += terms * weight
        totals = torch.tensor(self._ranks.sum(sums.flatten().tolist())).view(-1, 2)
        return _found(counts, totals.tolist(), self._gradient_norm(), tokens, flops)

    def _walk_twice(self, task: Task, packs: Sequence[Packed], weight: int, chance: int) -> Found:
        """The same where the loss looks at all rows of a step (Gao et al. 2021, GradCache).

        All pieces go through once for their vectors; of those of all ranks the loss is found, and
        its gradient for each; then each piece goes through again, to hand it down.
        """
        counts, tokens, flops = self._agree(task, packs, weight)
        self.model.zero_grad(set_to_none=True)
        vectors = []
        for number, packed in enumerate(packs):
            torch.manual_seed(_of_piece(chance, number))
            with torch.no_grad(), self._device.autocast(self.precision):
                tensors = to_tensors(packed, self.model.encoder.shape, self._device.name)
                vectors.append(self.model(tensors)["vectors"].float())
        mine = torch.cat(vectors)[: None if weight else 0]
        every = self._ranks.gather(mine)
        first = sum(len(each) for each in every[: self._ranks.rank])
        leaf = torch.cat(every).requires_grad_()
        loss = self.model.head.coupled_loss(leaf, self._targets_of_all(packs, weight))
        loss.mean(counts).backward()
        assert leaf.grad is not None
        gradient = (
            leaf.grad[first : first + len(mine)]
            if weight
            else leaf.grad.new_zeros(sum(len(each) for each in vectors), leaf.shape[1])
        )
        for number, packed in enumerate(packs):
            own, gradient = gradient.split([len(packed.ends), len(gradient) - len(packed.ends)])
            targets = {**packed.targets, "gradient": own.cpu().numpy()}
            torch.manual_seed(_of_piece(chance, number))
            with self._synced(last=number + 1 == len(packs)):
                handed, _ = self._through(replace(packed, targets=targets), counts)
                # Ranks' gradients are averaged on their way; what is wanted is their sum.
                (handed * self._ranks.world).backward()
        sums = loss.sums(sorted(counts)).tolist()
        return _found(counts, sums, self._gradient_norm(), tokens, flops)

    def _targets_of_all(self, packs: Sequence[Packed], weight: int) -> dict[str, Tensor]:
        """The targets of all pieces of all ranks, as if they were one batch."""
        mine: dict[str, list[Array]] = {name: [] for name in sorted(packs[0].targets)}
        rows = 0
        for packed in packs if weight else ():
            for name, parts in mine.items():
                parts.append(packed.targets[name] + (rows if name == "of_row" else 0))
            rows += len(packed.targets["labels"])
        found = {}
        for name, parts in mine.items():
            array = np.concatenate(parts) if parts else packs[0].targets[name][:0]
            kind = torch.int64 if array.dtype.kind in "iu" else torch.float32
            every = self._ranks.gather(torch.from_numpy(array).to(kind))
            found[name] = every
        before = itertools.accumulate((len(each) for each in found["labels"]), initial=0)
        found["of_row"] = [
            each + start for each, start in zip(found["of_row"], before, strict=False)
        ]
        return {name: torch.cat(parts).to(self._device.name) for name, parts in found.items()}

    def _gradient_norm(self) -> float:
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        return float(self._norm(gradients))

    def _norm(self, gradients: Sequence[Tensor]) -> Tensor:
        if self._device.kind == "cuda":
            return whole(torch.nn.utils.get_total_norm(gradients))
        # Not torch's own norm, which on a CPU depends on the number of threads (sums.py).
        squares = whole_sums([square_sum(part(each)) for each in gradients], gradients)
        return squares.sum().sqrt()

    def _through(self, packed: Packed, counts: Mapping[str, int]) -> tuple[Tensor, Tensor]:
        shape = self.model.encoder.shape
        with self._device.autocast(self.precision):
            found: tuple[Tensor, Tensor] = self._network(
                to_tensors(packed, shape, self._device.name), counts
            )
        return found

    def _agree(
        self, task: Task, packs: Sequence[Packed], weight: int
    ) -> tuple[dict[str, int], int, float]:
        """The step's targets by term, its tokens and flops, over all ranks."""
        mine: Counter[str] = Counter()
        for packed in packs:
            mine.update(task.counts(packed))
        names = sorted(mine)
        tokens = sum(packed.token_ids.size for packed in packs)
        flops = sum(step_flops(self.model.encoder.shape, packed) for packed in packs)
        numbers = [*(mine[name] for name in names), tokens, flops]
        *counts, all_tokens, all_flops = self._ranks.sum([weight * each for each in numbers])
        return dict(zip(names, map(int, counts), strict=True)), int(all_tokens), all_flops

    def _synced(self, *, last: bool) -> AbstractContextManager[Any]:
        """Gradients travel with a step's last piece alone."""
        if last or self._ranks.world == 1:
            return contextlib.nullcontext()
        context: AbstractContextManager[Any] = self._network.no_sync()
        return context

    def _try(self, task: Task, packed: Packed) -> None:
        """See whether every rank has the memory for its largest piece, before any waits for any.

        Raises torch's error for want of memory on all ranks if one of them has too little.
        """
        reason = ""
        try:
            with self._network.no_sync():
                self._through(packed, task.counts(packed))[0].backward()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error)
        self.model.zero_grad(set_to_none=True)
        if self._ranks.sum([bool(reason)])[0]:
            raise torch.OutOfMemoryError(reason or "another rank has too little memory")
        self._untried = False

    def _halve(self, lengths: Sequence[int], reason: str) -> None:
        """Ask for less memory. Raises DeviceError where that cannot be."""
        longest, tokens = max(lengths), sum(lengths)
        tried = min(self.micro_tokens, tokens)
        if tried <= longest or not (self._ranks.world == 1 or self._untried):
            raise DeviceError(
                f"{self._device.name}: too little memory for {tried:,} tokens at once; "
                f"set train.micro_tokens below that ({reason.splitlines()[0]:.200})"
            )
        self.micro_tokens = max(longest, tried // 2)
        self.model.zero_grad(set_to_none=True)
        if self._device.kind == "cuda":
            torch.cuda.empty_cache()


def _of_piece(chance: int, number: int) -> int:
    """What seeds the dropout of a piece, each time that it goes through."""
    return (chance + number * 0x9E3779B97F4A7C15) % 2**63


def _found(
    counts: Mapping[str, int], totals: list[list[float]], norm: float, tokens: int, flops: float
) -> Found:
    loss, figures = 0.0, {}
    for (name, count), (total, right) in zip(counts.items(), totals, strict=True):
        mean = total / max(1, count)
        loss += mean
        if len(counts) > 1:
            figures[f"{name}_loss"] = mean
        if count and not math.isnan(right):
            figures[f"{name}_accuracy"] = right / count
    return Found(loss, norm, figures, tokens, flops)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch lacked memory; on a CPU it says so in words alone."""
    return isinstance(error, torch.OutOfMemoryError) or _CPU_MEMORY in str(error)
