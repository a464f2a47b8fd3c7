"""One loop for every task: batches in, events out."""

import contextlib
import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from filbert.checkpoint import Folder
from filbert.errors import FilbertError, SettingsError, did_you_mean
from filbert.settings import from_mapping, to_mapping
from filbert.tasks import Scores, Task
from filbert.train import guard
from filbert.train.averaging import Averages
from filbert.train.budget import middle_of_next, spent
from filbert.train.computing import choose_compiling, choose_precision, compile_layers, known
from filbert.train.drawing import Drawing, Drawn
from filbert.train.events import (
    Dropped,
    Evaluated,
    Event,
    Saved,
    Stepped,
    Stopped,
    Told,
    WentBack,
)
from filbert.train.job import Job
from filbert.train.optimizers import OPTIMIZERS
from filbert.train.parts import multiply
from filbert.train.roof import roof_flops
from filbert.train.saving import Learning, Writer
from filbert.train.schedules import SCHEDULES
from filbert.train.state import TrainState
from filbert.train.step import Found, Stepper

_Choice = TypeVar("_Choice")
_Logged = TypeVar("_Logged", Stepped, Dropped, WentBack, Evaluated)

DRAWN_AHEAD_FOR = frozenset({"cuda"})
"""Where the next step's batch is made meanwhile; on a CPU it would take the cores from this one."""
AT_ONCE = {"cpu": 8192, "cuda": 1 << 20}
"""Tokens that go through the network at once to begin with. A GPU says when its memory is full; on
a CPU the system would end the process, and larger pieces are no faster there."""
REHEARSED_TOKENS = {"cpu": 2048, "cuda": 1 << 16}
"""What is enough to see how a step is computed best."""
_NAMED_ROWS = 100


def train(job: Job, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
    """Train until the budget is spent, going on where the run folder stands.

    The random numbers of a step (dropout) come from (seed, step), those of the data from each row's
    origin: so a resumed run makes the very steps that the uninterrupted one would have made.
    Raises FilbertError where the loss is no number any more and there is no way back.
    """
    loop = _Loop(job, should_stop)
    yield from loop.begin()
    yield from loop.run()


class _Loop:
    """A run on its way."""

    _learning: Learning

    def __init__(self, job: Job, should_stop: Callable[[], bool]):
        settings, device = job.settings, job.device
        self._job, self._should_stop = job, should_stop
        self._rate = _pick(SCHEDULES, "schedule", settings.schedule)
        self._optimizers_of = _pick(OPTIMIZERS, "optimizer", settings.optimizer)
        self._newest = job.run.newest()
        # Sharding replaces the parameters: whoever holds them comes afterwards.
        self._stepper = Stepper(
            job.model,
            device=device,
            ranks=job.ranks,
            precision=settings.precision,
            micro_tokens=settings.micro_tokens or min(settings.batch_tokens, AT_ONCE[device.kind]),
            sharded=settings.sharding == "full",
        )
        self._writer = Writer(job.run, job.task, settings, job.card, job.ranks)
        self._state, self._scores, self._unscored = TrainState(), Scores(), False
        self._saved_at = time.monotonic()
        self._last_seconds, self._roof = 0.0, 0.0
        self._rehearsed: tuple[Drawing, Drawn] | None = None
        self._made = True
        self._wrong = ""

    def begin(self) -> Iterator[Event]:
        """Find out how to compute, and go on where the run stands; say what is worth a line."""
        job, newest = self._job, self._newest
        precision, compiled, words = self._choose_computing()
        self._learn_in(precision)
        if newest is not None:
            self._state = self._writer.read(self._learning, newest, weights=False)
            # What was found on the dev set is in the folder, and nowhere else.
            self._writer = replace(self._writer, task=_as_fitted(job.task, newest))
            self._unscored = bool(newest.train().get("unscored"))
        self._state = replace(self._state, precision=precision, compiled=compiled)
        if job.ranks.first:
            job.run.cut_log(self._state.step, unscored=self._unscored)
        if self._is_over():
            return
        if self._state.micro_tokens:
            self._stepper.micro_tokens = self._state.micro_tokens
        self._roof = roof_flops(job.device, precision)
        if words:
            yield Told(f"{job.device}: {', '.join(words)}")

    def _choose_computing(self) -> tuple[str, bool, list[str]]:
        """(in which precision, whether compiled, words about it); as the run did, if it ran before.

        Measured again it might come out otherwise, and a resumed run would not be the same.
        """
        job, settings = self._job, self._job.settings
        if self._newest is not None:
            old = self._writer.state_of(self._newest)
            precision, compiled = old.precision, old.compiled
        else:
            said = json.loads(job.ranks.word_from_first(json.dumps(job.run.computing())))
            precision, compiled = str(said.get("precision", "")), bool(said.get("compiled"))
        if precision:
            if compiled:
                compile_layers(job.model)
            return precision, compiled, []
        chosen, why = choose_precision(settings.precision, job.device, self._rehearse)
        precision = self._stepper.precision = job.ranks.word_from_first(chosen)
        compiled, word = choose_compiling(
            settings.compile, job.model, job.device, lambda: self._rehearse(precision)
        )
        words = [why, word]
        if settings.attention_dropout_fraction:
            words.append("attention by torch's SDPA, as the faster kernels have no dropout")
        if job.ranks.first:
            job.run.note_computing(precision, compiled)
        return precision, compiled, words

    def _learn_in(self, precision: str) -> None:
        """Make what changes on the way, for computing in this precision."""
        job, settings = self._job, self._job.settings
        self._stepper.precision = precision
        self._learning = Learning(
            job.model,
            self._optimizers_of(job.model, replace(settings, precision=known(precision))),
            None if settings.average == "none" else Averages(job.model, settings),
        )

    def run(self) -> Iterator[Event]:
        """Step after step, to the end of the budget."""
        if self._is_over():
            yield from self._finish()
            return
        drawing = self._drawing()
        try:
            yield from self._steps(drawing)
        finally:
            drawing.close()

    def _steps(self, drawing: Drawing) -> Iterator[Event]:
        while True:
            begun = self._state.begun
            yield from self._step(drawing)
            over = self._is_over()
            if self._state.dropped >= self._job.settings.patience_steps:
                yield from self._go_back()
            if over and self._job.dev:
                # The last evaluation may take long: what was learnt is safe before it begins.
                yield self._save(unscored=True)
            if over or self._is_to_be_scored(begun):
                yield from self._evaluate()
                over = over or self._state.ended
            stop, due = self._agree_to_save()
            if over or stop or due:
                saved = self._save()
                yield saved
                if stop and not over:
                    yield Stopped(saved.step, saved.folder)
                if over or stop:
                    return

    def _step(self, drawing: Drawing) -> Iterator[Event]:
        """One step, made or dropped."""
        job, settings = self._job, self._job.settings
        start = time.perf_counter()
        step, micro = self._state.step, self._stepper.micro_tokens
        drawn = drawing.draw(self._next_begun(), micro)
        begun = drawn.begun
        if job.device.kind in DRAWN_AHEAD_FOR and (ahead := self._begun_after(drawn)) is not None:
            drawing.draw_ahead(ahead, micro)
        found = self._gradients(drawing, drawn, _chance(settings.seed, step, job.ranks.rank))
        wrong = guard.what_is_wrong(
            found.loss, found.norm, self._state.recent, settings.spike_deviations
        )
        rate = self._rate(begun, settings)
        self._made = wrong is None
        if wrong is None:
            self._update(found, rate)
        seconds = job.ranks.from_first([time.perf_counter() - start])[0]
        self._last_seconds = seconds
        self._scores = Scores()  # what was scored were other weights
        self._state = replace(
            self._state.after(drawn.after, found.tokens, seconds),
            phase=drawn.phase,
            begun=begun,
            dropped=0 if wrong is None else self._state.dropped + 1,
            recent=(
                guard.with_loss(self._state.recent, found.loss)
                if wrong is None
                else self._state.recent
            ),
            micro_tokens=self._stepper.micro_tokens,
        )
        if self._stepper.micro_tokens != micro:
            yield Told(
                f"step {step + 1:,}: too little memory for {micro:,} tokens at once: "
                f"{self._stepper.micro_tokens:,} from now on"
            )
        if wrong is not None:
            yield self._log(self._dropped(wrong, drawn))
            return
        yield self._log(self._stepped(found, begun, rate * settings.peak_lr, seconds))

    def _gradients(self, drawing: Drawing, drawn: Drawn, chance: int) -> Found:
        rows = drawn.rows or [self._job.source_of(drawn.phase).row(0)]
        return self._stepper.gradients(
            self._job.task,
            drawn.pieces,
            lambda tokens: drawing.pieces(rows, drawn.begun, drawn.epoch, tokens),
            int(bool(drawn.rows)),
            chance,
        )

    def _update(self, found: Found, rate: float) -> None:
        """Clip, and let the optimizers make their step."""
        settings, learning = self._job.settings, self._learning
        if settings.clip_norm and found.norm > settings.clip_norm:
            gradients = [p.grad for p in learning.model.parameters() if p.grad is not None]
            multiply(gradients, settings.clip_norm / found.norm)
        for optimizer in learning.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak_lr"] * rate
            optimizer.step()
        if learning.averages is not None:
            learning.averages.update(learning.model, self._state.step + 1)

    def _go_back(self) -> Iterator[Event]:
        """Take weights and optimizer from the newest checkpoint; the data go on where they are."""
        state, newest = self._state, self._job.run.newest()
        reason = self._wrong
        if newest is None or state.returned >= _number(newest):
            way = "" if newest is None else f", as after the last return to {newest}"
            saved = "nothing was saved yet" if newest is None else "what was saved is still whole"
            raise FilbertError(
                f"step {state.step:,}: {reason}{way}; {saved}: "
                f"try a smaller train.peak_lr than {self._job.settings.peak_lr}"
            )
        old = self._writer.read(self._learning, newest, weights=True)
        self._state = replace(state, dropped=0, recent=old.recent, returned=old.step)
        yield self._log(WentBack(state.step, old.step))

    def _evaluate(self) -> Iterator[Event]:
        """Score the dev set with the weights that would be saved."""
        job, averages = self._job, self._learning.averages
        if not job.dev:
            return
        with contextlib.nullcontext() if averages is None else averages.used(job.model):
            # Of a sharded model every rank has a part to give; else one rank's scores serve all.
            mine = job.ranks.first or job.settings.sharding == "full"
            found = self._score_and_fit() if mine else ({}, {}, False)
        self._scores, fitted, failed = json.loads(job.ranks.word_from_first(json.dumps(found)))
        task = from_mapping(fitted, type(job.task)) if fitted else job.task
        self._writer = replace(self._writer, task=task.with_tokenizer(job.task.tokenizer))
        self._note_score(self._scores.get(job.task.main_score))
        yield self._log(Evaluated(self._state.step, self._scores))
        if failed:
            self._state = replace(self._state, ended=True, failed=True)
            yield Told(f"step {self._state.step:,}: given up: it says the same of everything")

    def _score_and_fit(self) -> tuple[Scores, Mapping[str, Any], bool]:
        """The dev set's scores; the task with what is found on it, such as a threshold.

        And whether the run has failed.
        """
        give_up = self._job.settings.give_up_fraction
        answered, task = self._job.evaluate(self._state.precision)
        nothing = task.says_nothing(answered.answers, answered.references)
        failed = 0 < give_up <= self._spent() and nothing
        return answered.scores, {} if task == self._job.task else to_mapping(task), failed

    def _note_score(self, score: float | None) -> None:
        """Count how long the main score has not risen, and end the run where that is too long."""
        state, patience = self._state, self._job.settings.patience_evaluations
        if score is None:
            return
        if state.best is None or score > state.best:
            self._state = replace(state, best=score, not_better=0)
            return
        worse = state.not_better + 1
        self._state = replace(state, not_better=worse, ended=0 < patience <= worse)

    def _save(self, *, unscored: bool = False) -> Saved:
        folder = self._writer.write(self._learning, self._state, self._scores, unscored=unscored)
        self._saved_at = time.monotonic()
        return Saved(self._state.step, folder)

    def _finish(self) -> Iterator[Event]:
        """The last evaluation of a run that was stopped between its last step and that."""
        if self._job.dev and self._unscored:
            yield from self._evaluate()
            yield self._save()

    def _agree_to_save(self) -> tuple[bool, bool]:
        """(whether any rank was asked to stop, whether the first one finds a checkpoint due).

        Until a step is made again after dropped ones nothing is saved: the weights may be what is
        wrong.
        """
        seconds = time.monotonic() - self._saved_at
        due = self._job.ranks.first and (
            seconds >= self._job.settings.save_every_seconds or self._is_best()
        )
        stop, due_there = self._job.ranks.sum([self._should_stop(), due])
        return stop > 0, due_there > 0 and self._made

    def _is_best(self) -> bool:
        """Whether the weights were just scored, and better than all that are kept."""
        job = self._job
        return job.settings.keep_best and job.run.is_best(job.task.main_score, self._scores)

    def _drawing(self) -> Drawing:
        job, state = self._job, self._state
        return Drawing(
            job.task,
            job.phases or (job.source,),
            job.settings,
            job.ranks,
            read=state.read,
            phase=state.phase,
        )

    def _rehearse(self, precision: str) -> Found:
        """The first step's gradients, to no effect."""
        self._stepper.precision = precision
        if self._rehearsed is None:
            drawing, micro = self._drawing(), self._stepper.micro_tokens
            drawn = drawing.draw(self._next_begun(), micro)
            drawing.close()
            most = REHEARSED_TOKENS[self._job.device.kind]
            ends = itertools.accumulate(len(row) for row in drawn.rows)
            rows = [row for row, end in zip(drawn.rows, ends, strict=True) if end <= most]
            rows = rows or list(drawn.rows[:1])
            if rows:
                pieces = drawing.pieces(rows, drawn.begun, drawn.epoch, micro)
                drawn = replace(drawn, rows=rows, pieces=pieces)
            self._rehearsed = drawing, drawn
        return self._gradients(*self._rehearsed, 0)

    def _is_to_be_scored(self, begun: float) -> bool:
        """Whether the dev set's turn has come. begun: part of the budget at the step before."""
        settings, state = self._job.settings, self._state
        if settings.evaluations:
            return int(state.begun * settings.evaluations) > int(begun * settings.evaluations)
        every = settings.evaluate_every_steps
        return bool(every) and state.step % every == 0

    def _is_over(self) -> bool:
        if self._state.ended:
            return True
        script = self._job.script
        return self._spent() >= 1 if script is None else self._state.step >= len(script)

    def _spent(self) -> float:
        return spent(self._state, self._job.settings, self._rows())

    def _next_begun(self) -> float:
        """The part of the budget that is spent in the middle of the next step."""
        job = self._job
        if job.script is not None:
            return job.script[self._state.step]
        return middle_of_next(self._state, job.settings, self._rows(), self._last_seconds)

    def _begun_after(self, drawn: Drawn) -> float | None:
        """The same for the step after the one that has been drawn and is yet to be made.

        None where that cannot be known: how many tokens several ranks read, say. Of a clock it is a
        guess; the log has it, and so the run can be repeated all the same.
        """
        job, state = self._job, self._state
        if job.script is not None:
            return job.script[state.step + 1] if state.step + 1 < len(job.script) else None
        if job.settings.tokens is not None and job.ranks.world > 1:
            return None
        tokens = sum(packed.token_ids.size for packed in drawn.pieces.packs)
        after = replace(state.after(drawn.after, tokens, self._last_seconds), phase=drawn.phase)
        rows = len(job.source_of(drawn.phase).lengths)
        begun = middle_of_next(after, job.settings, rows, self._last_seconds)
        return begun if spent(after, job.settings, rows) < 1 else None

    def _rows(self) -> int:
        return len(self._job.source_of(self._state.phase).lengths)

    def _stepped(self, found: Found, begun: float, rate: float, seconds: float) -> Stepped:
        state, seconds = self._state, max(seconds, 1e-9)
        world = self._job.ranks.world
        reached = found.flops / seconds / world
        # Measured while the machine was busy, the roof may have been too low.
        self._roof = max(self._roof, reached)
        share = reached / self._roof if self._roof else 0.0
        return Stepped(
            step=state.step,
            begun=begun,
            loss=found.loss,
            learning_rate=rate,
            gradient_norm=found.norm,
            tokens=state.tokens,
            batch_tokens=found.tokens,
            seconds=state.seconds,
            tokens_per_second=found.tokens / seconds,
            spent=min(1.0, self._spent()),
            figures=found.figures | {"roof_share": share},
        )

    def _dropped(self, reason: str, drawn: Drawn) -> Dropped:
        origins = [row.origin for row in drawn.rows[:_NAMED_ROWS]]
        self._wrong = reason
        return Dropped(self._state.step, drawn.begun, reason, origins, min(1.0, self._spent()))

    def _log(self, event: _Logged) -> _Logged:
        """Write an event down, on the first rank."""
        if self._job.ranks.first:
            self._job.run.log(event)
        return event


def _as_fitted(task: Task, folder: Folder) -> Task:
    """The task as a checkpoint of the run has it."""
    saved = folder.task()
    return saved.with_tokenizer(task.tokenizer) if type(saved) is type(task) else task


def _number(folder: Folder) -> int:
    """The step of a checkpoint."""
    return int(folder.train()["state"]["step"])


def _chance(seed: int, step: int, rank: int) -> int:
    """What seeds the dropout of a step on a rank."""
    said = f"{seed} {step} {rank}".encode()
    return int.from_bytes(hashlib.blake2b(said, digest_size=7).digest(), "little")


def _pick(table: Mapping[str, _Choice], what: str, name: str) -> _Choice:
    if name not in table:
        raise SettingsError(
            f"train.{what} {name!r} is unknown{did_you_mean(name, table)} "
            f"(known: {', '.join(table)})"
        )
    return table[name]
