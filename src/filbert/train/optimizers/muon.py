"""Muon for the layers' matrices, AdamW for everything else.

Not torch.optim.Muon, whose matrix is always a whole parameter: a layer's query, key and value come
from one weight here, as do the two sides of a gated feed-forward part. As one matrix their updates
would depend on each other, and the larger gradient would get most of the step; split they learn
better (Keller Jordan, "Muon: An optimizer for hidden layers", 2024; NVIDIA/Megatron-LM #1428).
Matrices of one size also go through together, weights of which each rank has a part are brought
together first, and fp32 stays fp32. Where none of that matters it is torch's; a test compares them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from filbert.train.optimizers.adamw import adamw_of
from filbert.train.optimizers.groups import Matrix, matrices, trained
from filbert.train.parts import cut, join, part
from filbert.train.training import Training

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the odd polynomial of degree 5 (Jordan 2024): steepest at 0, not quite flat at 1."""
ROUNDS = 5
RMS_OF_ADAMW = 0.2
"""What a number of AdamW's update is on the root mean square (Liu et al. 2025, section 2.2)."""


def orthogonalise(matrices: Tensor) -> Tensor:
    """Each of [matrices, rows, columns] with singular values near 1 and its singular vectors.

    Near: between 0.7 and 1.2, unless they are below a hundredth of the largest (Newton-Schulz,
    Jordan 2024).
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    turned = matrices.mT if tall else matrices
    norms = torch.linalg.vector_norm(turned, dim=(1, 2), keepdim=True)
    turned = turned / norms.clamp(min=1e-7)
    for _ in range(ROUNDS):
        gram = turned @ turned.mT
        turned = torch.baddbmm(
            turned, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), turned, beta=a
        )
    return turned.mT if tall else turned


class Muon(torch.optim.Optimizer):
    """Momentum, then the nearest orthogonal matrix as the step (Jordan 2024).

    A step of rows x columns is scaled by 0.2·√max(rows, columns), so that its numbers are as large
    as AdamW's, and rate and decay may be AdamW's, too (Liu et al. 2025, section 2.2). Momentum is
    Nesterov's.

    dtype  that products are computed in; bfloat16 is accurate enough (Jordan 2024)
    """

    fields = ("momentum_buffer",)

    def __init__(
        self,
        matrices: Sequence[Matrix],
        *,
        lr: float,
        momentum: float,
        weight_decay: float,
        dtype: torch.dtype = torch.float32,
    ):
        """For some matrices; those of one size and as many parts are one group."""
        alike: dict[tuple[int, torch.Size], list[Tensor]] = {}
        for matrix in matrices:
            alike.setdefault((matrix.parts, matrix.weight.shape), []).append(matrix.weight)
        groups = [
            {"params": weights, "parts": parts, "peak_lr": lr}
            for (parts, _), weights in alike.items()
        ]
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "dtype": dtype}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step; no closure is ever called."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            parts, lr = group["parts"], group["lr"]
            moved = self._momentum(weights, group)
            rows, columns = weights[0].shape
            together = torch.stack([join(each, w) for each, w in zip(moved, weights, strict=True)])
            updates = orthogonalise(together.view(-1, rows // parts, columns)).reshape(
                together.shape
            )
            scale = RMS_OF_ADAMW * max(rows // parts, columns) ** 0.5
            for weight, update in zip(weights, updates, strict=True):
                own = part(weight)
                own.mul_(1 - lr * group["weight_decay"])
                own.add_(cut(update, weight), alpha=-lr * scale)

    def _momentum(self, weights: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
        """Nesterov's momentum of this step, this rank's parts, in the group's dtype."""
        for weight in weights:
            state = self.state[weight]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(weight)
        gradients = [part(weight.grad) for weight in weights if weight.grad is not None]
        kept = [part(self.state[weight]["momentum_buffer"]) for weight in weights]
        torch._foreach_lerp_(kept, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, kept, group["momentum"])
        return [each.to(group["dtype"]) for each in ahead]


def muon(model: nn.Module, settings: Training) -> list[torch.optim.Optimizer]:
    """Muon at matrix_lr for the layers' matrices, if any learns; AdamW at peak_lr for the rest."""
    chosen = matrices(model)
    taken = {id(matrix.weight) for matrix in chosen}
    rest = [parameter for parameter in trained(model) if id(parameter) not in taken]
    optimizers = [adamw_of(rest, settings)] if rest else []
    if chosen:
        on_gpu = chosen[0].weight.is_cuda
        short = settings.precision == "bf16" or (settings.precision == "auto" and on_gpu)
        peak_lr = settings.peak_lr if settings.matrix_lr is None else settings.matrix_lr
        optimizers.insert(
            0,
            Muon(
                chosen,
                lr=peak_lr,
                momentum=settings.momentum,
                weight_decay=settings.weight_decay,
                dtype=torch.bfloat16 if short else torch.float32,
            ),
        )
    return optimizers
