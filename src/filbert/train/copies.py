"""Which old number each new one is a copy of, when a network becomes larger."""

import torch
from torch import Tensor

from filbert.encoder.shape import Shape
from filbert.train.growth import Layers

UNEVENNESS = 0.5
"""How far the shares of copies lie apart: 0 halves a number for two copies, 0.5 makes a quarter and
three quarters of it at the most."""


def around_the_middle(old: int, new: int) -> Tensor:
    """The old numbers in the middle of the new ones, going on around the edges: int64 [new].

    3 → 8: 1 2 0 1 2 0 1 2 (Warner et al. 2024: ModernBERT-large's tiling from the middle).
    """
    return (torch.arange(new) - (new - old) // 2) % old


def in_groups(groups: Tensor, size: int) -> Tensor:
    """The numbers of groups of this size, such as attention heads, that are copied whole."""
    return (groups[:, None] * size + torch.arange(size)).flatten()


def layer_copies(old: Shape, new: Shape, layers: Layers) -> list[int]:
    """Which old layer each new one is a copy of.

    A layer that sees its window alone is a copy of such a one, and a global one of a global one:
    where the rule says otherwise, it is the nearest of the right kind.
    """
    asked = [
        layer % old.depth if layers == "stacked" else layer * old.depth // new.depth
        for layer in range(new.depth)
    ]
    return [
        min(
            range(old.depth),
            # Where the old network has no layer of the kind at all, the rule's own stays.
            key=lambda at: (old.window_of(at) != new.window_of(layer), abs(at - wanted)),
        )
        for layer, wanted in enumerate(asked)
    ]


def shares(copies: Tensor, rows: int, old: int, random: torch.Generator) -> Tensor:
    """What part of an old number each copy gives on: [rows, new]; those of one number make 1.

    So a sum over the copies is the sum over the old numbers: the network says what it said (Chen et
    al. 2016, "Net2Net"; Chen et al. 2022, "bert2BERT"). The parts are uneven by chance: copies with
    equal ones would get equal gradients and stay one number for ever.
    """
    counts = torch.bincount(copies, minlength=old)
    drawn = 2 * torch.rand(rows, len(copies), generator=random) - 1
    mean = torch.zeros(rows, old).index_add_(1, copies, drawn) / counts
    uneven = (drawn - mean[:, copies]) * (counts[copies] > 1)
    return (1 + UNEVENNESS * uneven) / counts[copies]
