"""Tensors of which each rank may have but a part (torch's DTensor), for what works on the parts.

A sum over a tensor is the sum over all of its parts: what is said of a whole tensor, such as its
norm, must not depend on how many ranks share it. Elsewhere a part is the tensor itself.
"""

import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


def _spread(tensor: Tensor) -> Any:
    """The tensor as a DTensor; None where it is none.

    torch takes most of a second to load them: where nobody has, there are none.
    """
    module = sys.modules.get("torch.distributed.tensor")
    return tensor if module is not None and isinstance(tensor, module.DTensor) else None


def let_go(model: nn.Module) -> None:
    """Let a sharded model's parameters be this rank's parts again.

    After a forward pass without a backward one torch's FSDP2 still shows some of them whole, as
    plain copies, whose changes would be lost.
    """
    module = sys.modules.get("torch.distributed.fsdp")
    if module is None:
        return
    for inner in model.modules():
        if isinstance(inner, module.FSDPModule):
            inner.reshard()


def part(tensor: Tensor) -> Tensor:
    """This rank's part, in the same memory; it may be empty."""
    spread = _spread(tensor)
    own: Tensor = tensor if spread is None else spread.to_local()
    return own.detach()


def join(own: Tensor, like: Tensor) -> Tensor:
    """The whole of a tensor that is cut as `like` is. Every rank must ask."""
    return whole(spread_like(own, like))


def cut(values: Tensor, like: Tensor) -> Tensor:
    """This rank's part of whole values that all ranks have; nothing travels."""
    spread = _spread(like)
    if spread is None:
        return values
    module = sys.modules["torch.distributed.tensor"]
    mesh = spread.device_mesh
    everywhere = [module.Replicate()] * mesh.ndim
    own: Tensor = (
        module.DTensor.from_local(values, mesh, everywhere)
        .redistribute(placements=spread.placements)
        .to_local()
    )
    return own


def spread_like(own: Tensor, like: Tensor) -> Tensor:
    """A part as the kind of tensor that `like` is."""
    spread = _spread(like)
    if spread is None:
        return own
    module = sys.modules["torch.distributed.tensor"]
    tensor: Tensor = module.DTensor.from_local(
        own, spread.device_mesh, spread.placements, shape=like.shape, stride=like.stride()
    )
    return tensor


def whole_sums(sums: Sequence[Tensor], of: Sequence[Tensor]) -> Tensor:
    """Sums over this rank's parts of some tensors → over the whole tensors, float32 [tensors].

    One exchange for all tensors that are cut alike. Every rank must ask, with the same tensors.
    """
    stacked = torch.stack(list(sums))
    alike: dict[Any, list[int]] = {}
    for number, tensor in enumerate(of):
        spread = _spread(tensor)
        if spread is not None:
            alike.setdefault((spread.device_mesh, spread.placements), []).append(number)
    for (mesh, placements), numbers in alike.items():
        module = sys.modules["torch.distributed.tensor"]
        kinds = [module.Partial() if p.is_shard() else module.Replicate() for p in placements]
        places = torch.tensor(numbers, device=stacked.device)
        stacked[places] = module.DTensor.from_local(stacked[places], mesh, kinds).full_tensor()
    return stacked


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, on its device. Every rank must ask."""
    spread = _spread(tensor)
    if spread is None:
        return tensor
    found: Tensor = spread.full_tensor()
    return found


@torch.no_grad()
def write(values: Tensor, into: Tensor) -> None:
    """Write whole values into a tensor; each rank its part."""
    part(into).copy_(cut(values.to(into.device), into))


@torch.no_grad()
def multiply(tensors: Sequence[Tensor], factor: float) -> None:
    """Multiply tensors in place; each rank its parts."""
    torch._foreach_mul_([part(each) for each in tensors], factor)
