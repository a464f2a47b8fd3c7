"""The machine in words: a figure without it means nothing."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from race.options import cores

_NOTED = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "asimd")


def describe(threads: int, packages: tuple[str, ...]) -> str:
    """CPU, cores, instruction set, load and versions, as Markdown lines."""
    import torch

    model, flags = _cpu()
    noted = " ".join(flag for flag in _NOTED if flag in flags)
    lines = [
        f"- CPU: {model}, {cores()} cores usable, {threads} threads for each contestant",
        f"- instruction set: torch uses {torch.backends.cpu.get_cpu_capability()} ({noted})",
        f"- Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        + ", ".join(f"{package} {_version(package)}" for package in ("torch", *packages)),
    ]
    if hasattr(os, "getloadavg"):
        load = os.getloadavg()[0]
        busy = ": **others are working here, the figures are worth little**" if load > 0.5 else ""
        lines.append(f"- load before the first round: {load:.2f}{busy}")
    return "\n".join(lines)


def _cpu() -> tuple[str, set[str]]:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine(), set()
    fields: dict[str, str] = {}
    for line in info.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    model = fields.get("model name") or platform.machine()
    if "cpu family" in fields:
        model += f" (family {fields['cpu family']}, model {fields.get('model', '?')})"
    return model, set((fields.get("flags") or fields.get("Features") or "").split())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
