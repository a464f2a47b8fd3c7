"""filbert's network and AdamW on packs that lie ready on the device: the loop's upper bound."""

from collections.abc import Sequence
from itertools import cycle, islice
from time import perf_counter

import torch

from filbert.batch import Packed
from filbert.device import pick_device
from filbert.encoder import Encoder, Shape, to_tensors
from filbert.heads import build_model
from filbert.tasks import Pretrain
from filbert.train.computing import compile_layers
from race.gpu import synchronise
from race.rounds import Measured

_WARM_UP_STEPS = 3


class NetworkAlone:
    """Forward, backward, clipping and the optimizer; no data are made, no loss is read."""

    def __init__(
        self, shape: Shape, task: Pretrain, packs: Sequence[Packed], device: str, compiling: str
    ):
        """Copy the packs, which are steps, to the device; compile as the loop would."""
        torch.manual_seed(1)
        self._device = device
        self._model = build_model(Encoder(shape), task).to(device)
        self._model.train()
        if compiling == "on" or (compiling == "auto" and pick_device(device).kind == "cuda"):
            compile_layers(self._model)
        self._packs = [to_tensors(packed, shape, device) for packed in packs]
        self._tokens = [packed.token_ids.size for packed in packs]
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=5e-5, fused=True)

    def measure(self, seconds: float, number: int) -> Measured:
        """Whole steps until the time is over."""
        steps = cycle(zip(self._packs, self._tokens, strict=True))
        for packed, _ in islice(steps, _WARM_UP_STEPS):
            self._step(packed)
        synchronise(self._device)
        start, tokens, made = perf_counter(), 0, 0
        while perf_counter() - start < seconds or not made:
            packed, size = next(steps)
            self._step(packed)
            tokens, made = tokens + size, made + 1
            if made % 4 == 0:  # so that the clock sees what is done, not what is asked for
                synchronise(self._device)
        synchronise(self._device)
        return Measured({"tokens": tokens, "steps": made}, perf_counter() - start)

    def _step(self, packed: object) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        with torch.autocast(torch.device(self._device).type, torch.bfloat16):
            loss = self._model.loss(packed).mean()  # type: ignore[arg-type]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
