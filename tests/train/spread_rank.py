"""One of several ranks, each with a part of a model's weights; test_parts.py starts it.

Makes the same steps with a whole model and with one of which it has a part, saving and loading
everything on the way, and exits with an error where they differ.

Arguments: rank, ranks, the file by which they meet.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

sys.path.insert(0, str(Path(__file__).parent))

from test_optimizers import (  # type: ignore[import-not-found]
    SETTINGS,
    SHAPES,
    loss_of,
    make_model,
    walk,
)

from filbert.batch import Array
from filbert.encoder import Shape
from filbert.heads import Model
from filbert.train import OPTIMIZERS
from filbert.train.averaging import Averages
from filbert.train.parts import join, part
from filbert.train.state import load_optimizers, optimizer_tensors


def spread(shape: Shape, ranks: int) -> Model:
    model = make_model(shape)
    mesh = init_device_mesh("cpu", (ranks,))
    for block in model.encoder.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    register_fsdp_forward_method(model, "loss")
    return model


def compare(mine: dict[str, Array], other: dict[str, Array], what: str) -> None:
    assert mine.keys() == other.keys(), what
    for name, array in mine.items():
        distance = np.linalg.norm(array - other[name])
        assert distance <= 1e-5 * np.linalg.norm(other[name]) + 1e-12, (what, name, distance)


def copied(arrays: dict[str, Array]) -> dict[str, Array]:
    return {name: array.copy() for name, array in arrays.items()}


def check(name: str, kind: str, shape: Shape, ranks: int) -> None:
    settings = replace(SETTINGS, average=kind, average_every_steps=1, average_count=2)
    whole, parts = make_model(shape), spread(shape, ranks)
    its, mine = OPTIMIZERS[name](whole, settings), OPTIMIZERS[name](parts, settings)
    its_mean, my_mean = Averages(whole, settings), Averages(parts, settings)
    for step in range(4):
        walk(whole, its, step, step + 1)
        walk(parts, mine, step, step + 1)
        its_mean.update(whole, step + 1)
        my_mean.update(parts, step + 1)
        with torch.no_grad(), its_mean.used(whole), my_mean.used(parts):
            scores = loss_of(whole, 99).item(), loss_of(parts, 99).item()
        assert abs(scores[0] - scores[1]) < 1e-5, (name, kind, scores)
        if step == 1:
            arrays, means = copied(optimizer_tensors(parts, mine)), copied(my_mean.tensors())
            mine, my_mean = OPTIMIZERS[name](parts, settings), Averages(parts, settings)
            load_optimizers(parts, mine, arrays, "here")
            my_mean.load(means, "here")
    compare(optimizer_tensors(parts, mine), optimizer_tensors(whole, its), f"{name}'s memory")
    compare(my_mean.tensors(), its_mean.tensors(), kind)
    theirs = {n: p.detach().numpy() for n, p in whole.named_parameters()}
    joined = {n: join(part(p), p).numpy() for n, p in parts.named_parameters()}
    compare(joined, theirs, f"{name}'s weights")


def main(rank: int, ranks: int, meeting: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=ranks)
    # A factor of a matrix has no part of its own: LoRA is refused with sharding.
    for number, name in enumerate(name for name in OPTIMIZERS if name != "lora"):
        for shape in SHAPES.values():
            check(name, ("ema", "last")[number % 2], shape, ranks)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
