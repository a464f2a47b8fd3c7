"""The masked-language-model loss without its logits: product, softmax and gradient in one walk.

For 600 hidden tokens and 30,522 tokens of vocabulary the logits take 75 MB; the plain way writes
and reads them six times over. Here a block of the vocabulary at a time goes all the way while it is
in cache, and the gradients are made on the way, as Liger does on GPUs (Hsu et al. 2024, section
3.2). Blocks have a second merit: MKL multiplies a long thin matrix at half of its speed.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

ROWS_AT_ONCE = 1024
VOCAB_AT_ONCE = 2048
"""A block of 600 rows takes 5 MB (docs/log.md has what other sizes gave)."""


def masked_loss(
    inner: Float[Tensor, "masked width"],
    weight: Float[Tensor, "vocab width"],
    bias: Float[Tensor, " vocab"],
    labels: Int[Tensor, " masked"],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Cross-entropy of inner · weightᵀ + bias against the labels, summed, in float32.

    And how many of the labels were the likeliest token, without a gradient.

    The walk is for CPUs in float32; elsewhere autocast and the device's own kernels do better.
    """
    if inner.device.type == "cpu" and not torch.is_autocast_enabled("cpu"):
        walked: tuple[Tensor, Tensor] = _Walk.apply(inner, weight, bias, labels)  # type: ignore[no-untyped-call]
        return walked
    logits = functional.linear(inner, weight, bias)
    total = functional.cross_entropy(logits.float(), labels, reduction="sum")
    return total, (logits.detach().argmax(dim=1) == labels).sum().float()


class _Walk(Function):
    @staticmethod
    def forward(
        ctx: Any, inner: Tensor, weight: Tensor, bias: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        total, right = inner.new_zeros(()), inner.new_zeros(())
        gradients = torch.empty_like(inner), torch.empty_like(weight), torch.empty_like(bias)
        if len(inner) == 0:
            gradients = inner.clone(), torch.zeros_like(weight), torch.zeros_like(bias)
        for start in range(0, len(inner), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            loss, named = _walk_rows(inner[rows], weight, bias, labels[rows], gradients, start)
            total += loss
            right += named
        ctx.save_for_backward(*gradients)
        ctx.mark_non_differentiable(right)
        return total, right

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        upstream = float(gradients[0])
        inner, weight, bias = ctx.saved_tensors
        if upstream != 1.0:
            inner, weight, bias = inner * upstream, weight * upstream, bias * upstream
        return inner, weight, bias, None


def _walk_rows(
    inner: Tensor,
    weight: Tensor,
    bias: Tensor,
    labels: Tensor,
    gradients: tuple[Tensor, Tensor, Tensor],
    start: int,
) -> tuple[Tensor, Tensor]:
    """Some rows' summed loss, and how many were right; their gradients are written.

    From row `start` on they are added.
    """
    parts = [slice(at, at + VOCAB_AT_ONCE) for at in range(0, len(weight), VOCAB_AT_ONCE)]
    blocks = [torch.addmm(bias[part], inner, weight[part].t()) for part in parts]
    log_sums = torch.stack([block.logsumexp(dim=1) for block in blocks]).logsumexp(dim=0)
    highest = torch.stack([block.amax(dim=1) for block in blocks]).amax(dim=0)
    total, named = inner.new_zeros(()), inner.new_zeros(())
    inner_grad, weight_grad, bias_grad = gradients
    inner_grad = inner_grad[start : start + ROWS_AT_ONCE].zero_()
    for number, part in enumerate(parts):
        here = ((labels >= part.start) & (labels < part.stop)).nonzero()[:, 0]
        right = labels[here] - part.start
        named += (blocks[number][here, right] == highest[here]).sum()
        block, blocks[number] = blocks[number].sub_(log_sums[:, None]), inner
        total -= block[here, right].sum()
        # d loss / d logits = softmax - one-hot
        block.exp_()[here, right] -= 1
        inner_grad.addmm_(block, weight[part])
        # beta 0 overwrites what is not yet written, whatever stands there
        torch.addmm(weight_grad[part], block.t(), inner, beta=int(start > 0), out=weight_grad[part])
        summed = block.sum(dim=0)
        bias_grad[part] = bias_grad[part] + summed if start else summed
    return total, named
