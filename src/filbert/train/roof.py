"""How much there is to compute in a step, and how fast the device could do it at best."""

import time

import torch

from filbert.batch import Packed
from filbert.device import Device
from filbert.encoder.shape import Shape

BF16_PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "B200": 2250e12, "L4": 121e12}
"""Dense bfloat16 products a second by the makers' data sheets, SXM where there are several."""

_SIDE, _SECONDS = 2048, 0.2


def step_flops(shape: Shape, packed: Packed) -> float:
    """The floating-point operations of a training step's matrix products.

    Forward and twice as many backward: 2 · 3 for each weight and token, and for attention each pair
    of tokens that see each other, in scores and in weighted sums (Chowdhery et al. 2022, appendix
    B, which counts alike). The head's product with the vocabulary counts at its targets alone.
    """
    width, tokens = shape.width, float(packed.token_ids.size)
    weights = 4 * width**2 + (2 + shape.gated) * width * shape.mlp_width
    lengths = packed.lengths.astype("float64")
    pairs = 0.0
    for layer in range(shape.depth):
        reach = 2 * shape.window_of(layer) + 1 if shape.window_of(layer) else None
        pairs += float((lengths * (lengths if reach is None else lengths.clip(max=reach))).sum())
    targets = packed.targets.get("positions")
    head = 0 if targets is None else len(targets) * (width**2 + width * shape.vocab)
    return 6.0 * (shape.depth * weights * tokens + head) + 12.0 * width * pairs


def roof_flops(device: Device, precision: str) -> float:
    """The most operations a second that the device's matrix products reach.

    A GPU's data sheet in bfloat16, where it is known; else what a large product just reached here.
    """
    half = precision == "bf16"
    if device.kind == "cuda" and half:
        name = torch.cuda.get_device_name(device.name)
        for known, peak in BF16_PEAKS.items():
            if known in name.replace(" ", "-").split("-"):
                return peak
    kind = torch.bfloat16 if half else torch.float32
    left = torch.randn(_SIDE, _SIDE, device=device.name, dtype=kind)
    best, begun = 0.0, time.perf_counter()
    while time.perf_counter() - begun < _SECONDS or not best:
        start = time.perf_counter()
        left @ left
        if device.kind == "cuda":
            torch.cuda.synchronize(device.name)
        best = max(best, 2.0 * _SIDE**3 / (time.perf_counter() - start))
    return best
