"""Fine-tuning: examples and a pre-trained model → a Folder that does a task."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from filbert.batch import Row
from filbert.checkpoint import Card, Folder, find_folder, load
from filbert.encoder import Encoder
from filbert.errors import DataError, SettingsError
from filbert.heads import Model, build_model
from filbert.progress import Progress, quiet
from filbert.tasks import Example, Task, numbered, read_examples
from filbert.train.loop import Job
from filbert.train.original import Original, place_of
from filbert.train.plan import Plan
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
    train=Training(epochs=3, batch_tokens=2048, peak_lr=5e-5, warmup_fraction=0.1),
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
    settings: Sequence[str] = (),
    card: Card | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    original: Original | None = None,
) -> Folder:
    """Put the task's head on a pre-trained model and train both; the Folder of the last step.

    task      a key of TASKS that has something to learn from examples: "classify"
    train     examples ({"text", "pair", "label"}), or a file of them (JSONL, TSV, CSV)
    out       the run's folder; a run that was stopped goes on where it stood
    start     the model to begin with
    dev       examples to score; None: a tenth is split off by the seed, and said so
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
        bound, groups, dev_groups = _read(task, train, dev, made, begin, progress)
        source = RowList([row for group in groups for row in group])
        dev_rows = [row for group in dev_groups for row in group]
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
            claim(run, recipe, {**places, "fresh": fresh}, ranks, progress)
            torch.manual_seed(made.train.seed)
            model = _model(run, bound, begin, fresh, progress)
            model.set_dropout(made.train.dropout_fraction, made.train.attention_dropout_fraction)
            model.to(picked.name)
            job = Job(
                model=model,
                task=bound,
                source=source,
                dev=dev_groups,
                settings=original.settings(made.train) if original else made.train,
                device=picked,
                run=run,
                card=card or Card(),
                ranks=ranks,
                script=original.script if original else None,
            )
            return follow(job, f"fine-tuning {task}", progress)


def _read(
    task: str, train: Examples, dev: Examples | None, plan: Plan, begin: Folder, progress: Progress
) -> tuple[Task, list[list[Row]], list[list[Row]]]:
    """The task with its labels, the rows of each example to learn from, and of each to score."""
    examples = every = _examples(train, progress)
    if dev is None:
        examples, scored = _split(examples, plan.train.seed)
        progress.note(f"no dev set given: {len(scored):,} examples split off")
    else:
        scored = _examples(dev, progress)
    bound = _bind(task, plan, every, begin)
    bound.check_labels([*every, *scored])
    groups = bound.rows_of(examples)
    _say_what_is_long(groups, bound, progress)
    return bound, groups, numbered(bound.rows_of(scored))


def _model(run: RunFolder, task: Task, begin: Folder, fresh: bool, progress: Progress) -> Model:
    """The network as the run left it, or as it begins."""
    newest = run.newest()
    if newest is None and fresh:
        model = build_model(Encoder(begin.shape()), task)
        model.family = begin.family().model_type
        return model
    model = load(newest or begin, task=task)
    if model.fresh and newest is None:
        progress.note(f"drawn anew, not in {begin}: {', '.join(model.fresh)}")
    return model


def _examples(given: Examples, progress: Progress) -> list[Example]:
    if isinstance(given, str | Path):
        return list(read_examples(given, progress.note))
    return list(given)


def _split(examples: list[Example], seed: int) -> tuple[list[Example], list[Example]]:
    if len(examples) < 2:
        raise DataError(f"{len(examples)} examples are too few to split a dev set off; give dev=")
    order = np.random.default_rng(seed).permutation(len(examples)).tolist()
    size = max(1, len(examples) // 10)
    return [examples[i] for i in sorted(order[size:])], [examples[i] for i in sorted(order[:size])]


def _bind(name: str, plan: Plan, examples: list[Example], start: Folder) -> Task:
    """The task with the labels that the data has and the tokenizer of the start."""
    found: dict[str, Any] = {}
    longest = start.shape().max_positions
    if "max_tokens" not in plan.task and longest < 128:
        found["max_tokens"] = longest
    if name == "classify" and "labels" not in plan.task:
        labels = {str(example["label"]) for example in examples if example.get("label") is not None}
        if not labels and examples:
            raise DataError("example 1: expected a label, there is none")
        found["labels"] = sorted(labels)
    task = plan.make_task(name, **found)
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
