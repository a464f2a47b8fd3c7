"""Lists ↔ arrays of numpy or torch, as return_tensors= asks."""

from typing import Any

import numpy as np

from filbert.errors import RequestError, explain_missing

KINDS = (None, "pt", "np")


def check_kind(return_tensors: Any) -> None:
    """Refuse what is none of KINDS."""
    if return_tensors is not None and return_tensors not in KINDS:
        raise RequestError(
            f"return_tensors: expected 'pt', 'np' or None, got {return_tensors!r:.60}"
        )


def as_kind(data: dict[str, Any], return_tensors: str | None) -> dict[str, Any]:
    """Lists as tensors of int64 (floats stay floats); as they are where no kind is asked for.

    Raises RequestError naming a value whose sequences differ in length.
    """
    if return_tensors is None:
        return data
    found = {}
    for name, value in data.items():
        try:
            array = np.asarray(value)
        except ValueError:
            lengths = sorted({len(part) for part in value})
            raise RequestError(
                f"{name}: sequences of {lengths[0]} to {lengths[-1]} tokens make no tensor; call "
                "with padding=True (and truncation=True for long texts)"
            ) from None
        if array.dtype.kind == "O":
            raise RequestError(f"{name}: expected numbers to make a tensor of")
        if array.size == 0 or array.dtype.kind in "iub":
            array = array.astype(np.int64)
        found[name] = array if return_tensors == "np" else _torch(array)
    return found


def plain(value: Any) -> Any:
    """A tensor or an array, also inside of a list, as lists of numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def kind_of(value: Any) -> str | None:
    """Which return_tensors a value was made with."""
    first = value[0] if isinstance(value, list | tuple) and len(value) else value
    if isinstance(first, np.ndarray):
        return "np"
    return "pt" if hasattr(first, "tolist") and not isinstance(first, np.generic) else None


def _torch(array: np.ndarray) -> Any:
    try:
        import torch
    except ModuleNotFoundError as error:
        raise explain_missing(error) from error
    return torch.from_numpy(array)
