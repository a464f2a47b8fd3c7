"""Padded tensors are packed on the way in, and what comes out of a pack is padded again."""

import dataclasses
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import torch
from torch import Tensor

from filbert.encoder.shape import Shape
from filbert.encoder.tensors import PackedTensors
from filbert.errors import RequestError


@dataclass(frozen=True)
class Door:
    """A padded batch as a pack, and the way back.

    packed     the real tokens; their positions are those of the padded layout
    places     int64 [tokens], where each stands in the padded layout, row after row
    real       bool [sequences, length]
    """

    packed: PackedTensors
    places: Tensor
    real: Tensor

    def pad(self, values: Tensor, fill: float = 0.0) -> Tensor:
        """[tokens, …] → [sequences, length, …], `fill` where there is padding."""
        sequences, length = self.real.shape
        rest = values.shape[1:]
        if len(values) == sequences * length:
            return values.reshape(sequences, length, *rest)
        padded = values.new_full((sequences * length, *rest), fill)
        return padded.index_copy(0, self.places, values).view(sequences, length, *rest)

    def pack(self, values: Tensor) -> Tensor:
        """[sequences, length] → [tokens]."""
        return values.flatten().index_select(0, self.places)

    def every_token(self) -> PackedTensors:
        """The pack, with all its tokens as what the masked-language-model head shall read."""
        tokens = torch.arange(len(self.places), device=self.places.device)
        return dataclasses.replace(self.packed, targets={"positions": tokens})

    def sequences(self) -> list["Door"]:
        """Each sequence as a door of its own, of the same length."""
        bounds = self.packed.ends.tolist()
        return [
            Door(
                _part(self.packed, start, end),
                self.places[start:end] - row * self.real.shape[1],
                self.real[row : row + 1],
            )
            for row, (start, end) in enumerate(pairwise(bounds))
        ]


def read_inputs(
    input_ids: Any, attention_mask: Any, token_type_ids: Any, position_ids: Any, shape: Shape
) -> Door:
    """Tensors of [sequences, length], on the network's device → a pack.

    attention_mask: not 0 for real tokens, wherever they stand; None: all are. token_type_ids: None
    for zeros. position_ids: [length] or [sequences, length]; None: the places in the layout.
    Raises RequestError for sizes that do not agree, for more places than the network has positions,
    for numbers that it has no embedding for, and for a sequence without a real token.
    """
    ids = _matrix("input_ids", input_ids, None)
    sequences, length = ids.shape
    if sequences == 0 or length == 0:
        raise RequestError(f"input_ids: expected at least one token, got sizes {list(ids.shape)}")
    if length > shape.max_positions and position_ids is None:
        raise RequestError(
            f"input_ids: sequences of {length} tokens; this model reads at most "
            f"{shape.max_positions}. Call the tokenizer with truncation=True, max_length="
            f"{shape.max_positions} (what is behind that is lost), or have windows made: "
            "return_overflowing_tokens=True, stride=…"
        )
    if attention_mask is None:
        real = torch.ones_like(ids, dtype=torch.bool)
    else:
        real = _matrix("attention_mask", attention_mask, ids) != 0
    lengths: list[int] = real.sum(dim=1).tolist()
    if 0 in lengths:
        raise RequestError(
            f"attention_mask: sequence {lengths.index(0)} of {sequences} has no real token, "
            "so there is nothing to read"
        )
    places = real.flatten().nonzero()[:, 0]

    def packed(name: str, values: Tensor, rows: int) -> Tensor:
        found = values.flatten().index_select(0, places)
        low, high = (int(number) for number in found.aminmax())
        if low < 0 or high >= rows:
            raise RequestError(
                f"{name}: {low if low < 0 else high} is outside of this model's 0 to {rows - 1}"
            )
        return found.to(torch.int32)

    if token_type_ids is None:
        segments = torch.zeros(len(places), dtype=torch.int32, device=ids.device)
    else:
        kinds = _matrix("token_type_ids", token_type_ids, ids)
        segments = packed("token_type_ids", kinds, shape.segments)
    positions = _positions(position_ids, ids)
    ends = torch.tensor([0, *lengths], device=ids.device).cumsum(0).to(torch.int32)
    return Door(
        PackedTensors(
            token_ids=packed("input_ids", ids, shape.vocab),
            segments=segments,
            positions=packed("position_ids", positions, shape.max_positions),
            starts=ends[:-1],
            ends=ends,
            runs=tuple((len(list(same)), size) for size, same in groupby(lengths)),
            longest=max(lengths),
            targets={},
        ),
        places,
        real,
    )


def _matrix(name: str, values: Any, like: Tensor | None) -> Tensor:
    if not isinstance(values, Tensor):
        raise RequestError(
            f"{name}: expected a tensor [sequences, length], got {type(values).__name__}; call the "
            "tokenizer with return_tensors='pt'"
        )
    if values.ndim != 2 or (like is not None and values.shape != like.shape):
        sizes = "[sequences, length]" if like is None else f"the {list(like.shape)} of input_ids"
        raise RequestError(f"{name}: expected {sizes}, got {list(values.shape)}")
    if name != "attention_mask" and (values.is_floating_point() or values.is_complex()):
        raise RequestError(f"{name}: expected whole numbers, got {values.dtype}")
    if like is not None and values.device != like.device:
        raise RequestError(f"{name} is on {values.device}, but input_ids on {like.device}")
    return values


def _positions(position_ids: Any, ids: Tensor) -> Tensor:
    if position_ids is None:
        return torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    if isinstance(position_ids, Tensor) and position_ids.shape[-1:] == ids.shape[-1:]:
        if position_ids.ndim == 1 or position_ids.shape[:-1] == (1,):
            position_ids = position_ids.expand(ids.shape)
    return _matrix("position_ids", position_ids, ids)


def _part(packed: PackedTensors, start: int, end: int) -> PackedTensors:
    """One sequence of a pack as a pack."""
    bounds = torch.tensor([0, end - start], dtype=torch.int32, device=packed.ends.device)
    return PackedTensors(
        token_ids=packed.token_ids[start:end],
        segments=packed.segments[start:end],
        positions=packed.positions[start:end],
        starts=bounds[:1],
        ends=bounds,
        runs=((1, end - start),),
        longest=end - start,
        targets={},
    )
