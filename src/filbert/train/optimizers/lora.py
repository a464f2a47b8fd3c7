"""LoRA (Hu et al. 2022): of each layer's matrix only a product of two thin ones is learnt.

Usually the two stand beside the matrix in the network, and are added to it when training is over.
Here the network never knows: its weight is always the sum, and the optimizer, which is given that
weight's gradient, learns the thin ones and writes the sum. So checkpoints are whole models at any
time, no task or kernel has a second form, and the numbers are the same: with W = W0 + s·B·A the
gradients are dB = s·dW·Aᵀ and dA = s·Bᵀ·dW.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from filbert.train.optimizers.adamw import adamw_of
from filbert.train.optimizers.groups import Matrix, matrices, trained
from filbert.train.parts import part
from filbert.train.training import Training


class Lora(torch.optim.Optimizer):
    """AdamW for the factors of what is added to each matrix.

    The factors of a weight that is several matrices (query, key, value) are its own for each.
    """

    fields = ("step", "base", "up", "down", "up_avg", "up_avg_sq", "down_avg", "down_avg_sq")

    def __init__(
        self,
        matrices: Sequence[Matrix],
        *,
        lr: float,
        rank: int,
        scale: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        seed: int,
    ):
        """For these matrices. seed: of what the factors begin with."""
        self._parts = {matrix.weight: matrix.parts for matrix in matrices}
        self._rank, self._seed = rank, seed
        group = {"params": [matrix.weight for matrix in matrices], "peak_lr": lr}
        super().__init__(
            [group],
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "scale": scale,
            },
        )
        for number, matrix in enumerate(matrices):
            self._begin(number, matrix.weight)

    def shape_of(self, field: str, weight: Tensor) -> tuple[int, ...]:
        """The sizes of what is kept of a weight."""
        count, (rows, columns) = self._parts[weight], weight.shape
        if field == "step":
            return ()
        if field == "base":
            return tuple(weight.shape)
        if field.startswith("up"):
            return count, rows // count, self._rank
        return count, self._rank, columns

    def _begin(self, number: int, weight: Tensor) -> None:
        """`up` begins with zeros, so that the network is as it was; `down` is drawn."""
        state = self.state[weight]
        for field in self.fields:
            state[field] = torch.zeros(
                self.shape_of(field, weight), device=None if field == "step" else weight.device
            )
        state["base"].copy_(weight.detach())
        chance = torch.Generator().manual_seed((self._seed * 1_000_003 + number) % 2**63)
        drawn = torch.randn(self.shape_of("down", weight), generator=chance)
        state["down"].copy_(drawn / weight.shape[1] ** 0.5)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of all factors, and the weights that follow from them."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._learn(weight, weight.grad, group)

    def _learn(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, scale = self.state[weight], group["scale"]
        up, down = state["up"], state["down"]
        by_part = part(gradient).view(len(up), -1, weight.shape[1])
        gradients = {
            "up": torch.bmm(by_part, down.mT) * scale,
            "down": torch.bmm(up.mT, by_part) * scale,
        }
        state["step"] += 1
        beta1, beta2 = group["betas"]
        for name, found in gradients.items():
            torch._fused_adamw_(
                [state[name]],
                [found],
                [state[f"{name}_avg"]],
                [state[f"{name}_avg_sq"]],
                [],
                [state["step"].to(weight.device)],
                lr=group["lr"],
                beta1=beta1,
                beta2=beta2,
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )
        base = state["base"].view(by_part.shape)
        torch.baddbmm(base, up, down, alpha=scale, out=weight.view(by_part.shape))


def lora(model: nn.Module, settings: Training) -> list[torch.optim.Optimizer]:
    """LoRA for the layers' matrices, AdamW for what else learns: the head (`adapting.freeze`)."""
    chosen = matrices(model)
    taken = {id(matrix.weight) for matrix in chosen}
    rest = [parameter for parameter in trained(model) if id(parameter) not in taken]
    found: list[torch.optim.Optimizer] = [adamw_of(rest, settings)] if rest else []
    found.insert(
        0,
        Lora(
            chosen,
            lr=settings.peak_lr,
            rank=settings.lora_rank,
            scale=settings.lora_scale,
            betas=(settings.beta1, settings.beta2),
            eps=settings.epsilon,
            weight_decay=settings.weight_decay,
            seed=settings.seed,
        ),
    )
    return found
