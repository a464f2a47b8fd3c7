"""A pack on its device: copied once, at the door of the encoder."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Integer
from torch import Tensor

from filbert.batch import Array, Packed
from filbert.encoder.shape import Shape
from filbert.errors import DataError


@dataclass(frozen=True)
class PackedTensors:
    """What the network reads; see filbert.batch.Packed for the meaning.

    positions  the place of each token in its own sequence
    starts     the first token of each sequence, where [CLS] stands
    ends       0 and the exclusive end of each sequence: the `cu_seqlens` of varlen kernels
    runs       (sequences, length) of neighbours of equal length: the batches that a CPU likes
    longest    tokens of the longest sequence
    """

    token_ids: Int[Tensor, " tokens"]
    segments: Int[Tensor, " tokens"]
    positions: Int[Tensor, " tokens"]
    starts: Int[Tensor, " sequences"]
    ends: Int[Tensor, " bounds"]
    runs: tuple[tuple[int, int], ...]
    longest: int
    targets: dict[str, Tensor]

    @property
    def lengths(self) -> Integer[Tensor, " sequences"]:
        """Tokens of each sequence."""
        return self.ends.diff()


def to_tensors(packed: Packed, shape: Shape, device: torch.device | str = "cpu") -> PackedTensors:
    """Copy a pack to the device.

    Raises DataError if the network has no embedding for a token, a segment or a position of it.
    Segments mean nothing to a network that knows fewer than two, so any are taken.
    """
    lengths = packed.lengths
    longest = int(lengths.max())
    if longest > shape.max_positions:
        raise DataError(
            f"a sequence of {longest} tokens; this network reads at most {shape.max_positions}"
        )
    known: list[tuple[str, Array, int]] = [("token id", packed.token_ids, shape.vocab)]
    if shape.segments > 1:
        known.append(("segment", packed.segments, shape.segments))
    for name, values, rows in known:
        low, high = int(values.min()), int(values.max())
        if low < 0 or high >= rows:
            raise DataError(
                f"{name} {low if low < 0 else high} is outside of this network's 0 to {rows - 1}"
            )
    changes = np.flatnonzero(np.diff(lengths)) + 1
    bounds = [0, *changes.tolist(), len(lengths)]
    runs = tuple((end - start, int(lengths[start])) for start, end in pairwise(bounds))

    def copy(array: Any, kind: Any) -> Tensor:
        host = torch.from_numpy(np.ascontiguousarray(array, kind))
        return host.to(device, non_blocking=True)

    return PackedTensors(
        token_ids=copy(packed.token_ids, np.int32),
        segments=copy(packed.segments, np.int32),
        positions=copy(packed.positions, np.int32),
        starts=copy(packed.starts, np.int32),
        ends=copy(np.concatenate(([0], packed.ends)), np.int32),
        runs=runs,
        longest=longest,
        targets={
            name: copy(values, np.int64 if values.dtype.kind in "iu" else np.float32)
            for name, values in packed.targets.items()
        },
    )
