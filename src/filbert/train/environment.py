"""What a run was made with: versions, machine, commit, command. Written at every start of a run."""

import contextlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from filbert.device import Device
from filbert.disk import atomic_file
from filbert.errors import CheckpointError
from filbert.train.run import ENVIRONMENT_FILE, RunFolder

FORMAT = 1
_LIBRARIES = ("filbert", "torch", "numpy", "tokenizers", "safetensors")
_GIT_SECONDS = 5.0
_MATTERING = ("versions", "machine", "computing")
"""The tables in which a difference may change a number."""


def environment_now(device: Device, **computing: Any) -> dict[str, Any]:
    """What this process works with; no network is asked, and nothing that is not there is missed.

    computing: what was chosen for this start beside the recipe, e.g. precision, ranks.
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "folder": str(Path.cwd()),
        "commit": _commit(Path.cwd()),
        "versions": _versions(),
        "machine": {
            "platform": platform.platform(),
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "gpus": [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())],
        },
        "computing": {
            "device": device.name,
            "threads": torch.get_num_threads(),
            "instructions": torch.backends.cpu.get_cpu_capability(),
            **computing,
        },
    }


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {"python": platform.python_version(), "cuda": torch.version.cuda}
    for name in _LIBRARIES:
        found[name] = None
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _cpu() -> str:
    """The CPU's name; what platform knows where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _commit(folder: Path) -> dict[str, Any] | None:
    """The git commit of a folder, and whether files that git knows were changed since."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"id": commit, "changed": None if changed is None else bool(changed)}


def _git(folder: Path, *words: str) -> str | None:
    """What git says; None where it is absent, slow, or this is no repository.

    Nothing is written (no index is refreshed), and no program of the repository's own is started.
    """
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder)]
    try:
        done = subprocess.run(
            [*command, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def record_environment(run: RunFolder, facts: Mapping[str, Any]) -> None:
    """Append the facts of one start to environment.json.

    Raises FilbertError where the disk refuses, CheckpointError where the file is none of ours.
    """
    run.check_there()
    starts = [*read_environments(run), dict(facts)]
    with atomic_file(run.path / ENVIRONMENT_FILE) as draft:
        text = json.dumps({"format": FORMAT, "starts": starts}, indent=2, ensure_ascii=False)
        draft.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def read_environments(run: RunFolder) -> list[dict[str, Any]]:
    """The facts of each start of a run, the first one first; none where none were written.

    Raises CheckpointError naming the file.
    """
    file = run.path / ENVIRONMENT_FILE
    if not file.exists():
        return []
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        starts = found["starts"] if found["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{file}: cannot be read: {error}; remove it") from error
    if not isinstance(starts, list) or not all(isinstance(each, dict) for each in starts):
        raise CheckpointError(f"{file}: expected format {FORMAT} with a list of starts; remove it")
    return starts


def environment_differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """What may explain other numbers: "torch is 2.12.0 there, 2.13.0 here"."""
    said = []
    for table in _MATTERING:
        left, right = there.get(table, {}), here.get(table, {})
        said += [
            f"{name} is {left.get(name)} there, {right.get(name)} here"
            for name in sorted(left.keys() | right.keys())
            if left.get(name) != right.get(name)
        ]
    return said
