"""AdamW, torch's own."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from filbert.train.optimizers.groups import decay_groups, shares_by_layer, trained
from filbert.train.training import Training


def adamw(model: nn.Module, settings: Training) -> list[torch.optim.Optimizer]:
    """AdamW (Loshchilov and Hutter 2019) for all that learns."""
    shares = shares_by_layer(model, settings.layer_decay)
    return [adamw_of(trained(model), settings, shares)]


def adamw_of(
    parameters: Iterable[nn.Parameter],
    settings: Training,
    shares: Mapping[Tensor, float] | None = None,
) -> torch.optim.Optimizer:
    """AdamW for some parameters: the fused kernel, in place on CPU and GPU; shares of the rate."""
    return torch.optim.AdamW(
        decay_groups(
            parameters,
            peak_lr=settings.peak_lr,
            weight_decay=settings.weight_decay,
            shares=shares,
        ),
        lr=settings.peak_lr,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        fused=True,
    )
