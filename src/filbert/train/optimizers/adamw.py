"""AdamW, torch's own."""

from collections.abc import Iterable

import torch
from torch import nn

from filbert.train.optimizers.groups import decay_groups, trained
from filbert.train.training import Training


def adamw(model: nn.Module, settings: Training) -> list[torch.optim.Optimizer]:
    """AdamW (Loshchilov and Hutter 2019) for all that learns."""
    return [adamw_of(trained(model), settings)]


def adamw_of(parameters: Iterable[nn.Parameter], settings: Training) -> torch.optim.Optimizer:
    """AdamW for some parameters: the fused kernel, in place on CPU and GPU."""
    return torch.optim.AdamW(
        decay_groups(parameters, peak_lr=settings.peak_lr, weight_decay=settings.weight_decay),
        lr=settings.peak_lr,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        fused=True,
    )
