"""What the matrix products of the network cost by torch.mm alone: the roof of training."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from filbert.encoder import Shape
from race.rounds import Measured

_FORWARD_AND_BACKWARD = 3  # y = x W, dx = dy Wᵀ, dW = xᵀ dy: three products of equal size
_SQUARE = 2048


@dataclass(frozen=True)
class Step:
    """A training step of typical size, as filbert makes it.

    tokens           read, special ones included
    masked           places that the vocabulary is scored for
    attended         mean over tokens of the length of their sequence
    """

    tokens: int
    masked: int
    attended: float


def training_flops(shape: Shape, step: Step) -> float:
    """Floating-point operations of the step's matrix products, forward and backward.

    A product [m, k] x [k, n] is 2 m k n. With T tokens, M masked places, n tokens in a token's
    sequence, depth L, width H, inner width I, vocabulary V, the forward pass has

        2 T L (3 H H + H H + 2 H I)   query, key, value, output, up and down
      + 2 T L (2 n H)                 scores and weighted sums of attention
      + 2 M (H H + H V)               the head, on the masked places alone

    and the backward pass twice as much: the gradients of both factors. Recomputation inside
    attention kernels, biases, norms, GELU, softmax, look-ups and the optimizer count nothing.
    """
    width, inner = shape.width, shape.mlp_width
    layer = 4 * width * width + 2 * width * inner + 2 * step.attended * width
    head = width * width + width * shape.vocab
    forward = 2 * (step.tokens * shape.depth * layer + step.masked * head)
    return _FORWARD_AND_BACKWARD * forward


class Roof:
    """torch.mm with the step's own weights, over and over; answers are written in place."""

    def __init__(self, shape: Shape, step: Step):
        """Lay out the operands of every product but those of attention, which are no torch.mm."""
        width, inner = shape.width, shape.mlp_width
        products = [
            (step.tokens, width, 3 * width),
            (step.tokens, width, width),
            (step.tokens, width, inner),
            (step.tokens, inner, width),
        ] * shape.depth
        products += [(step.masked, width, width), (step.masked, width, shape.vocab)]
        self.flops = sum(_FORWARD_AND_BACKWARD * 2.0 * m * k * n for m, k, n in products)
        self._operands = [_operands(m, k, n) for m, k, n in dict.fromkeys(products)]
        self._times = [products.count(product) for product in dict.fromkeys(products)]

    def measure(self, seconds: float, number: int) -> Measured:
        """Floating-point operations at the network's shapes."""
        self._once()
        start, passes = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < seconds or not passes:
            self._once()
            passes += 1
        return Measured({"gflop": passes * self.flops / 1e9}, spent)

    def _once(self) -> None:
        for (x, weight, dy, y, dx, dweight), times in zip(self._operands, self._times, strict=True):
            for _ in range(times):
                torch.mm(x, weight.t(), out=y)
                torch.mm(dy, weight, out=dx)
                torch.mm(dy.t(), x, out=dweight)


def _operands(m: int, k: int, n: int) -> tuple[Tensor, ...]:
    """x [m, k], weight [n, k] as torch keeps it, dy [m, n] and room for the three answers."""
    return (
        torch.randn(m, k),
        torch.randn(n, k),
        torch.randn(m, n),
        torch.empty(m, n),
        torch.empty(m, k),
        torch.empty(n, k),
    )


def square(seconds: float, number: int) -> Measured:
    """Floating-point operations of torch.mm on large squares: the best that it reaches here."""
    left, right = torch.randn(_SQUARE, _SQUARE), torch.randn(_SQUARE, _SQUARE)
    answer = torch.mm(left, right)
    start, passes = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < seconds or not passes:
        torch.mm(left, right, out=answer)
        passes += 1
    return Measured({"gflop": passes * 2.0 * _SQUARE**3 / 1e9}, spent)
