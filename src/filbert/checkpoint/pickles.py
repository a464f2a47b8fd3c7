"""pytorch_model.bin → tensors: a pickle, so it is read with nothing allowed but plain tensors."""

import pickle
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from filbert.errors import CheckpointError

KINDS = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
}


SHARED_AT_MOST = 3
"""How often each stored byte may be used. Writers store an embedding and its copy once: twice."""


@dataclass(frozen=True)
class PickledTensor:
    """A tensor of a pytorch_model.bin, mapped from the file where torch can."""

    tensor: torch.Tensor

    @property
    def kind(self) -> str:
        """The kind of number: safetensors' word for floats, else torch's."""
        return KINDS.get(self.tensor.dtype, str(self.tensor.dtype))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of its axes."""
        return tuple(self.tensor.shape)

    def read(self) -> np.ndarray:
        """Its values, as a copy; BF16 as float32."""
        tensor = self.tensor.detach().cpu()
        if tensor.dtype == torch.bfloat16:  # by its bits, so that even a NaN stays what it was
            bits = tensor.contiguous().view(torch.uint16).numpy().astype(np.uint32)
            return (bits << 16).view(np.float32)
        copy: np.ndarray = tensor.clone(memory_format=torch.contiguous_format).numpy()
        return copy


def read_pickle(path: Path) -> dict[str, PickledTensor]:
    """The tensors of a file of torch.save; code in it is refused, not run."""
    try:
        value = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        if found:
            raise CheckpointError(
                f"{path}: refused: a pickle that calls {found[1]!r}, which no weights need; "
                "nothing of it was run"
            ) from error
        raise CheckpointError(
            f"{path}: refused: not a file of plain tensors: {_first_line(error)}"
        ) from error
    except Exception as error:
        # A damaged pickle fails with whatever its bytes lead to: KeyError, EOFError, …
        raise CheckpointError(
            f"{path}: cannot be read as weights (damaged or truncated): {_first_line(error)}"
        ) from error
    if not isinstance(value, Mapping):
        raise CheckpointError(f"{path}: expected tensors by name, got {type(value).__name__}")
    for name, tensor in value.items():
        if (
            not isinstance(name, str)
            or not isinstance(tensor, torch.Tensor)
            or tensor.layout != torch.strided
            or tensor.is_quantized
        ):
            raise CheckpointError(f"{path}: {name!r:.80}: expected a dense tensor")
    _check_bytes(path, list(value.values()))
    return {name: PickledTensor(tensor) for name, tensor in value.items()}


def _check_bytes(path: Path, tensors: Sequence[torch.Tensor]) -> None:
    """Refuse tensors that lie over each other: a few bytes may pass for a hundred gigabytes."""
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage() for tensor in tensors}
    held = sum(storage.nbytes() for storage in storages.values())
    if claimed > SHARED_AT_MOST * held:
        raise CheckpointError(
            f"{path}: refused: its tensors take {claimed:,} bytes in memory, but {held:,} are "
            f"stored; expected at most {SHARED_AT_MOST} times as many"
        )


def _first_line(error: Exception) -> str:
    """What went wrong; without torch's advice, before it, to load the file with its code."""
    said = str(error).rpartition("WeightsUnpickler error:")[2].strip() or type(error).__name__
    return said.splitlines()[0][:200]
