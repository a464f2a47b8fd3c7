"""From a job to its Folder: what pretrain and finetune have in common."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filbert.checkpoint import Folder
from filbert.errors import FilbertError, SettingsError
from filbert.progress import Progress, show_figures
from filbert.settings import override, to_mapping
from filbert.shards import RowSource
from filbert.train.events import Evaluated, Event, Saved, Stepped, Stopped
from filbert.train.loop import Job, train
from filbert.train.plan import Plan, Training, load_plan
from filbert.train.stopping import stop_when_asked


def chosen_plan(plan: Plan | Path | str, settings: Sequence[str]) -> Plan:
    """A plan, or the recipe file of one, with settings laid over it."""
    made = plan if isinstance(plan, Plan) else load_plan(plan)
    if settings:
        made = override(made, _one_budget(made, settings))
    budgets = (made.train.steps, made.train.epochs, made.train.minutes)
    if not any(budgets):
        raise SettingsError(
            "the plan has no budget: give train.steps, train.epochs or train.minutes"
        )
    return made


def _one_budget(plan: Plan, settings: Sequence[str]) -> list[str]:
    """A budget that is set takes the place of the one that the recipe has."""
    names = [f"train.{name}" for name in ("steps", "epochs", "minutes")]
    given = {setting.partition("=")[0].strip() for setting in settings} & set(names)
    if not given:
        return list(settings)
    return [f"{name}=none" for name in names if name not in given] + list(settings)


def run_recipe(kind: str, plan: Plan, data: str, start: str) -> Mapping[str, Any]:
    """What makes a run this run: another recipe, other data or another start is another run."""
    return {"kind": kind, "plan": to_mapping(plan), "data": data, "start": start}


def follow(
    job: Job, what: str, progress: Progress, watch: Callable[[Event], None] | None = None
) -> Folder:
    """Train to the end of the budget and show it; the Folder that came of it.

    Raises KeyboardInterrupt once everything is saved if the run was asked to stop before its end.
    """
    total, unit = _total(job.settings, job.source)
    stopped: Stopped | None = None
    with (
        job.run.alone(),
        stop_when_asked() as should_stop,
        progress.stage(what, total, unit) as stage,
    ):
        for event in train(job, should_stop):
            if watch:
                watch(event)
            match event:
                case Stepped():
                    figures = {"loss": event.loss, "tokens/s": event.tokens_per_second}
                    stage.update(event.spent * total, figures | {"step": event.step})
                case Evaluated():
                    progress.note(f"step {event.step:,}, dev: {show_figures(event.scores)}")
                case Stopped():
                    stopped = event
                case Saved():
                    pass
        asked = should_stop()
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


def _total(settings: Training, source: RowSource) -> tuple[float, str]:
    if settings.steps is not None:
        return settings.steps, "steps"
    if settings.minutes is not None:
        return 60 * settings.minutes, "seconds"
    assert settings.epochs is not None
    return settings.epochs * len(source.lengths), "rows"
