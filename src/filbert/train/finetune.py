"""Fine-tuning: examples and a pre-trained model → a Folder that does a task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from filbert.batch import Row
from filbert.checkpoint import Card, Folder, find_folder, load
from filbert.encoder import Encoder
from filbert.errors import DataError, SettingsError
from filbert.heads import Model, build_model
from filbert.progress import Progress, quiet
from filbert.tasks import Example, Task, numbered
from filbert.train.adaptation import Adapt
from filbert.train.adapting import draw_anew, freeze
from filbert.train.findings import keep_findings, language_of
from filbert.train.job import Job
from filbert.train.original import Original, place_of
from filbert.train.plan import Plan, task_class
from filbert.train.run import RunFolder
from filbert.train.sources import RowList
from filbert.train.starting import (
    chosen_plan,
    claim,
    follow,
    held,
    on_a_rank,
    run_recipe,
)
from filbert.train.training import Training

Examples = Path | str | Sequence[Example]

FINETUNE = Plan(
    name="fine-tuning",
    train=Training(
        epochs=3,
        batch_tokens=2048,
        peak_lr=5e-5,
        warmup_fraction=0.1,
        evaluations=6,
        keep_best=True,
        keep_folders=1,
        save_every_seconds=3600.0,
    ),
)
"""What is used where no plan is given: the middle of the paper's ranges (A.3)."""


def finetune(
    task: str,
    train: Examples,
    out: Path | str,
    *,
    start: Folder | Path | str,
    dev: Examples | None = None,
    plan: Plan | Path | str = FINETUNE,
    fresh: bool = False,
    columns: Mapping[str, str] | None = None,
    settings: Sequence[str] = (),
    card: Card | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    original: Original | None = None,
) -> Folder:
    """Put the task's head on a pre-trained model and train both; the Folder that came of it.

    That is the checkpoint with the best score on the dev set, unless train.keep_best is off: then
    it is the last one.

    task      a key of TASKS that has something to learn from examples, such as "classify"
    train     examples, or a file of them, as the task reads them (docs/finetuning.md)
    out       the run's folder; a run that was stopped goes on where it stood
    start     the model to begin with
    dev       examples to score; None: a tenth is split off, and said so
    columns   of a table: the file's own names for "text", "pair" and "label"
    fresh     draw all weights anew, to see what pre-training is worth
    original  a run to make once more (filbert.train.reproduce): examples, start and dev set must be
              the same

    Raises SettingsError, DataError, CheckpointError for what does not fit; KeyboardInterrupt after
    saving where it was asked to stop.
    """
    made = chosen_plan(plan, settings)
    if made.grow.is_asked():
        raise SettingsError(
            "[grow] is for pre-training: what has grown has to learn on before it is fine-tuned"
        )
    with on_a_rank(device) as (picked, ranks):
        progress = (progress if ranks.first else None) or quiet()
        begin = find_folder(start)
        given = _Given.read(task, train, dev, columns, made, begin, progress)
        source = RowList([row for group in given.groups for row in group])
        dev_rows = [row for group in given.dev_groups for row in group]
        recipe = {
            **run_recipe(
                f"finetune {task}", made, source.digest(), f"{begin.digest()} fresh={fresh}"
            ),
            "dev": RowList(dev_rows).digest() if dev_rows else "",
        }
        if original is not None:
            original.check(recipe)
        run = RunFolder(out)
        with held(run, ranks):
            places = {"data": place_of(train), "dev": place_of(dev), "start": place_of(start)}
            said = {"fresh": fresh, "columns": dict(columns or {})}
            said |= {"language": language_of(given.scored)}
            claim(run, recipe, {**places, **said}, ranks, progress)
            torch.manual_seed(made.train.seed)
            model = _model(run, given.task, begin, fresh, made.adapt, progress)
            freeze(model, made.adapt, made.train.optimizer)
            model.set_dropout(made.train.dropout_fraction, made.train.attention_dropout_fraction)
            model.to(picked.name)
            job = Job(
                model=model,
                task=given.task,
                source=source,
                dev=given.dev_groups,
                scored=given.scored,
                settings=original.settings(made.train) if original else made.train,
                device=picked,
                run=run,
                card=card or Card(),
                ranks=ranks,
                script=original.script if original else None,
            )
            newest = follow(job, f"fine-tuning {task}", progress)
            best = run.best(given.task.main_score) if made.train.keep_best else None
            keep_findings(job, best or newest, progress)
            return best or newest


@dataclass(frozen=True)
class _Given:
    """What the data make of a plan.

    task        with what the data say of it, and the tokenizer of the start
    groups      the rows of each example to learn from
    scored      the examples to score
    dev_groups  the rows of each of them
    """

    task: Task
    groups: Sequence[Sequence[Row]]
    scored: Sequence[Example]
    dev_groups: Sequence[Sequence[Row]]

    @classmethod
    def read(
        cls,
        name: str,
        train: Examples,
        dev: Examples | None,
        columns: Mapping[str, str] | None,
        plan: Plan,
        begin: Folder,
        progress: Progress,
    ) -> "_Given":
        """Read the examples and make rows of them."""
        kind = task_class(name)
        examples = every = _examples(kind, train, columns, progress)
        if dev is None:
            examples, scored = _split(examples)
            progress.note(f"no dev set given: {len(scored):,} examples split off")
        else:
            scored = _examples(kind, dev, columns, progress)
        able = [example for example in scored if kind.can_be_scored(example)]
        if len(able) < len(scored):
            progress.note(f"{len(scored) - len(able):,} examples to score on say nothing to score")
            scored = able
        task = _bind(kind, plan, every, begin)
        task.check_labels([*every, *scored])
        examples = _that_teach(task, examples, progress)
        groups = task.rows_of(examples)
        _say_what_is_long(groups, task, progress)
        return cls(task, groups, scored, numbered(task.rows_of(scored)))


def _model(
    run: RunFolder, task: Task, begin: Folder, fresh: bool, adapt: Adapt, progress: Progress
) -> Model:
    """The network as the run left it, or as it begins."""
    newest = run.newest()
    if newest is None and fresh:
        model = build_model(Encoder(begin.shape()), task)
        model.family = begin.family().model_type
        return model
    model = load(newest or begin, task=task)
    if model.fresh and newest is None:
        progress.note(f"drawn anew, not in {begin}: {', '.join(model.fresh)}")
    if newest is None:
        draw_anew(model, adapt)
    return model


def _examples(
    kind: type[Task], given: Examples, columns: Mapping[str, str] | None, progress: Progress
) -> list[Example]:
    if isinstance(given, str | Path):
        return kind.read(given, progress.note, columns)
    return list(given)


def _that_teach(task: Task, examples: list[Example], progress: Progress) -> list[Example]:
    """The examples as they are learnt from, without those that cannot be."""
    lessons = [task.lesson(example) for example in examples]
    kept = [example for example in lessons if example is not None]
    if len(kept) < len(examples):
        progress.note(f"{len(examples) - len(kept):,} examples are left out: their answer is lost")
    return kept


def _split(examples: list[Example]) -> tuple[list[Example], list[Example]]:
    """A tenth to score on, the same whatever the seed of the run: so runs can be compared."""
    if len(examples) < 2:
        raise DataError(f"{len(examples)} examples are too few to split a dev set off; give dev=")
    order = np.random.default_rng(1).permutation(len(examples)).tolist()
    size = max(1, len(examples) // 10)
    return [examples[i] for i in sorted(order[size:])], [examples[i] for i in sorted(order[:size])]


def _bind(kind: type[Task], plan: Plan, examples: Sequence[Example], start: Folder) -> Task:
    """The task with what the data say of it and the tokenizer of the start."""
    longest = start.shape().max_positions
    usual = {"max_tokens": min(kind.max_tokens, longest)}
    task = plan.make_task(kind.name, **kind.settings_for(examples, usual | plan.task))
    if task.max_tokens > longest:
        raise SettingsError(
            f"task.max_tokens is {task.max_tokens}; {start} reads at most {longest}"
        )
    return task.with_tokenizer(start.tokenizer())


def _say_what_is_long(groups: Sequence[Sequence[Row]], task: Task, progress: Progress) -> None:
    long = sum(len(group) > 1 for group in groups)
    cut = sum(group[0].tokens_cut for group in groups)
    if long:
        progress.note(
            f"{long:,} of {len(groups):,} examples are longer than {task.max_tokens} tokens: "
            "each is read as several windows"
        )
    if cut:
        progress.note(f"{cut:,} tokens of over-long pairs were cut")
