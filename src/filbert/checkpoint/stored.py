"""All tensors that a folder stores, by name, from whatever kind of file; no values are read yet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from filbert.checkpoint.folder import Folder
from filbert.checkpoint.rename import Match, match
from filbert.checkpoint.tensors import FLOATS, read_header
from filbert.checkpoint.tf1 import read_tf1
from filbert.errors import CheckpointError, explain_missing

_POINTER = b"version https://git-lfs.github.com/spec/"


class Stored(Protocol):
    """A tensor in a file: its sizes are known before its values are read."""

    @property
    def kind(self) -> str:
        """The kind of number, in the words of safetensors."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of its axes."""

    def read(self) -> np.ndarray:
        """Its values, as a copy; BF16, which numpy lacks, as float32."""


def stored_tensors(folder: Folder) -> dict[str, Stored]:
    """The tensors of all weight files of a folder; of TensorFlow's by their names in BERT's table.

    Raises CheckpointError for a damaged file, a pickle with code in it, a name in two files.
    """
    found: dict[str, Stored] = {}
    files = folder.weight_files()
    if files[0].suffix == ".index":
        return dict(read_tf1(files[0]))
    for path in files:
        _refuse_pointer(path)
        tensors: Mapping[str, Stored]
        if path.suffix == ".bin":
            try:
                from filbert.checkpoint.pickles import read_pickle
            except ModuleNotFoundError as error:
                raise explain_missing(error) from error

            tensors = read_pickle(path)
        else:
            tensors = read_header(path)
        for name, tensor in tensors.items():
            if name in found:
                raise CheckpointError(f"{path}: tensor {name!r} stands in another file, too")
            found[name] = tensor
    return found


def _refuse_pointer(path: Path) -> None:
    """Say what a clone without Git LFS leaves in the place of the weights."""
    try:
        with path.open("rb") as file:
            first = file.read(len(_POINTER))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    if first == _POINTER:
        raise CheckpointError(
            f"{path}: expected weights, got a pointer of Git LFS to them, of "
            f"{path.stat().st_size:,} bytes; `git lfs pull` in its repository brings them"
        )


def match_stored(folder: Folder) -> Match:
    """Which parts the tensors of a folder make, whatever its configuration says of its class."""
    sizes = {name: tensor.sizes for name, tensor in stored_tensors(folder).items()}
    return match(
        sizes, folder.shape(), folder.family(), required=(), labels=None, where=str(folder)
    )


def read_floats(folder: Folder, name: str, stored: Stored) -> np.ndarray:
    """The values of one tensor as float32; CheckpointError if they are no floats."""
    if stored.kind not in FLOATS:
        raise CheckpointError(
            f"{folder}: tensor {name!r}: expected floats ({', '.join(FLOATS)}), got {stored.kind}"
        )
    values: np.ndarray = stored.read().astype(np.float32, copy=False)
    return values


def read_joined(
    folder: Folder, sources: tuple[str, ...], stored: Mapping[str, Stored]
) -> np.ndarray:
    """One tensor of ours, float32: the stored ones stacked along the first axis."""
    values = [read_floats(folder, name, stored[name]) for name in sources]
    return values[0] if len(values) == 1 else np.concatenate(values)


def check_copies(folder: Folder, stored: Mapping[str, Stored], matched: Match) -> None:
    """Refuse a second copy of a tensor that differs from it: what it learnt would be dropped."""
    for copy, original in matched.copies:
        values = [read_floats(folder, name, stored[name]) for name in (copy, original)]
        if not np.array_equal(values[0], values[1], equal_nan=True):
            raise CheckpointError(
                f"{folder}: tensor {copy!r} differs from {original!r}; filbert's BERT has one "
                "tensor for both, and would drop what this one learnt"
            )
