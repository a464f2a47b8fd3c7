"""Pre-training: shards → a Folder with a masked language model."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch

from filbert.batch import Row
from filbert.checkpoint import Card, Folder, find_folder, load
from filbert.device import pick_device
from filbert.encoder import Encoder
from filbert.errors import DataError, SettingsError
from filbert.heads import build_model
from filbert.progress import Progress, quiet
from filbert.shards import Mixture, RowSource, ShardReader
from filbert.train.loop import Job
from filbert.train.plan import Plan
from filbert.train.run import RunFolder
from filbert.train.sources import Part, RowList, split_off
from filbert.train.starting import chosen_plan, follow, run_recipe

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
) -> Folder:
    """Train an encoder on shards by masked language modelling; the Folder of the last step.

    data      a folder of shards (filbert.shards.write_shards), or a reader of one; or several, each
              with its weight: [("english", 2), ("chinese", 1)] reads two rows of the first for each
              of the second, whatever their sizes
    out       the run's folder; a run that was stopped goes on where it stood
    plan      a Plan, or a recipe's path
    start     a model to go on from; None: a new network of the plan's shape
    dev       shards or rows to score; None: about 1 % of the rows are split off, said so
    settings  changes of the plan, as ["train.peak_lr=3e-4"]

    Raises SettingsError, DataError, CheckpointError for what does not fit; KeyboardInterrupt after
    saving where it was asked to stop.
    """
    progress = progress or quiet()
    made = chosen_plan(plan, settings)
    task = made.make_task("pretrain")
    readers = _readers(data, task.max_tokens)
    reader = readers[0][0]
    task = task.with_tokenizer(reader.tokenizer)
    run = RunFolder(out)
    said = " ".join(f"{each.contents.digest} {weight}" for each, weight in readers)
    digest = hashlib.sha256(said.encode()).hexdigest()
    begin = None if start is None else find_folder(start)
    recipe = run_recipe("pretrain", made, digest, begin.digest() if begin else "")
    source, dev_rows = _with_dev(readers, dev, task.max_tokens, made.train.seed, progress)
    if dev_rows:
        recipe = {**recipe, "dev": RowList(dev_rows).digest()}
    run.claim(recipe)
    picked = pick_device(device)
    newest = run.newest()
    torch.manual_seed(made.train.seed)
    if newest is not None or begin is not None:
        model = load(newest or find_folder(begin or out), task=task)
        if model.encoder.shape.vocab < reader.tokenizer.vocab_size:
            raise SettingsError(
                f"{start} has {model.encoder.shape.vocab:,} tokens, the shards were made with "
                f"{reader.tokenizer.vocab_size:,}: make them with that model's tokenizer"
            )
    else:
        shape = made.shape.shape(reader.tokenizer.vocab_size)
        model = build_model(Encoder(shape), task)
    if task.max_tokens > model.encoder.shape.max_positions:
        raise SettingsError(
            f"task.max_tokens is {task.max_tokens}, but the network reads at most "
            f"{model.encoder.shape.max_positions} (shape.max_positions)"
        )
    model.set_dropout(made.train.dropout_fraction, made.train.attention_dropout_fraction)
    model.to(picked.name)
    job = Job(
        model=model,
        task=task,
        source=source,
        dev=[[row] for row in dev_rows],
        settings=made.train,
        device=picked,
        run=run,
        card=card or Card(),
    )
    return follow(job, f"pre-training {made.name}".strip(), progress)


def _readers(data: Shards | Mixed, max_tokens: int) -> list[tuple[ShardReader, float]]:
    """The readers with their weights, all of one tokenizer."""
    mixed: Mixed = [(data, 1.0)] if isinstance(data, Path | str | ShardReader) else data
    readers = [(_reader(shards, max_tokens), weight) for shards, weight in mixed]
    if not readers:
        raise DataError("expected shards to learn from, got none")
    first = readers[0][0].contents.tokenizer
    for (reader, _), (shards, _) in zip(readers, mixed, strict=True):
        if reader.contents.tokenizer != first:
            raise DataError(
                f"{shards}: made with the tokenizer {reader.contents.tokenizer[:12]}…, the first "
                f"shards with {first[:12]}…; what is mixed must have one tokenizer"
            )
    return readers


def _reader(data: Shards, max_tokens: int) -> ShardReader:
    return data if isinstance(data, ShardReader) else ShardReader(data, max_tokens=max_tokens)


def _with_dev(
    readers: list[tuple[ShardReader, float]],
    dev: Shards | Sequence[Row] | None,
    max_tokens: int,
    seed: int,
    progress: Progress,
) -> tuple[RowSource, list[Row]]:
    """What to learn from, and what to score on."""
    sources: list[tuple[RowSource, float]] = list(readers)
    dev_rows = [] if dev is None else _dev_rows(dev, max_tokens)
    if dev is None:
        share = max(1, _DEV_ROWS // len(readers))
        held = [split_off(len(reader), seed=seed, dev_rows=share) for reader, _ in readers]
        pairs = list(zip(readers, held, strict=True))
        sources = [(Part(reader, blocks), weight) for (reader, weight), blocks in pairs]
        for (reader, _), blocks in pairs:
            dev_rows += [reader.row(int(index)) for index in blocks.aside()]
        total = sum(len(reader) for reader, _ in readers)
        progress.note(f"no dev set given: {len(dev_rows):,} of {total:,} rows split off")
    return (sources[0][0] if len(sources) == 1 else Mixture(sources)), dev_rows


def _dev_rows(dev: Shards | Sequence[Row], max_tokens: int) -> list[Row]:
    if isinstance(dev, Path | str | ShardReader):
        reader = _reader(dev, max_tokens)
        return [reader.row(index) for index in range(len(reader.lengths))]
    return list(dev)
