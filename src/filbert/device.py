"""A name → a device and what it can do."""

import contextlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from filbert.errors import DeviceError, missing_extra


@dataclass(frozen=True)
class Device:
    """Where the network runs.

    name     as torch says it: "cpu", "cuda:0"
    kind     "cpu" or "cuda"
    threads  threads that one operation may use on the CPU
    bf16     whether bfloat16 matrix products are fast there
    """

    name: str
    kind: str
    threads: int
    bf16: bool

    def autocast(self, precision: str = "auto") -> AbstractContextManager[Any]:
        """Where matrix products are computed in bfloat16: on a GPU that does it well, or if asked.

        precision: "auto", "fp32" or "bf16". Weights, norms and losses stay in float32.
        """
        if precision not in ("auto", "fp32", "bf16"):
            raise DeviceError(f"precision {precision!r}: expected auto, fp32 or bf16")
        if precision == "bf16" or (precision == "auto" and self.kind == "cuda" and self.bf16):
            import torch

            return torch.autocast(self.kind, torch.bfloat16)
        return contextlib.nullcontext()

    def __str__(self) -> str:
        """The device in words, for a log line."""
        return f"{self.name} ({self.threads} threads)" if self.kind == "cpu" else self.name


def gpus_here() -> int:
    """How many CUDA devices this machine has."""
    import torch

    return torch.cuda.device_count()


def pick_device(name: str = "auto") -> Device:
    """The device called `name`: "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N".

    Raises DeviceError if it is not there.
    """
    try:
        import torch
    except ImportError as error:
        raise missing_extra("torch", "train") from error

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind == "cpu" and not number:
        bf16 = bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())
        return Device("cpu", "cpu", torch.get_num_threads(), bf16)
    if kind != "cuda" or (number and not (number.isascii() and number.isdigit())):
        raise DeviceError(f"device {name!r}: expected auto, cpu, cuda or cuda:N")
    found = torch.cuda.device_count()
    if int(number or 0) >= found:
        raise DeviceError(f"device {name!r}: this machine has {found} CUDA devices; try cpu")
    return Device(f"cuda:{int(number or 0)}", "cuda", 1, torch.cuda.is_bf16_supported())
