"""filbert's own training loop, as `filbert pretrain` runs it."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from filbert.batch import Row
from filbert.checkpoint import Card
from filbert.device import pick_device
from filbert.encoder import Encoder, Shape
from filbert.heads import build_model
from filbert.shards import read_batches
from filbert.tasks import Pretrain
from filbert.tokenizer import Tokenizer
from filbert.train import Event, Job, RunFolder, Stepped, Training, train
from filbert.train.sources import RowList
from race.roof import Step
from race.rounds import Measured

WARM_UP_STEPS = 1


class FilbertTraining:
    """One endless run; it stands still while the others have their turn."""

    def __init__(
        self,
        shape: Shape,
        rows: Sequence[Row],
        tokenizer: Tokenizer,
        scratch: Path,
        *,
        max_tokens: int,
        batch_tokens: int,
        micro_tokens: int | None,
    ):
        """Draw the weights and make the run's folder."""
        torch.manual_seed(1)
        self._task = Pretrain(max_tokens=max_tokens).with_tokenizer(tokenizer)
        self._source = RowList(rows)
        self._settings = Training(
            steps=10**9,  # the race ends it
            batch_tokens=batch_tokens,
            micro_tokens=micro_tokens,
            peak_lr=5e-5,
            save_every_seconds=1e9,
        )
        run = RunFolder(scratch / "run")
        run.claim({"kind": "benchmark"})
        model = build_model(Encoder(shape), self._task)
        model.set_dropout(None, 0.0)
        self._events: Iterator[Event] = train(
            Job(
                model=model,
                task=self._task,
                source=self._source,
                dev=[],
                settings=self._settings,
                device=pick_device("cpu"),
                run=run,
                card=Card(),
            )
        )

    def typical_step(self, steps: int = 50) -> Step:
        """The mean size of the first steps."""
        settings = self._settings
        batches = read_batches(self._source, batch_tokens=settings.batch_tokens, seed=settings.seed)
        lengths, masked = [], 0
        for _ in range(steps):
            packed = self._task.batch(next(batches)[0], settings.seed, 0)
            masked += len(packed.targets["labels"])
            lengths.append(packed.lengths.astype(np.int64))
        every = np.concatenate(lengths)
        tokens = int(every.sum())
        attended = float((every * every).sum() / tokens)
        return Step(round(tokens / steps), round(masked / steps), attended)

    def measure(self, seconds: float, number: int) -> Measured:
        """Real tokens by the clock on the wall, between the ends of two steps."""
        for _ in range(WARM_UP_STEPS):
            first = self._step()
        start = time.perf_counter()
        while True:
            last = self._step()
            spent = time.perf_counter() - start
            if spent >= seconds:
                return Measured(
                    {"tokens": last.tokens - first.tokens, "steps": last.step - first.step}, spent
                )

    def _step(self) -> Stepped:
        event = next(self._events)
        assert isinstance(event, Stepped)
        return event
