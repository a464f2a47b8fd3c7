"""AdamW whose step is shortened where its memory of the gradients is out of date."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from filbert.errors import SettingsError
from filbert.train.optimizers.groups import decay_groups, shares_by_layer, trained
from filbert.train.optimizers.moments import FIELDS, Moments, moments
from filbert.train.optimizers.sums import pieces
from filbert.train.parts import whole_sums
from filbert.train.training import Training


class StableAdamW(torch.optim.Optimizer):
    """AdamW with Adafactor's update clipping (Wortsman et al. 2023, algorithm 2).

    Each tensor's rate is divided by max(1, RMS), where RMS² is the mean of g²/max(u, ε²) and u the
    running mean of g²: gradients that became large while u is still small do no harm. It takes the
    place of clipping the gradient's norm (Warner et al. 2024, section 2.2).

    Beside the RMS it is AdamW, with AdamW's memory.
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
        """With groups of parameters. Raises SettingsError for a beta2 of 0."""
        if not betas[1]:
            raise SettingsError("train.beta2 must be above 0 for stable_adamw; got 0")
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step; no closure is ever called."""
        for group in self.param_groups:
            met = moments(self, group)
            if not met:
                continue
            for each, rate in zip(met, _rates(met, group), strict=True):
                each.adam(each.weight, rate, group, group["weight_decay"])


def _rates(met: list[Moments], group: dict[str, Any]) -> tuple[Tensor, ...]:
    """Each tensor's own learning rate."""
    sums = [_sum_of_ratios(each, group["betas"][1], group["eps"]) for each in met]
    whole = whole_sums(sums, [each.parameter for each in met])
    numbers = [each.parameter.numel() for each in met]
    rms = (whole.double() / torch.tensor(numbers, device=whole.device)).sqrt()
    rates: Tensor = group["lr"] / rms.clamp(min=1.0)
    return rates.unbind()


def _sum_of_ratios(met: Moments, beta2: float, epsilon: float) -> Tensor:
    """Σ g²/max(u, ε²) over this rank's part, u being this step's, freed of its bias."""
    # u = β₂(u' + g²(1-β₂)/β₂)/(1-β₂ᵗ), so what is divided by is `scale` times smaller than u.
    scale = beta2 / (1 - beta2**met.step)
    sums = []
    for gradient, square in zip(pieces(met.gradient), pieces(met.square), strict=True):
        below = torch.addcmul(square, gradient, gradient, value=(1 - beta2) / beta2)
        ratio = torch.div(gradient, below.clamp_(min=epsilon**2 / scale), out=below)
        sums.append(ratio.mul_(gradient).sum())
    total: Tensor = torch.stack(sums).sum() / scale
    return total


def stable_adamw(model: nn.Module, settings: Training) -> list[torch.optim.Optimizer]:
    """StableAdamW for all that learns, in the paper's groups."""
    groups = decay_groups(
        trained(model),
        peak_lr=settings.peak_lr,
        weight_decay=settings.weight_decay,
        shares=shares_by_layer(model, settings.layer_decay),
    )
    betas = (settings.beta1, settings.beta2)
    return [StableAdamW(groups, lr=settings.peak_lr, betas=betas, eps=settings.epsilon)]
