"""Pre-training: shards → a Folder with a masked language model."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from filbert.batch import Row
from filbert.checkpoint import Card, Folder, find_folder, load
from filbert.checkpoint.config import family_for
from filbert.encoder import Encoder
from filbert.errors import DataError, SettingsError
from filbert.heads import Model, build_model
from filbert.progress import Progress, quiet
from filbert.shards import Mixture, RowSource, ShardReader
from filbert.tasks import Pretrain, Task
from filbert.train.growing import start_from
from filbert.train.job import Job
from filbert.train.original import Original, place_of
from filbert.train.pair_sources import rows_aside, with_pairs
from filbert.train.plan import Plan
from filbert.train.run import RunFolder
from filbert.train.sources import Blocks, Part, RowList, same_text, split_off
from filbert.train.starting import (
    chosen_plan,
    claim,
    follow,
    held,
    on_a_rank,
    run_recipe,
)

Shards = Path | str | ShardReader
Mixed = Sequence[tuple[Shards, float]]

_DEV_ROWS = 1000


def pretrain(
    data: Shards | Mixed,
    out: Path | str,
    *,
    plan: Plan | Path | str,
    start: Folder | Path | str | None = None,
    dev: Shards | Sequence[Row] | None = None,
    settings: Sequence[str] = (),
    card: Card | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    original: Original | None = None,
) -> Folder:
    """Train an encoder on shards by masked language modelling; the Folder of the last step.

    data      a folder of shards (filbert.shards.write_shards), or a reader of one; or several, each
              with its weight: [("english", 2), ("chinese", 1)] reads two rows of the first for each
              of the second, whatever their sizes
    out       the run's folder; a run that was stopped goes on where it stood
    plan      a Plan, or a recipe's path
    start     a model to go on from; None: a new network of the plan's shape. It grows as the plan
              says, and by the tokens that the shards' tokenizer has more
    dev       shards or rows to score; None: about 1 % of the rows are split off, said so
    settings  changes of the plan, as ["train.peak_lr=3e-4"]
    original  a run to make once more (filbert.train.reproduce): data, start and dev set must be the
              same, and where a clock led it each step is made when its was

    Under torchrun, in a Slurm step and with `filbert pretrain --gpus N` this process is one of
    several that train one model; the result does not depend on how many.

    Raises SettingsError, DataError, CheckpointError for what does not fit; KeyboardInterrupt after
    saving where it was asked to stop.
    """
    made = chosen_plan(plan, settings)
    if made.adapt.is_asked():
        raise SettingsError(
            "[adapt] says how a start is taken over for a task: it is for fine-tuning"
        )
    with on_a_rank(device) as (picked, ranks):
        progress = (progress if ranks.first else None) or quiet()
        given = _Given.read(data, dev, made, progress)
        begin = None if start is None else find_folder(start)
        recipe = _recipe(made, given, begin)
        if original is not None:
            original.check(recipe)
        run = RunFolder(out)
        with held(run, ranks):
            places = {**given.places, "start": place_of(start)}
            claim(run, recipe, places, ranks, progress)
            torch.manual_seed(made.train.seed)
            model = _model(run, made, given, begin, progress)
            model.set_dropout(made.train.dropout_fraction, made.train.attention_dropout_fraction)
            model.to(picked.name)
            job = Job(
                model=model,
                task=given.task,
                source=given.phases[-1],
                dev=[[row] for row in given.dev],
                settings=original.settings(made.train) if original else made.train,
                device=picked,
                run=run,
                card=card or Card(),
                phases=given.phases if len(given.phases) > 1 else (),
                ranks=ranks,
                script=original.script if original else None,
            )
            return follow(job, f"pre-training {made.name}".strip(), progress)


@dataclass(frozen=True)
class _Given:
    """What the data make of a plan.

    task    bound to the shards' tokenizer
    phases  the rows to learn from, for each of the length phases
    dev     the rows to score
    digest  of the data
    places  where they lie, as far as they lie anywhere
    """

    task: Task
    phases: Sequence[RowSource]
    dev: Sequence[Row]
    digest: str
    places: Mapping[str, Any]

    @classmethod
    def read(
        cls,
        data: Shards | Mixed,
        dev: Shards | Sequence[Row] | None,
        plan: Plan,
        progress: Progress,
    ) -> "_Given":
        """Open everything, for rows of each length that the plan asks for."""
        task = plan.make_task("pretrain")
        assert isinstance(task, Pretrain)
        mixed: Mixed = [(data, 1.0)] if isinstance(data, Path | str | ShardReader) else data
        lengths = _lengths(plan, task)
        readers = _readers(mixed, lengths[-1])
        task = task.with_tokenizer(readers[0].tokenizer)
        weights = [weight for _, weight in mixed]
        rows, aside = [] if dev is None else _dev_rows(dev, task), None
        if dev is None:
            share = max(1, _DEV_ROWS // len(readers))
            aside = [split_off(len(r), seed=plan.train.seed, dev_rows=share) for r in readers]
            for reader, blocks in zip(readers, aside, strict=True):
                rows += rows_aside(reader, blocks, task.pairs)
            total = sum(map(len, readers))
            progress.note(f"no dev set given: {len(rows):,} of {total:,} rows split off")
        elif isinstance(dev, Path | str | ShardReader):
            scored = _reader(dev, lengths[-1]).contents.digest
            if scored in {reader.contents.digest for reader in readers}:
                progress.note(
                    "the dev set is among what is learnt from: its scores say nothing of new text"
                )
        phases = []
        for length in lengths:
            cut = readers if length == lengths[-1] else _readers(mixed, length)
            phases.append(_source(cut, weights, task, _held(aside, readers, cut)))
        said = " ".join(
            f"{reader.contents.digest} {weight}"
            for reader, weight in zip(readers, weights, strict=True)
        )
        places = {"data": [[place_of(shards), weight] for shards, weight in mixed]}
        digest = hashlib.sha256(said.encode()).hexdigest()
        return cls(task, phases, rows, digest, {**places, "dev": place_of(dev)})


def _lengths(plan: Plan, task: Task) -> list[int]:
    """The longest row of each phase."""
    phases = plan.train.length_phases
    if not phases:
        return [task.max_tokens]
    if phases[-1][1] != task.max_tokens:
        raise SettingsError(
            f"train.length_phases ends with rows of {phases[-1][1]} tokens, task.max_tokens is "
            f"{task.max_tokens}: expected the same"
        )
    if plan.train.epochs is not None:
        raise SettingsError(
            "train.length_phases divides a budget of steps, tokens or minutes; got epochs, which "
            "are of other sizes in each phase"
        )
    return [length for _, length in phases]


def _readers(mixed: Mixed, max_tokens: int) -> list[ShardReader]:
    """The readers, all of one tokenizer."""
    readers = [_reader(shards, max_tokens) for shards, _ in mixed]
    if not readers:
        raise DataError("expected shards to learn from, got none")
    first = readers[0].contents.tokenizer
    for reader, (shards, _) in zip(readers, mixed, strict=True):
        if reader.contents.tokenizer != first:
            raise DataError(
                f"{shards}: made with the tokenizer {reader.contents.tokenizer[:12]}…, the first "
                f"shards with {first[:12]}…; what is mixed must have one tokenizer"
            )
    return readers


def _reader(data: Shards, max_tokens: int) -> ShardReader:
    if isinstance(data, ShardReader):
        return data if data.max_tokens == max_tokens else data.cut_at(max_tokens)
    return ShardReader(data, max_tokens=max_tokens)


def _held(
    aside: Sequence[Blocks] | None, readers: Sequence[ShardReader], cut: Sequence[ShardReader]
) -> Sequence[Blocks] | None:
    """What is set aside to score on, in the rows of another cut."""
    if aside is None or cut is readers:
        return aside
    pairs = zip(aside, readers, cut, strict=True)
    return [same_text(blocks.aside(), reader, other) for blocks, reader, other in pairs]


def _source(
    readers: Sequence[ShardReader],
    weights: Sequence[float],
    task: Pretrain,
    aside: Sequence[Blocks] | None,
) -> RowSource:
    """The rows to learn from, in one stream."""
    sources = [
        with_pairs(reader if aside is None else Part(reader, aside[number]), task.pairs)
        for number, reader in enumerate(readers)
    ]
    return sources[0] if len(sources) == 1 else Mixture(list(zip(sources, weights, strict=True)))


def _dev_rows(dev: Shards | Sequence[Row], task: Pretrain) -> list[Row]:
    if isinstance(dev, Path | str | ShardReader):
        source = with_pairs(_reader(dev, task.max_tokens), task.pairs)
        return [source.row(index) for index in range(len(source.lengths))]
    return list(dev)


def _recipe(plan: Plan, given: _Given, begin: Folder | None) -> Mapping[str, Any]:
    recipe = run_recipe("pretrain", plan, given.digest, begin.digest() if begin else "")
    return {**recipe, "dev": RowList(given.dev).digest()} if given.dev else recipe


def _model(
    run: RunFolder, plan: Plan, given: _Given, begin: Folder | None, progress: Progress
) -> Model:
    """The network as the run left it, or as it begins."""
    task, newest = given.task, run.newest()
    if newest is not None:
        model = load(newest, task=task)
    elif begin is not None:
        model = start_from(begin, task, plan.grow, progress)
        if model.fresh:
            progress.note(f"drawn anew, not in {begin}: {', '.join(model.fresh)}")
    elif plan.grow.is_asked():
        raise SettingsError(
            "[grow] says how a start becomes larger, and there is none: give one (--start), or say "
            "the sizes under [shape]"
        )
    else:
        shape = plan.shape.shape(task.tokenizer.vocab_size)
        family_for(shape, "[shape]")  # said now, not when the first checkpoint is to be written
        model = build_model(Encoder(shape), task)
    longest = model.encoder.shape.max_positions
    if task.max_tokens > longest:
        table = "shape" if begin is None else "grow"
        raise SettingsError(
            f"task.max_tokens is {task.max_tokens}, but the network reads at most {longest}: set "
            f"task.max_tokens={longest}, or {table}.max_positions={task.max_tokens}"
        )
    return model
