"""What a network that is pre-trained sees of a row, in lines that a person reads."""

import argparse
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from filbert.errors import SettingsError

if TYPE_CHECKING:
    from filbert.batch import Array, Packed
    from filbert.shards import RowSource, ShardReader
    from filbert.tasks import Pretrain

MAX_TOKENS = 128


def add_task_options(parser: argparse.ArgumentParser) -> None:
    """--recipe, --set and --spent: what --as pretrain pre-trains with."""
    parser.add_argument(
        "--recipe",
        metavar="RECIPE",
        help="with --as pretrain: the task's settings of this recipe, a .toml file or a name",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="with --as pretrain: change one setting, e.g. task.masked_unit=word; may be repeated",
    )
    parser.add_argument(
        "--spent",
        type=float,
        default=0.0,
        metavar="PART",
        help="with --as pretrain: when this part of the training is done, 0 to 1 (default 0)",
    )


def asked_task(options: argparse.Namespace) -> "Pretrain | None":
    """The task that the options ask for; None where rows are shown as they are."""
    if options.task != "pretrain":
        for name in ("recipe", "set", "spent"):
            if getattr(options, name):
                raise SettingsError(f"--{name}: only with --as pretrain")
        return None
    if not 0 <= options.spent <= 1:
        raise SettingsError(f"--spent: expected a number from 0 to 1, got {options.spent}")
    from filbert.tasks import Pretrain

    if not options.recipe and not options.set:
        return Pretrain(max_tokens=MAX_TOKENS if options.max_tokens is None else options.max_tokens)
    from filbert.settings import override
    from filbert.train import Plan, load_plan

    plan = load_plan(options.recipe) if options.recipe else Plan()
    if options.max_tokens is not None:
        plan.task["max_tokens"] = options.max_tokens
    task = override(plan, options.set).make_task("pretrain")
    assert isinstance(task, Pretrain)
    return task.at(options.spent)


def source_for(task: "Pretrain", reader: "ShardReader") -> "RowSource":
    """The rows as the task reads them: with sentence ends and partners where it makes pairs.

    Raises DataError for shards that no pairs can be made of.
    """
    from filbert.shards import Paired

    return reader if task.pairs == "none" else Paired(reader, partners=task.pairs == "next")


def seen_lines(packed: "Packed", task: "Pretrain") -> Iterator[str]:
    """The pieces, with what was there behind each hidden one; labels, segments, and the pair.

    packed: one row, as the task made it.
    """
    positions, labels = packed.targets["positions"].tolist(), packed.targets["labels"]
    seen, hidden = task.tokenizer.tokens(packed.token_ids), task.tokenizer.tokens(labels)
    for place, token in zip(positions, hidden, strict=True):
        seen[place] = f"{seen[place]}⟨{token}⟩"
    yield " ".join(seen)
    named = [f"{token}({place})" for place, token in zip(positions, hidden, strict=True)]
    yield f"labels: {' '.join(named) or 'none'}"
    yield f"segments: {' '.join(_runs(packed.segments.tolist()))}"
    if task.pairs != "none":
        yield f"pair: {_pair(task.pairs, int(packed.targets['pair_labels'][0]))}"


def _pair(pairs: str, label: int) -> str:
    """What kind of pair a row is, with its label."""
    if label < 0:
        return "none, for the row has only one sentence"
    said = {
        "next": ("the second text follows the first", "the second text is another document's"),
        "order": ("the two texts are in their order", "the two texts are swapped"),
    }
    return f"label {label}, {said[pairs][label]}"


def _runs(values: Sequence[int]) -> Iterator[str]:
    """Equal neighbours with their places: 0(0–8) 1(9–12)."""
    place = 0
    for value, run in groupby(values):
        last = place + len(list(run)) - 1
        yield f"{value}({place})" if last == place else f"{value}({place}–{last})"
        place = last + 1


def unmasked(packed: "Packed") -> "Array":
    """The token ids of a pack with what was hidden back in its place."""
    token_ids = packed.token_ids.copy()
    token_ids[packed.targets["positions"]] = packed.targets["labels"]
    return token_ids
