"""Google's BERT checkpoints of TensorFlow 1, by Hugging Face's names; no TensorFlow is needed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from filbert.checkpoint.tf1_bundle import BundleTensor, read_bundle, write_bundle
from filbert.checkpoint.tf1_names import TRAINING, TURNED, near_hf, near_tf1, to_hf, to_tf1
from filbert.errors import CheckpointError, did_you_mean

_INDEX = ".index"
_USUAL = "bert_model.ckpt.index"
_NAMED_AT_MOST = 5
_LONGEST_NAME = 150


@dataclass(frozen=True)
class Tf1Tensor:
    """A tensor of a checkpoint as Hugging Face has it: a kernel is turned when it is read."""

    stored: BundleTensor
    turned: bool

    @property
    def kind(self) -> str:
        """The kind of number, in the words of safetensors."""
        return self.stored.kind

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of its axes."""
        return self.stored.sizes[::-1] if self.turned else self.stored.sizes

    def read(self) -> np.ndarray:
        """Its values, as a copy; BF16 as float32. Raises CheckpointError if they are damaged."""
        values = self.stored.read()
        return np.ascontiguousarray(values.T) if self.turned else values


@dataclass(frozen=True)
class Tf1Checkpoint:
    """The weights by Hugging Face's names, and the names of what only training needs."""

    tensors: dict[str, Tf1Tensor]
    dropped: tuple[str, ...]


def tf1_files(folder: Path) -> Path | None:
    """The index of the folder's TF1 checkpoint; None where there is none.

    Raises CheckpointError where there are several and none is called bert_model.ckpt.index.
    """
    # Compared letter by letter, not as patterns, for a name may hold what a pattern means.
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    found = [
        folder / name
        for name in names
        if name.endswith(_INDEX)
        and any(other.startswith(f"{name.removesuffix(_INDEX)}.data-") for other in names)
    ]
    usual = [index for index in found if index.name == _USUAL]
    if len(found) > 1 and not usual:
        shown = ", ".join(index.name for index in found[:_NAMED_AT_MOST])
        raise CheckpointError(
            f"{folder}: expected one TensorFlow checkpoint, got {len(found)}: {shown}; leave the "
            f"one that you mean, or call it {_USUAL}"
        )
    return next(iter(usual or found), None)


def read_tf1(index: Path) -> dict[str, Tf1Tensor]:
    """The weights of a checkpoint by Hugging Face's names; no values are read yet.

    index: the path of the .index file, or that of the checkpoint without it. What an optimizer and
    its counters left is not among them. Raises CheckpointError naming what does not fit: damage,
    truncation, variables that BERT has not (with the nearest name).
    """
    return open_tf1(index).tensors


def open_tf1(index: Path) -> Tf1Checkpoint:
    """As read_tf1, with the names of what was dropped."""
    index = Path(index)
    if index.suffix != _INDEX:
        index = index.with_name(index.name + _INDEX)
    tensors: dict[str, Tf1Tensor] = {}
    dropped, unknown = [], []
    for name, stored in read_bundle(index).items():
        known = to_hf(name)
        if name.rpartition("/")[2] in TRAINING:
            dropped.append(name)
        elif known is None:
            unknown.append(name)
        else:
            tensors[known] = _tensor(index, name, stored)
    _refuse(index, unknown, near_tf1, "are not those of Google's BERT in TensorFlow 1")
    return Tf1Checkpoint(tensors, tuple(dropped))


def write_tf1(prefix: Path, tensors: Mapping[str, np.ndarray]) -> Path:
    """Write tensors by Hugging Face's names as a checkpoint that TensorFlow reads.

    prefix: as TensorFlow takes it, `folder/bert_model.ckpt`: PREFIX.data-00000-of-00001 and
    PREFIX.index are written. Returns the index's path. The values keep their kind of number.
    Raises CheckpointError for names that Google's BERT has not, with the nearest.
    """
    prefix = Path(prefix)
    unknown = [name for name in tensors if to_tf1(name) is None]
    _refuse(prefix, unknown, near_hf, "have no place in a checkpoint of TensorFlow 1")
    named: dict[str, np.ndarray] = {}
    for name, value in tensors.items():
        tf1 = to_tf1(name) or ""
        if tf1 in named:
            raise CheckpointError(f"{prefix}: {name!r} is there with and without 'bert.'")
        if tf1.endswith(TURNED) and value.ndim != 2:
            raise CheckpointError(f"{prefix}: {name!r}: expected a matrix, got {value.shape}")
        named[tf1] = value.T if tf1.endswith(TURNED) else value
    return write_bundle(prefix, named)


def _tensor(index: Path, name: str, stored: BundleTensor) -> Tf1Tensor:
    turned = name.endswith(TURNED)
    if turned and len(stored.sizes) != 2:
        raise CheckpointError(
            f"{index}: tensor {name!r}: expected a matrix, got the sizes {list(stored.sizes)}"
        )
    return Tf1Tensor(stored, turned)


def _refuse(
    where: Path, unknown: Sequence[str], near: Callable[[str], list[str]], why: str
) -> None:
    """Raise for unknown names, a few of them with the nearest known one."""
    if not unknown:
        return
    # Bounded, for a hostile file may hold many names and long ones.
    names = [name[:_LONGEST_NAME] for name in unknown[:_NAMED_AT_MOST]]
    lines = [f"{name!r}{did_you_mean(name, near(name))}" for name in names]
    if len(unknown) > len(lines):
        lines.append(f"{len(unknown) - len(lines):,} more")
    raise CheckpointError("\n  ".join([f"{where}: {len(unknown):,} names {why}:", *lines]))
