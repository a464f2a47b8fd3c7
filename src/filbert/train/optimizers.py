"""Optimizers by name."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from filbert.train.plan import Training


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The paper's two groups: biases and norms are not decayed (BERT's optimization.py).

    Those are just the parameters of one dimension.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def adamw(model: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019), the fused kernel, in place on CPU and GPU."""
    return torch.optim.AdamW(
        decay_groups(model, settings.weight_decay),
        lr=settings.peak_lr,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        fused=True,
    )


OPTIMIZERS: dict[str, Callable[[nn.Module, Training], torch.optim.Optimizer]] = {"adamw": adamw}
