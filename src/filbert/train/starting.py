"""From a job to its Folder: what pretrain and finetune have in common."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from filbert.checkpoint import Folder
from filbert.device import Device, pick_device
from filbert.errors import FilbertError, SettingsError
from filbert.progress import Progress, show_figures
from filbert.settings import override, to_mapping
from filbert.shards import RowSource
from filbert.train.board import Board
from filbert.train.environment import environment_now, record_environment
from filbert.train.events import (
    Dropped,
    Evaluated,
    Event,
    Stepped,
    Stopped,
    Told,
    WentBack,
)
from filbert.train.job import Job
from filbert.train.live import live_figures
from filbert.train.loop import train
from filbert.train.plan import Plan, load_plan
from filbert.train.ranks import Ranks, join
from filbert.train.run import RunFolder
from filbert.train.same_run import check_same_run
from filbert.train.stopping import stop_when_asked
from filbert.train.training import BUDGETS, Training


def chosen_plan(plan: Plan | Path | str, settings: Sequence[str]) -> Plan:
    """A plan, or the recipe file of one, with settings laid over it.

    `preset=NAME` puts a recipe on other sizes; what it says of the shape itself stays.
    """
    presets = [text for text in settings if text.partition("=")[0].strip() == "preset"]
    settings = [text for text in settings if text not in presets]
    if isinstance(plan, Plan) and presets:
        raise SettingsError(
            f"--set {presets[-1]}: this plan has its sizes already; give a recipe, or shape.…"
        )
    preset = presets[-1].partition("=")[2].strip(" \"'") if presets else None
    made = plan if isinstance(plan, Plan) else load_plan(plan, preset)
    if settings:
        made = override(made, _one_budget(made, settings))
    if made.train.budget is None:
        raise SettingsError(
            f"the plan has no budget: give one of {', '.join(f'train.{name}' for name in BUDGETS)}"
        )
    return made


def _one_budget(plan: Plan, settings: Sequence[str]) -> list[str]:
    """A budget that is set takes the place of the one that the recipe has."""
    names = [f"train.{name}" for name in BUDGETS]
    given = {setting.partition("=")[0].strip() for setting in settings} & set(names)
    if not given:
        return list(settings)
    return [f"{name}=none" for name in names if name not in given] + list(settings)


@contextlib.contextmanager
def on_a_rank(device: str) -> Iterator[tuple[Device, Ranks]]:
    """The device of this process and its place among those that train the same model, if any."""
    picked = pick_device(device)
    with join(picked.kind) as ranks:
        if ranks.world > 1 and picked.kind == "cuda":
            picked = pick_device(f"cuda:{ranks.local}")
        yield picked, ranks


def run_recipe(kind: str, plan: Plan, data: str, start: str) -> Mapping[str, Any]:
    """What makes a run this run: another recipe, other data or another start is another run."""
    return {"kind": kind, "plan": to_mapping(plan), "data": data, "start": start}


def held(run: RunFolder, ranks: Ranks) -> AbstractContextManager[Any]:
    """Keep other processes out of a run; the first rank does it for all."""
    return run.alone() if ranks.first else contextlib.nullcontext()


def claim(
    run: RunFolder,
    recipe: Mapping[str, Any],
    places: Mapping[str, Any],
    ranks: Ranks,
    progress: Progress,
) -> None:
    """Make the folder this run's; the first rank does, and the others see that it is theirs, too.

    Raises SettingsError as RunFolder.claim does, and where ranks would not train the same.
    """
    if ranks.first:
        run.claim(recipe, places=places, note=progress.note)
    ranks.wait()
    check_same_run(run, recipe, ranks)


def follow(
    job: Job, what: str, progress: Progress, watch: Callable[[Event], None] | None = None
) -> Folder:
    """Train to the end of the budget and show it; the Folder that came of it.

    Raises KeyboardInterrupt once everything is saved if the run was asked to stop before its end.
    """
    total, unit = _total(job.settings, job.source)
    stopped: Stopped | None = None
    stepped = False
    with (
        held(job.run, job.ranks),
        stop_when_asked() as should_stop,
        progress.stage(what, total, unit) as stage,
        Board(job.run.path, progress.note) as board,
    ):
        if job.ranks.first:
            chosen = {"ranks": job.ranks.world, "precision": job.settings.precision}
            record_environment(job.run, environment_now(job.device, **chosen))
        for event in train(job, should_stop):
            if watch:
                watch(event)
            if job.ranks.first and job.settings.tensorboard:
                board.show(event)
            _tell(event, progress)
            if isinstance(event, Stepped):
                stage.update(event.spent * total, live_figures(event))
                stepped = True
            elif isinstance(event, Stopped):
                stopped = event
        asked = should_stop()
        if not (stepped or asked):
            stage.update(total)  # the run was found done
    if stopped or asked:
        where = (
            f"stopped at step {stopped.step:,}, saved in {stopped.folder}"
            if stopped
            else (f"stopped; {job.run.path} was just done")
        )
        progress.note(f"{where}; the same call goes on")
        raise KeyboardInterrupt
    folder = job.run.newest()
    if folder is None:
        raise FilbertError(f"{job.run.path}: the run ended without a checkpoint")
    return folder


def _tell(event: Event, progress: Progress) -> None:
    """A line for what does not happen at every step."""
    match event:
        case Told():
            progress.note(event.text)
        case Dropped():
            progress.note(f"step {event.step:,} dropped: {event.reason}")
        case WentBack():
            progress.note(f"step {event.step:,}: back to the weights of {event.to_step:,}")
        case Evaluated():
            progress.note(f"step {event.step:,}, dev: {show_figures(event.scores)}")
        case _:
            pass


def _total(settings: Training, source: RowSource) -> tuple[float, str]:
    if settings.steps is not None:
        return settings.steps, "steps"
    if settings.minutes is not None:
        return 60 * settings.minutes, "seconds"
    if settings.tokens is not None:
        return settings.tokens, "tokens"
    assert settings.epochs is not None
    return settings.epochs * len(source.lengths), "rows"
