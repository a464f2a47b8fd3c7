"""LAMB, for very large batches."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from filbert.train.optimizers.groups import decay_groups, trained
from filbert.train.optimizers.moments import FIELDS, Moments, moments
from filbert.train.optimizers.sums import square_sum
from filbert.train.parts import whole_sums
from filbert.train.training import Training


class Lamb(torch.optim.Optimizer):
    """Adam's direction, as long in each tensor as the tensor itself (You et al. 2020, algorithm 2).

    x ← x - rate · ‖x‖/‖r + λx‖ · (r + λx), where r is Adam's step, its means freed of their bias,
    and φ of the paper leaves a norm as it is. Where one of the norms is 0 the ratio is 1. As in the
    authors' own BERT, biases and norms, which are not decayed, are moved by the rate alone: groups
    with "adapt" False.

    A step needs the memory of one more copy of the parameters.
    """

    fields = FIELDS

    def __init__(
        self,
        parameters: list[dict[str, Any]],
        *,
        lr: float,
        betas: tuple[float, float],
        eps: float,
    ):
        """With groups of parameters."""
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0, "adapt": True}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step; no closure is ever called."""
        for group in self.param_groups:
            met = moments(self, group)
            if not met:
                continue
            if not group["adapt"]:
                for each in met:
                    lr = torch.full((), group["lr"], dtype=torch.float64, device=each.weight.device)
                    each.adam(each.weight, lr, group, group["weight_decay"])
                continue
            directions = [_direction(each, group) for each in met]
            for each, direction, ratio in zip(
                met, directions, _ratios(met, directions), strict=True
            ):
                each.weight.addcmul_(direction, ratio, value=-group["lr"])


def _direction(met: Moments, group: dict[str, Any]) -> Tensor:
    """This rank's part of r + λx."""
    # A weight of 0 that AdamW moves at a rate of 1, without decay, is -r afterwards.
    reached = torch.zeros_like(met.weight)
    met.adam(reached, torch.ones((), dtype=torch.float64, device=reached.device), group, 0.0)
    return torch.mul(met.weight, group["weight_decay"]).sub_(reached)


def _ratios(met: list[Moments], directions: list[Tensor]) -> tuple[Tensor, ...]:
    """‖x‖/‖r + λx‖ of each whole tensor."""
    wholes = [each.parameter for each in met]
    tensors = [*(each.weight for each in met), *directions]
    norms = whole_sums([square_sum(each) for each in tensors], wholes * 2).sqrt()
    weights, steps = norms.chunk(2)
    ratios = torch.where((weights > 0) & (steps > 0), weights / steps, 1.0)
    return ratios.unbind()


def lamb(model: nn.Module, settings: Training) -> list[torch.optim.Optimizer]:
    """LAMB for all that learns, in the paper's groups."""
    decayed, free = decay_groups(
        trained(model), peak_lr=settings.peak_lr, weight_decay=settings.weight_decay
    )
    betas = (settings.beta1, settings.beta2)
    groups = [decayed, free | {"adapt": False}]
    return [Lamb(groups, lr=settings.peak_lr, betas=betas, eps=settings.epsilon)]
