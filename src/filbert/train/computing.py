"""In which precision a run computes, and whether its layers are compiled."""

import time
from collections.abc import Callable
from typing import Literal

import torch

from filbert.device import Device
from filbert.heads import Model

WORTH_IT = 1.3
"""How many times faster bfloat16 must be on a CPU: below that, noise would choose."""
COMPILING_WORTH_IT = 1.05
_ROUNDS = 3
_COMPILED = ("begin", "finish")


def choose_precision(asked: str, device: Device, step: Callable[[str], object]) -> tuple[str, str]:
    """(fp32 or bf16, a word about it).

    asked  "auto", "fp32" or "bf16"
    step   computes a step's gradients in a precision, to be timed for "auto" on a CPU that has
           bfloat16 products: not everything around them is faster there
    """
    if asked != "auto":
        return asked, asked
    if device.kind == "cuda" or not device.bf16:
        chosen = "bf16" if device.bf16 else "fp32"
        return chosen, chosen
    best = {"fp32": float("inf"), "bf16": float("inf")}
    for _ in range(_ROUNDS):
        for precision in best:
            start = time.perf_counter()
            step(precision)
            best[precision] = min(best[precision], time.perf_counter() - start)
    ratio = best["fp32"] / best["bf16"]
    chosen = "bf16" if ratio >= WORTH_IT else "fp32"
    return chosen, f"{chosen} (on this CPU a step in bf16 is {ratio:.2f}× as fast)"


def known(precision: str) -> Literal["fp32", "bf16"]:
    """The name of a precision that has been chosen."""
    return "bf16" if precision == "bf16" else "fp32"


def compile_layers(model: Model) -> None:
    """Compile what stands before and after the attention of each layer, for packs of any size.

    Attention itself has kernels of its own, and the runs of like lengths in a pack would make it
    compile again and again.
    """
    # One compiled layer serves all: their code is the same, and their weights are inputs.
    limits = torch._dynamo.config
    limits.recompile_limit = max(64, limits.recompile_limit)
    for block in model.encoder.blocks:
        for name in _COMPILED:
            setattr(block, name, torch.compile(getattr(block, name), dynamic=True))


def uncompile_layers(model: Model) -> None:
    """The layers as they were before."""
    for block in model.encoder.blocks:
        for name in _COMPILED:
            vars(block).pop(name, None)


def choose_compiling(
    asked: str, model: Model, device: Device, step: Callable[[], object]
) -> tuple[bool, str]:
    """(whether the layers are compiled from now on, a word about why).

    asked  "auto": on a GPU, if a step is faster so; "on": wherever it works; "off"
    step   computes a step's gradients
    """
    if asked == "off":
        return False, "layers not compiled"
    if asked == "auto" and device.kind == "cpu":
        # The products are nearly all of the time there (docs/log.md), and compiling takes a minute.
        return False, "layers not compiled: that gains nothing on a CPU"
    plain = _seconds(step, device)
    compile_layers(model)
    try:
        compiled = _seconds(step, device)
    except Exception as error:  # whatever a compiler may raise: training goes on without it
        uncompile_layers(model)
        reason = next(iter(str(error).strip().splitlines()), "")
        return False, f"layers not compiled: torch.compile failed: {type(error).__name__} {reason}"
    word = f"a step is {plain / compiled:.2f}× as fast so"
    if asked == "auto" and compiled > plain / COMPILING_WORTH_IT:
        uncompile_layers(model)
        return False, f"layers not compiled: {word}"
    return True, f"layers compiled: {word}"


def _seconds(step: Callable[[], object], device: Device) -> float:
    """The time of a step, the best of some, after one to warm up."""
    best = float("inf")
    step()
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        step()
        if device.kind == "cuda":
            torch.cuda.synchronize(device.name)
        best = min(best, time.perf_counter() - start)
    return best
