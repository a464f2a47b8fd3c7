"""The torch back end."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from filbert.batch import Array, Packed
from filbert.checkpoint import Folder, load
from filbert.device import Device
from filbert.encoder import PackedTensors, to_tensors
from filbert.heads import Model, build_model
from filbert.tasks import Outputs, Task


class TorchEngine:
    """A model on a device.

    workers: threads that each answer a pack of their own. On a CPU two workers of one thread beat
    one worker of two: small matrices share badly, and packs that stay in cache are worth more.
    """

    def __init__(self, model: Model, device: Device, precision: str, workers: int):
        """Put the model on the device, ready to answer."""
        self._model = model.to(device.name).eval()
        self._device, self._precision, self._workers = device, precision, workers
        self._run = self._model.runner(device, precision)

    @classmethod
    def open(
        cls,
        folder: Folder,
        task: Task,
        device: Device,
        *,
        precision: str = "auto",
        workers: int | None = None,
    ) -> "TorchEngine":
        """Load a folder. workers: None is one a core on a CPU, one on a GPU."""
        if workers is None:
            workers = device.threads if device.kind == "cpu" else 1
        return cls(load(folder, task=task), device, precision, workers)

    def run(self, packed: Packed) -> Outputs:
        """Answer one pack, with all threads."""
        return self._run(packed)

    def run_all(self, packs: Iterable[Packed]) -> Iterator[Outputs]:
        """Answer packs in their order; one alone gets all threads, several share them."""
        queue = iter(packs)
        first = list(islice(queue, 2))
        if len(first) < 2 or self._workers < 2:
            yield from map(self._run, first)
            yield from map(self._run, queue)
            return
        # 1 is what another run has set meanwhile, and what nobody wants to be left with.
        found = torch.get_num_threads()
        threads = found if found > 1 else self._device.threads
        pool = ThreadPoolExecutor(self._workers, "filbert-engine")
        try:
            waiting: deque[Future[Outputs]] = deque(pool.submit(self._alone, p) for p in first)
            # A few packs ahead, not all: outputs may be large.
            for packed in queue:
                waiting.append(pool.submit(self._alone, packed))
                if len(waiting) > 2 * self._workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
            # MKL's number is the whole process's: give it back.
            torch.set_num_threads(threads)

    def _alone(self, packed: Packed) -> Outputs:
        if torch.get_num_threads() != 1:
            torch.set_num_threads(1)
        return self._run(packed)

    def with_task(self, task: Task) -> "TorchEngine":
        """The same encoder, another head without weights."""
        model = build_model(self._model.encoder, task)
        return TorchEngine(model, self._device, self._precision, self._workers)

    def attention(self, packed: Packed) -> Array:
        """The attention weights of one sequence, recomputed by the plain formula."""
        return _array(self._model.encoder.attention(self._tensors(packed)))

    def hidden_states(self, packed: Packed) -> Array:
        """The embeddings and each layer's vectors, [depth + 1, tokens, width]."""
        with torch.inference_mode():
            return np.stack(
                list(map(_array, self._model.encoder.hidden_states(self._tensors(packed))))
            )

    def inside(self, packed: Packed) -> dict[str, Any]:
        """All that is computed for one sequence, recomputed by the plain formula."""
        with torch.inference_mode():
            inside = self._model.encoder.inside(self._tensors(packed))
        arrays: dict[str, Any] = {
            "parts": {name: _array(part) for name, part in inside.parts.items()}
        }
        for name in ("hidden", "query", "key", "value", "attention"):
            arrays[name] = _array(getattr(inside, name))
        return arrays

    def _tensors(self, packed: Packed) -> PackedTensors:
        return to_tensors(packed, self._model.encoder.shape, self._device.name)


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.float().cpu().numpy()
    return array
