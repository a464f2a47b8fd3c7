"""One loop for every task: batches in, events out."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch

from filbert.batch import Row, batches_by_tokens
from filbert.checkpoint import Card, Folder, model_tensors, read_tensors, save
from filbert.device import Device
from filbert.encoder import to_tensors
from filbert.errors import FilbertError, SettingsError, did_you_mean
from filbert.heads import Model
from filbert.settings import to_mapping
from filbert.shards import RowSource, read_batches
from filbert.tasks import Scores, Task, answer_rows
from filbert.train.events import Evaluated, Event, Saved, Stepped, Stopped
from filbert.train.optimizers import OPTIMIZERS
from filbert.train.plan import Training
from filbert.train.run import RunFolder
from filbert.train.schedules import SCHEDULES
from filbert.train.state import (
    TrainState,
    load_optimizer,
    optimizer_tensors,
    read_state,
    state_mapping,
)

_Choice = TypeVar("_Choice")

OPTIMIZER_FILE = "optimizer/state.safetensors"


@dataclass(frozen=True)
class Job:
    """All that the loop works with.

    source  the rows to learn from
    dev     the dev set, each example as its rows; may be empty
    run     where everything is kept
    card    what the folders' README.md says about the data
    """

    model: Model
    task: Task
    source: RowSource
    dev: Sequence[Sequence[Row]]
    settings: Training
    device: Device
    run: RunFolder
    card: Card

    def evaluate(self) -> Scores:
        """Score the dev set as the model is now."""
        run = self.model.runner(self.device, self.settings.precision)
        return answer_rows(self.task, self.dev, partial(map, run), seed=self.settings.seed).scores


def train(job: Job, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
    """Train until the budget is spent, going on where the run folder stands.

    The random numbers of a step (dropout) come from (seed, step), those of the data from each row's
    origin: so a resumed run makes the very steps that the uninterrupted one would have made.
    Raises FilbertError where the loss is no number any more.
    """
    settings, model = job.settings, job.model
    rate_of = _pick(SCHEDULES, "schedule", settings.schedule)
    optimizer = _pick(OPTIMIZERS, "optimizer", settings.optimizer)(model, settings)
    state = _resume(job, optimizer)
    if state.spent(settings, len(job.source.lengths)) >= 1:
        yield from _finish(job, optimizer, state)
        return
    batches = read_batches(
        job.source, batch_tokens=settings.batch_tokens, seed=settings.seed, state=state.read
    )
    newest = job.run.newest() if state.step else None
    scores: Scores = newest.scores() if newest else {}
    last_save = time.monotonic()
    last_seconds = 0.0
    while True:
        start = time.perf_counter()
        begun = _budget_at(state, settings, len(job.source.lengths), last_seconds)
        rate = settings.peak_lr * rate_of(begun, settings.warmup_fraction)
        rows, read = next(batches)
        loss, norm = _step(job, optimizer, rows, state, rate)
        last_seconds = time.perf_counter() - start
        tokens = sum(len(row) for row in rows)
        state = state.after(read, tokens, last_seconds)
        spent = state.spent(settings, len(job.source.lengths))
        stepped = Stepped(
            state.step,
            loss,
            rate,
            norm,
            state.tokens,
            state.seconds,
            tokens / max(last_seconds, 1e-9),
            min(1.0, spent),
        )
        job.run.log(stepped)
        yield stepped
        over = spent >= 1
        every = settings.evaluate_every_steps
        if over and job.dev:
            # The last evaluation may take long: what was learnt is safe before it begins.
            yield Saved(state.step, _save(job, optimizer, state, scores, unscored=True))
        if job.dev and (over or (every and state.step % every == 0)):
            scores = job.evaluate()
            evaluated = Evaluated(state.step, scores)
            job.run.log(evaluated)
            yield evaluated
        stop = should_stop()
        if over or stop or time.monotonic() - last_save >= settings.save_every_seconds:
            folder = _save(job, optimizer, state, scores)
            last_save = time.monotonic()
            yield Saved(state.step, folder)
            if stop and not over:
                yield Stopped(state.step, folder)
            if over or stop:
                return


def _pick(table: dict[str, _Choice], what: str, name: str) -> _Choice:
    if name not in table:
        raise SettingsError(
            f"train.{what} {name!r} is unknown{did_you_mean(name, table)} "
            f"(known: {', '.join(table)})"
        )
    return table[name]


def _budget_at(state: TrainState, settings: Training, rows: int, last_seconds: float) -> float:
    """The part of the budget that is spent in the middle of the step to come.

    The middle, so that neither the first step nor the last has a rate of 0.
    """
    if settings.steps is not None:
        return (state.step + 0.5) / settings.steps
    spent = state.spent(settings, rows)
    if settings.minutes is not None:
        spent += 0.5 * (last_seconds or 1.0) / (60 * settings.minutes)
    elif state.step:
        spent += 0.5 * spent / state.step
    else:
        spent = 0.5 / rows
    return min(spent, 1.0)


def _step(
    job: Job, optimizer: torch.optim.Optimizer, rows: list[Row], state: TrainState, rate: float
) -> tuple[float, float]:
    """One optimizer step over rows: (mean loss, norm of the gradient)."""
    model, settings, device = job.model, job.settings, job.device
    model.train()
    torch.manual_seed(settings.seed * 1_000_003 + state.step)
    micro_tokens = settings.micro_tokens or settings.batch_tokens
    packs = [
        job.task.batch([rows[i] for i in indices], settings.seed, state.read.epoch)
        for indices in batches_by_tokens([len(row) for row in rows], micro_tokens)
    ]
    counts: Counter[str] = Counter()
    for packed in packs:
        counts.update(job.task.counts(packed))
    mean = 0.0
    optimizer.zero_grad(set_to_none=True)
    for packed in packs:
        with device.autocast(settings.precision):
            loss = model.loss(to_tensors(packed, model.encoder.shape, device.name)).mean(counts)
        loss.backward()
        mean += float(loss.detach())
    if not math.isfinite(mean):
        raise FilbertError(
            f"step {state.step + 1}: the loss is {mean}; what was saved is still whole: "
            f"try a smaller train.peak_lr than {settings.peak_lr}"
        )
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    norm = float(torch.nn.utils.get_total_norm(gradients))
    if not math.isfinite(norm):
        raise FilbertError(
            f"step {state.step + 1}: the gradient's norm is {norm}; nothing was changed: "
            f"try a smaller train.peak_lr than {settings.peak_lr}"
        )
    if settings.clip_norm and norm > settings.clip_norm:
        torch._foreach_mul_(gradients, settings.clip_norm / norm)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    return mean, norm


def _resume(job: Job, optimizer: torch.optim.Optimizer) -> TrainState:
    """The state of the newest checkpoint, whose weights the model has already; or a fresh one."""
    folder = job.run.newest()
    if folder is None:
        job.run.cut_log(-1)
        return TrainState()
    where = str(folder.path / "train.json")
    state = read_state(folder.train().get("state", {}), where)
    file = folder.path / OPTIMIZER_FILE
    load_optimizer(job.model, optimizer, read_tensors(file), str(file))
    job.run.cut_log(state.step)
    return state


def _finish(job: Job, optimizer: torch.optim.Optimizer, state: TrainState) -> Iterator[Event]:
    """The last evaluation of a run that was stopped between its last step and that."""
    newest = job.run.newest()
    if job.dev and newest is not None and newest.train().get("unscored"):
        scores = job.evaluate()
        evaluated = Evaluated(state.step, scores)
        job.run.log(evaluated)
        yield evaluated
        yield Saved(state.step, _save(job, optimizer, state, scores))


def _shown(settings: Training) -> tuple[tuple[str, str], ...]:
    """The settings that the card shows: those that are set."""
    values = to_mapping(settings)
    return tuple((f"train.{name}", str(v)) for name, v in values.items() if v is not None)


def _save(
    job: Job,
    optimizer: torch.optim.Optimizer,
    state: TrainState,
    scores: Scores,
    *,
    unscored: bool = False,
) -> Folder:
    """A checkpoint. unscored: the run is over, but its last evaluation is still to come."""
    train = {"state": state_mapping(state), "settings": to_mapping(job.settings)}
    tensors = optimizer_tensors(job.model, optimizer)
    folder = save(
        job.run.place(state.step),
        model_tensors(job.model),
        shape=job.model.encoder.shape,
        task=job.task,
        tokenizer=job.task.tokenizer,
        train=train | {"unscored": unscored},
        scores={} if unscored else scores,
        family=job.model.family,
        card=replace(job.card, settings=_shown(job.settings)),
        extra_files={OPTIMIZER_FILE: {name: np.asarray(a) for name, a in tensors.items()}},
        replace=True,
    )
    job.run.tidy(job.settings.keep_folders)
    return folder
