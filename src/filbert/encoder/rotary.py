"""Positions as turns: rotary position embedding (Su et al. 2021, section 3.4.2).

Number k of the first half of a query or key and number k of its second half are taken as a point of
the plane and turned by position · theta^(-2k / attention_head_width). A product of query and key
then depends on how far apart the two tokens stand, not on where.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Integer
from torch import Tensor


class Rotation(NamedTuple):
    """How far each token's queries and keys are turned, in float32."""

    cosine: Float[Tensor, "tokens 1 1 half"]
    sine: Float[Tensor, "tokens 1 1 half"]


@lru_cache(maxsize=16)
def _table(
    theta: float, places: int, attention_head_width: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Cosine and sine [places, half] of every place, made once and kept.

    In float32 from the beginning, as the published models were trained: at the 8,000th place the
    angle itself is off by 5e-4 then, and finer angles would be other angles.
    """
    with torch.inference_mode(False), torch.no_grad():  # so that training may use it, too
        even = torch.arange(0, attention_head_width, 2, dtype=torch.float32, device=device)
        turns = 1.0 / theta ** (even / attention_head_width)
        angles = torch.arange(places, dtype=torch.float32, device=device)[:, None] * turns
        return angles.cos(), angles.sin()


def rotation(
    positions: Integer[Tensor, " tokens"],
    theta: float,
    max_positions: int,
    attention_head_width: int,
) -> Rotation:
    """The turns of tokens at these positions."""
    cosine, sine = _table(theta, max_positions, attention_head_width, positions.device)
    return Rotation(
        cosine.index_select(0, positions)[:, None, None],
        sine.index_select(0, positions)[:, None, None],
    )


def rotate(
    qkv: Float[Tensor, "tokens 3 attention_heads attention_head_width"], turns: Rotation
) -> Float[Tensor, "tokens 3 attention_heads attention_head_width"]:
    """Queries and keys turned, values as they are; computed in float32, whatever comes in.

    Without gradients the numbers are changed in place.
    """
    first, second = qkv[:, :2].float().chunk(2, dim=-1)
    turned = torch.cat(
        (
            torch.addcmul(first * turns.cosine, second, turns.sine, value=-1),
            torch.addcmul(second * turns.cosine, first, turns.sine),
        ),
        dim=-1,
    ).to(qkv.dtype)
    if torch.is_grad_enabled():
        return torch.cat((turned, qkv[:, 2:]), dim=1)
    qkv[:, :2] = turned
    return qkv
