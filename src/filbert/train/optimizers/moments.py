"""What the relatives of Adam keep of each parameter, and the one kernel that they all take."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from filbert.train.parts import part

FIELDS = ("step", "exp_avg", "exp_avg_sq")
"""By torch's names, so that their memory is AdamW's: one number on the CPU, two tensors."""


@dataclass(frozen=True)
class Moments:
    """A parameter in a step; of each tensor this rank's part.

    parameter           the whole one
    weight, gradient    of this step
    mean, square        running means of the gradient and of its square, as they were before it
    step                how many steps the parameter has seen, this one included
    counter             the same, where the weight is
    """

    parameter: Tensor
    weight: Tensor
    gradient: Tensor
    mean: Tensor
    square: Tensor
    step: float
    counter: Tensor

    def adam(self, weight: Tensor, lr: Tensor, group: dict[str, Any], weight_decay: float) -> None:
        """One step of AdamW on a weight, in place; mean and square move on.

        lr: one number, float64, on the weight's device, so that a GPU need not be waited for.
        """
        if not weight.numel():
            return
        # The kernel of a GPU reads a float32 there.
        rate: Any = float(lr) if lr.device.type == "cpu" else lr.float()
        beta1, beta2 = group["betas"]
        torch._fused_adamw_(
            [weight],
            [self.gradient],
            [self.mean],
            [self.square],
            [],
            [self.counter],
            lr=rate,
            beta1=beta1,
            beta2=beta2,
            weight_decay=weight_decay,
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )


def moments(optimizer: torch.optim.Optimizer, group: dict[str, Any]) -> list[Moments]:
    """The parameters of a group that have a gradient, each one step further on."""
    found = []
    counters: dict[float, Tensor] = {}
    for parameter in group["params"]:
        if parameter.grad is None:
            continue
        state = optimizer.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        step = float(state["step"])
        if step not in counters:
            counters[step] = torch.full((), step, device=part(parameter).device)
        found.append(
            Moments(
                parameter,
                part(parameter),
                part(parameter.grad),
                part(state["exp_avg"]),
                part(state["exp_avg_sq"]),
                step,
                counters[step],
            )
        )
    return found
