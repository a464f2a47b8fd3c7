"""What a GPU is and can: its name, and its roof in torch.mm; what embedding asks of it."""

import time
from collections.abc import Sequence

import torch

from filbert.encoder import Shape
from race.rounds import Measured

_SQUARE = {"cuda": 8192, "cpu": 512}
DATA_SHEETS = {
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989.4e12,
    "H200": 989.4e12,
    "B200": 2250e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
}
"""Dense bfloat16 operations a second as the maker states them; the first name that fits counts."""


def data_sheet(device: str) -> tuple[str, float] | None:
    """(the card, its bfloat16 roof by the data sheet); None where it is not known."""
    if device == "cpu":
        return None
    name = torch.cuda.get_device_name(device)
    return next(((known, roof) for known, roof in DATA_SHEETS.items() if known in name), None)


def describe_gpu(device: str) -> str:
    """The card and how torch reaches it, as a Markdown line."""
    if device == "cpu":
        return "- **no GPU: a smoke run on the CPU, its figures are worth nothing**"
    card = torch.cuda.get_device_properties(device)
    tf32 = "on" if torch.backends.cuda.matmul.allow_tf32 else "off"
    return (
        f"- GPU: {card.name}, {card.total_memory / 2**30:.0f} GiB, "
        f"compute {card.major}.{card.minor}, CUDA {torch.version.cuda}, TF32 {tf32}"
    )


def synchronise(device: str) -> None:
    """Wait until the GPU has done what it was asked to."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def embedding_flops(shape: Shape, lengths: Sequence[int]) -> float:
    """Floating-point operations of the matrix products that give these sequences their vectors.

    A product [m, k] x [k, n] is 2 m k n. With T tokens, depth L, width H, inner width I and n_s
    tokens in sequence s there are

        2 T L (3 H H + H H + 2 H I)   query, key, value, output, up and down; 3 H I where gated
      + 2 L sum of (2 n_s n_s H)      scores and weighted sums, real tokens alone

    Where a layer is local, a token is scored against its window, not against its sequence.
    """
    width, tokens = shape.width, sum(lengths)
    layer = 4 * width * width + (3 if shape.gated else 2) * width * shape.mlp_width
    products = 2.0 * tokens * shape.depth * layer
    for number in range(shape.depth):
        seen = 2 * shape.window_of(number) + 1 if shape.window_of(number) else max(lengths)
        products += sum(2.0 * 2 * length * min(length, seen) * width for length in lengths)
    return products


class Roof:
    """torch.mm on large squares of one type: the most that the card gives here."""

    def __init__(self, device: str, dtype: torch.dtype):
        """Lay out two random matrices; zeros would be quicker than anything real."""
        self._device, self._side = device, _SQUARE[torch.device(device).type]
        self._left, self._right = (
            torch.randn(self._side, self._side, device=device, dtype=dtype) for _ in range(2)
        )

    def measure(self, seconds: float, number: int) -> Measured:
        """Floating-point operations for about so many seconds, after a warm-up."""
        answer = torch.mm(self._left, self._right)
        synchronise(self._device)
        start, passes = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < seconds or not passes:
            for _ in range(10):
                torch.mm(self._left, self._right, out=answer)
            synchronise(self._device)
            passes += 10
        return Measured({"flop": passes * 2.0 * self._side**3}, spent)
