"""This process among those that train one model: alone, or one of several.

Each has a copy of the model (or a part of it) and its share of every step's rows. What they must
agree upon (a step's counts, its loss, whether to stop) are a few plain numbers, which travel in a
group of their own over gloo; gradients travel with torch's own machinery.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from filbert.errors import DeviceError, FilbertError

_TIMEOUT = timedelta(minutes=30)
_LOST = re.compile(
    r"[Cc]onnection (closed|reset)|peer|[Bb]roken pipe|Socket|NCCL|[Tt]imed out|rendezvous"
)


@dataclass(frozen=True)
class Ranks:
    """One process's place.

    rank     its number among all
    world    how many there are
    local    its number on its own machine, and that of its GPU
    control  the group in which plain numbers are agreed upon; None where it is alone
    """

    rank: int = 0
    world: int = 1
    local: int = 0
    control: Any = None

    @property
    def first(self) -> bool:
        """Whether this one writes and speaks."""
        return self.rank == 0

    def sum(self, numbers: Sequence[float]) -> list[float]:
        """Numbers added up over all ranks."""
        if self.world == 1:
            return [float(number) for number in numbers]
        tensor = torch.tensor(numbers, dtype=torch.float64)
        heard = [torch.empty_like(tensor) for _ in range(self.world)] if self.first else None
        # Not all_reduce: gloo's is a ring, 2 (world - 1) messages one after another whatever the
        # size, a tenth of a second with 512 ranks. To the first and from there by a tree it is
        # world messages that do not wait for each other, and the logarithm of it that do.
        dist.gather(tensor, heard, dst=0, group=self.control)
        if heard is not None:
            tensor = torch.stack(heard).sum(dim=0)
        dist.broadcast(tensor, src=0, group=self.control)
        return [float(number) for number in tensor]

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """Every rank's tensor, in the order of the ranks; their first axis may differ in length.

        They come on the device on which this rank's lies, without gradients.
        """
        if self.world == 1:
            return [tensor.detach()]
        lengths = [0.0] * self.world
        lengths[self.rank] = float(len(tensor))
        counts = [int(length) for length in self.sum(lengths)]
        padded = torch.zeros(max(counts), *tensor.shape[1:], dtype=tensor.dtype)
        padded[: len(tensor)] = tensor.detach().cpu()
        heard = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(heard, padded, group=self.control)
        return [each[:count].to(tensor.device) for each, count in zip(heard, counts, strict=True)]

    def from_first(self, numbers: Sequence[float]) -> list[float]:
        """The first rank's numbers; each must give as many."""
        return self.sum(numbers if self.first else [0.0] * len(numbers))

    def word_from_first(self, word: str) -> str:
        """The first rank's text."""
        if self.world == 1:
            return word
        said: list[Any] = [word]
        dist.broadcast_object_list(said, src=0, group=self.control)
        return str(said[0])

    def wait(self) -> None:
        """Until all have come here."""
        self.sum([0.0])


ALONE = Ranks()


def place(environment: Mapping[str, str] = os.environ) -> Ranks:
    """What the environment says of this process: torchrun's words, or those of a Slurm step.

    Raises DeviceError where they contradict each other.
    """
    words = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if "WORLD_SIZE" not in environment and int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        words = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")
    try:
        rank, world, local = (
            int(environment.get(word, default))
            for word, default in zip(words, ("0", "1", "0"), strict=True)
        )
    except ValueError as error:
        raise DeviceError(f"{', '.join(words)}: expected numbers: {error}") from error
    if not 0 <= rank < max(world, 1):
        raise DeviceError(f"{words[0]} is {rank}, {words[1]} is {world}: expected 0 ≤ rank < world")
    return Ranks(rank, world, local)


@contextlib.contextmanager
def join(kind: str, environment: Mapping[str, str] = os.environ) -> Iterator[Ranks]:
    """Meet the others, if there are any, and leave them at the end.

    kind: "cuda" or "cpu", where the model is. Under torchrun, in a Slurm step or where `filbert
    pretrain --gpus` started this process, the environment says where the others are.
    Raises DeviceError if they cannot be reached, FilbertError if one of them is lost on the way.
    """
    found = place(environment)
    if found.world == 1 and not dist.is_initialized():
        yield ALONE
        return
    already = dist.is_initialized()
    try:
        if not already:
            _meet(found, kind, environment)
        else:
            found = Ranks(dist.get_rank(), dist.get_world_size(), found.local)
        control = dist.new_group(backend="gloo", timeout=_TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise DeviceError(
            f"rank {found.rank} of {found.world}: the others cannot be reached: {error}"
        ) from error
    try:
        yield Ranks(found.rank, found.world, found.local, control)
    except RuntimeError as error:
        if _LOST.search(str(error)) is None:
            raise
        raise FilbertError(
            f"rank {found.rank} of {found.world}: another rank is gone; what was saved is whole, "
            f"and the same call goes on from there ({str(error).splitlines()[0]:.200})"
        ) from error
    finally:
        if not already:
            with contextlib.suppress(RuntimeError):
                dist.destroy_process_group()


def _meet(found: Ranks, kind: str, environment: Mapping[str, str]) -> None:
    address, port = _meeting_place(environment)
    if kind == "cuda":
        torch.cuda.set_device(found.local)
    # Through the environment: torchrun's own agent keeps the meeting place, and says so there.
    os.environ.setdefault("MASTER_ADDR", address)
    os.environ.setdefault("MASTER_PORT", port)
    dist.init_process_group(
        backend="nccl" if kind == "cuda" else "gloo",
        init_method="env://",
        rank=found.rank,
        world_size=found.world,
        timeout=_TIMEOUT,
    )


def _meeting_place(environment: Mapping[str, str]) -> tuple[str, str]:
    """Address and port of the first rank."""
    port = environment.get("MASTER_PORT") or str(
        20_000 + int(environment.get("SLURM_JOB_ID", 0)) % 20_000
    )
    if address := environment.get("MASTER_ADDR"):
        return address, port
    if nodes := environment.get("SLURM_STEP_NODELIST"):
        return _first_node(nodes), port
    raise DeviceError(
        "this is one of several processes, but MASTER_ADDR does not say where the first one is"
    )


def _first_node(nodes: str) -> str:
    """The first of Slurm's compressed names: "gpu[07-12,20],login1" is gpu07."""
    if found := re.match(r"([^\[,]+)\[([0-9]+)", nodes):
        return found[1] + found[2]
    return nodes.split(",", 1)[0]
