"""Sections of a run's page: what it learnt, how it went, what went wrong."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from filbert.report import Report
from filbert.tasks.mask_schedule import fraction_at
from filbert.train.curves import Curves, DroppedStep, Floats
from filbert.train.differing import Recipe
from filbert.train.page_words import Words

_DEV_SCORES = (
    *("f1", "exact_match", "macro_f1", "micro_f1", "mcc"),
    *("spearman", "pearson", "ndcg@10", "mrr@10"),
)
"""Beside accuracies: what fine-tuned models are compared by, all from -1 or 0 to 1."""
_ROWS = 8  # rows of a dropped step that are named
_CHANGES = 1.3  # batches differ by some tokens; from this ratio on they were made to


def show_learning(page: Report, recipe: Recipe, curves: Curves, words: Words) -> None:
    """Loss and accuracies over the steps, of training and of the dev set."""
    page.heading(words["learning"])
    marks = _marks(curves, words)
    losses = {words["training"]: curves.curve("loss")}
    for name in sorted(curves.columns):
        if name.endswith("_loss"):
            losses[words["training_of"].format(name=words.get(name, name))] = curves.curve(name)
    losses[words["dev"]] = curves.dev_curve("loss")
    _lines(page, losses, words, y=words["loss_unit"], title=words["loss"], marks=marks)
    if note := _different_masks(recipe, curves, words):
        page.text(note)
    shares = {}
    for name in sorted(curves.columns):
        if name.endswith("_accuracy"):
            shares[words["training_of"].format(name=words.get(name, name))] = curves.curve(name)
    for name in curves.dev:
        if "accuracy" in name:
            shares[words["dev_of"].format(name=name)] = curves.dev_curve(name)
    _lines(page, shares, words, y=words["accuracy_unit"], title=words["accuracy"], marks=marks)
    scores = {name: curves.dev_curve(name) for name in _DEV_SCORES if name in curves.dev}
    _lines(page, scores, words, title=words["scores"], marks=marks)


def _different_masks(recipe: Recipe, curves: Curves, words: Words) -> str:
    """What must be known to read two loss curves of differently hidden texts; else nothing."""
    task = recipe.get("plan", {}).get("task", {})
    learnt, scored = task.get("mask_fraction", 0.15), task.get("scored_mask_fraction", 0.15)
    if recipe.get("kind") != "pretrain" or "loss" not in curves.dev or learnt == scored:
        return ""
    several = learnt if isinstance(learnt, list) else [learnt]
    return words["scored_mask"].format(
        scored=percent(scored), learnt=" → ".join(percent(each) for each in several)
    )


def show_course(page: Report, recipe: Recipe, curves: Curves, words: Words) -> None:
    """Rate, gradient, speed: what a person looks at when a run goes wrong."""
    page.heading(words["how"])
    marks = _marks(curves, words)
    for name, smooth in (
        ("learning_rate", False),
        ("gradient_norm", True),
        ("tokens_per_second", True),
        ("roof_share", True),
        ("batch_tokens", False),
    ):
        found = curves.curve(name)
        if found is None or not found[1].any():
            continue
        if name == "batch_tokens" and not _changes(found[1]):
            continue
        _lines(page, {words[name]: found}, words, marks=marks, smooth=smooth)
    hidden = _hidden(recipe, curves)
    if hidden is not None:
        _lines(page, {words["mask_fraction"]: hidden}, words, marks=marks, smooth=False)


def _changes(batches: Floats) -> bool:
    low, high = np.percentile(batches, [5, 95])
    return bool(high > _CHANGES * low)


def _hidden(recipe: Recipe, curves: Curves) -> tuple[Floats, Floats] | None:
    """(steps, share of the tokens that was hidden) where it changed on the way."""
    task = recipe.get("plan", {}).get("task", {})
    fractions, change = task.get("mask_fraction"), task.get("mask_change", "step")
    begun = curves.curve("begun") or curves.curve("spent")
    if not isinstance(fractions, list) or len(fractions) < 2 or begun is None:
        return None
    xs, spent = begun
    return xs, np.array([fraction_at(fractions, change, each) for each in spent.tolist()])


def _lines(
    page: Report, series: Mapping[str, tuple[Floats, Floats] | None], words: Words, **more: Any
) -> None:
    """One figure over the steps of those series that there are; none, no figure."""
    there = {name: points for name, points in series.items() if points is not None}
    if there:
        page.lines(there, x=words["step"], **more)


def _marks(curves: Curves, words: Words) -> dict[str, list[int]]:
    return {
        words["dropped"]: [each.step for each in curves.dropped],
        words["returned"]: [step for step, _ in curves.returns],
    }


def show_trouble(page: Report, curves: Curves, words: Words) -> None:
    """Steps that were not made, and returns; nothing where all went well."""
    if not curves.dropped and not curves.returns:
        return
    page.heading(words["trouble"])
    page.text(words["trouble_text"])
    lines = [(each.step, each.reason, _rows(each, words)) for each in curves.dropped]
    lines += [(step, words["back"].format(step=f"{to:,}"), "") for step, to in curves.returns]
    lines.sort(key=lambda line: line[0])
    page.table([words[name] for name in ("step", "event", "rows")], lines)


def _rows(dropped: DroppedStep, words: Words) -> str:
    named = ", ".join(f"{shard}:{row}" for shard, row in dropped.rows[:_ROWS])
    more = len(dropped.rows) - _ROWS
    return f"{named}, {words['more_rows'].format(count=f'{more:,}')}" if more > 0 else named


def percent(share: float) -> str:
    """A share of 1 in percent."""
    return f"{100 * share:.3g} %"
