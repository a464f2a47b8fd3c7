"""Optimizers by name: what is to be done with the gradients of a step.

Every group of parameters has its own "peak_lr", which the loop multiplies by the schedule.
"""

from collections.abc import Callable

import torch
from torch import nn

from filbert.train.optimizers.adamw import adamw
from filbert.train.optimizers.lamb import Lamb, lamb
from filbert.train.optimizers.lora import Lora, lora
from filbert.train.optimizers.muon import Muon, muon
from filbert.train.optimizers.stable_adamw import StableAdamW, stable_adamw
from filbert.train.training import Training

OPTIMIZERS: dict[str, Callable[[nn.Module, Training], list[torch.optim.Optimizer]]] = {
    "adamw": adamw,
    "stable_adamw": stable_adamw,
    "muon": muon,
    "lamb": lamb,
    "lora": lora,
}

__all__ = ["OPTIMIZERS", "Lamb", "Lora", "Muon", "StableAdamW"]
