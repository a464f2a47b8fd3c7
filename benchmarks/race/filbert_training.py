"""filbert's own training loop, as `filbert pretrain` runs it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from filbert.batch import Packed, Row
from filbert.checkpoint import Card
from filbert.device import pick_device
from filbert.encoder import Encoder, Shape
from filbert.heads import Model, build_model
from filbert.settings import from_mapping
from filbert.shards import RowSource, read_batches
from filbert.tasks import Pretrain, Task
from filbert.tokenizer import Tokenizer
from filbert.train import Event, Job, RunFolder, Stepped, Training, train
from filbert.train.sources import RowList
from race.gpu import synchronise
from race.roof import Step
from race.rounds import Measured

WARM_UP_STEPS = 1
ENDLESS = 10**9
"""Steps of a run that the race ends."""


def make_task(settings: Mapping[str, Any], tokenizer: Tokenizer) -> Pretrain:
    """The task of these settings. Raises SettingsError for one that this filbert does not know."""
    return from_mapping(settings, Pretrain, "benchmark").with_tokenizer(tokenizer)


def make_training(**settings: Any) -> Training:
    """The plan of these settings; SettingsError as above. Nothing is saved on the way."""
    return from_mapping({"save_every_seconds": 1e9} | settings, Training, "benchmark")


def events(
    model: Model,
    task: Task,
    source: RowSource,
    settings: Training,
    run: Path,
    device: str = "cpu",
) -> Iterator[Event]:
    """The run, from its first step on; its folder is made anew."""
    folder = RunFolder(run)
    folder.claim({"kind": "benchmark"})
    model.set_dropout(settings.dropout_fraction, settings.attention_dropout_fraction)
    return iter(
        train(
            Job(
                model=model.to(device),
                task=task,
                source=source,
                dev=[],
                settings=settings,
                device=pick_device(device),
                run=folder,
                card=Card(),
            )
        )
    )


def typical(packs: Iterable[Packed]) -> Step:
    """The mean step of these."""
    lengths, masked = [], []
    for packed in packs:
        masked.append(len(packed.targets["labels"]))
        lengths.append(packed.lengths.astype(np.int64))
    every, steps = np.concatenate(lengths), len(lengths)
    tokens = int(every.sum())
    attended = float((every * every).sum() / tokens)
    return Step(round(tokens / steps), round(sum(masked) / steps), attended)


class FilbertTraining:
    """One endless run; it stands still while the others have their turn."""

    def __init__(
        self,
        shape: Shape,
        source: RowSource | Sequence[Row],
        tokenizer: Tokenizer,
        run: Path,
        *,
        task: Mapping[str, Any],
        training: Mapping[str, Any],
        device: str = "cpu",
    ):
        """Draw the weights and make the run's folder; settings are the recipe's own."""
        torch.manual_seed(1)
        self._task, self._device = make_task(task, tokenizer), device
        self._source = RowList(source) if isinstance(source, Sequence) else source
        self._settings = make_training(**{"steps": ENDLESS, "peak_lr": 5e-5} | dict(training))
        model = build_model(Encoder(shape), self._task)
        self._events = events(model, self._task, self._source, self._settings, run, device)

    def typical_step(self, steps: int = 50) -> Step:
        """The mean size of the first steps."""
        return typical(islice(self._packs(), steps))

    def share_of_pairs(self, steps: int = 20) -> float:
        """How many of the first steps' rows a task with pairs makes pairs of."""
        packs = list(islice(self._packs(), steps))
        pairs = sum(len(packed.targets["pairs"]) for packed in packs)
        return pairs / sum(len(packed.ends) for packed in packs)

    def _packs(self) -> Iterator[Packed]:
        settings = self._settings
        for rows, _ in read_batches(
            self._source, batch_tokens=settings.batch_tokens, seed=settings.seed
        ):
            yield self._task.batch(rows, settings.seed, 0)

    def measure(self, seconds: float, number: int) -> Measured:
        """Real tokens by the clock on the wall, between the ends of two steps."""
        for _ in range(WARM_UP_STEPS):
            first = self._step()
        synchronise(self._device)
        start = perf_counter()
        while True:
            last = self._step()
            if perf_counter() - start >= seconds:
                synchronise(self._device)
                break
        spent = perf_counter() - start
        return Measured(
            {"tokens": last.tokens - first.tokens, "steps": last.step - first.step}, spent
        )

    def _step(self) -> Stepped:
        for event in self._events:
            if isinstance(event, Stepped):
                return event
        raise RuntimeError("an endless run came to an end")
