"""The report page of a run: what it learnt, how it went, what it was made of."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from filbert.errors import FilbertError
from filbert.language import is_chinese
from filbert.progress import show_seconds
from filbert.report import Report
from filbert.tasks.mask_schedule import fraction_at
from filbert.train.curves import Curves, DroppedStep, Floats, read_curves
from filbert.train.differing import NOT_SAID, Recipe, deviations, flat, show_value
from filbert.train.environment import read_environments
from filbert.train.page_words import PAGE_WORDS
from filbert.train.run import RunFolder

PAGE = "report.html"

NO_BREAK = "\u00a0"
_SCORES = 20  # evaluations in the table
_ROWS = 8  # rows of a dropped step that are named
_CHANGES = 1.3  # batches differ by some tokens; from this ratio on they were made to

Words = Mapping[str, str]


def write_report(run: Path | str, *, language: str | None = None) -> Path:
    """Write report.html into a run's folder; the run may be at work or stopped anywhere.

    Args:
        run: the run's folder.
        language: "en" or "zh"; None: as `language_of` says.

    Returns:
        The page's path.

    Raises CheckpointError naming file and line where run.json or the log cannot be read, ExtraError
    where altair is not installed.
    """
    folder = RunFolder(run)
    recipe, curves = folder.read(), read_curves(run)
    words = PAGE_WORDS[language or language_of(folder)]
    page = Report(
        words["title"].format(name=folder.path.resolve().name),
        language="zh" if words is PAGE_WORDS["zh"] else "en",
    )
    page.text(_lead(recipe, curves, words))
    _overview(page, recipe, curves, words)
    _scores(page, curves, words)
    if len(curves.steps):
        _learning(page, recipe, curves, words)
        _course(page, recipe, curves, words)
    _trouble(page, curves, words)
    _settings(page, recipe, words)
    _data(page, recipe, words)
    _environment(page, folder, words)
    _next(page, folder, recipe, words)
    return page.write(folder.path / PAGE)


def language_of(run: RunFolder) -> str:
    """Chinese where most of the vocabulary is, else English: run folders do not hold their text."""
    steps = run.steps()
    if not steps:
        return "en"
    try:
        tokenizer = steps[-1].tokenizer()
    except FilbertError:
        return "en"  # the page is not the place to find that a checkpoint is damaged
    return "zh" if is_chinese(" ".join(tokenizer.tokens(tokenizer.ordinary_ids))) else "en"


def name_of_kind(recipe: Recipe, words: Words) -> str:
    """What kind of training it is, with the recipe's name."""
    verb, _, task = str(recipe.get("kind", "")).partition(" ")
    said = words[verb].format(task=task) if verb in ("pretrain", "finetune") else verb
    name = flat(recipe.get("plan", {})).get("name")
    return f"{said} {name}" if name and name != "fine-tuning" else said


def _lead(recipe: Recipe, curves: Curves, words: Words) -> str:
    spent = curves.spent
    steps = f"{curves.steps[-1]:,}" if len(curves.steps) else "0"
    key = "not_begun" if spent is None else "done" if spent >= 1 else "under_way"
    share = _percent(min(spent or 0.0, 0.999))
    return words[key].format(what=name_of_kind(recipe, words), steps=steps, share=share)


def _overview(page: Report, recipe: Recipe, curves: Curves, words: Words) -> None:
    page.heading(words["overview"])
    tokens, seconds = curves.end("tokens"), curves.end("seconds")
    facts: dict[str, str | int] = {
        words["steps"]: int(curves.steps[-1]) if len(curves.steps) else 0,
        words["tokens_seen"]: int(tokens or 0),
        words["time"]: show_seconds(seconds or 0.0),
    }
    if tokens and seconds:
        facts[words["speed"]] = round(tokens / seconds)
    if (loss := curves.last("loss")) is not None:
        facts[words["last_loss"]] = f"{loss:.4g}"
    if (right := curves.last("masked_accuracy")) is not None:
        facts[words["last_masked"]] = _percent(right)
    if len(curves.steps):
        facts[words["padding"]] = "0 %"
    if (roof := curves.curve("roof_share")) is not None and roof[1].any():
        facts[words["roof"]] = _percent(float(np.median(roof[1])))
    if curves.dropped:
        facts[words["dropped_count"]] = len(curves.dropped)
    if curves.returns:
        facts[words["returned_count"]] = len(curves.returns)
    if not recipe.get("start"):
        facts[words["preset"]] = show_value(flat(recipe.get("plan", {})).get("preset"))
    page.facts(facts)
    if words["roof"] in facts:
        page.text(words["roof_text"])


def _scores(page: Report, curves: Curves, words: Words) -> None:
    page.heading(words["scores"])
    if not curves.dev:
        page.text(words["no_scores"])
        return
    steps = sorted({int(step) for xs, _ in curves.dev.values() for step in xs})
    if len(steps) == 1:
        page.facts({name: f"{value:.4g}" for name, value in curves.scores().items()})
        return
    columns = {
        name: dict(zip(xs.astype(int).tolist(), values.tolist(), strict=True))
        for name, (xs, values) in curves.dev.items()
        if not _counts(values)
    }
    # Only what has a direction that everybody knows has a best.
    best = {
        name: (min if falls(name) else max)(column.values())
        for name, column in columns.items()
        if (falls(name) or "accuracy" in name or "f1" in name) and len(set(column.values())) > 1
    }
    page.table(
        [words["step"], *columns],
        [
            (step, *(_marked(column.get(step), best.get(name)) for name, column in columns.items()))
            for step in steps[-_SCORES:]
        ],
        words["scores_caption"],
    )


def _counts(values: Floats) -> bool:
    """Whether a score is how many targets there were, which is always the same."""
    return bool((values == values[0]).all() and values[0] > 1 and float(values[0]).is_integer())


def falls(score: str) -> bool:
    """Whether less of this score is better."""
    return "loss" in score or "perplexity" in score


def _marked(value: float | None, best: float | None) -> str | None:
    return None if value is None else f"{value:.4g}{NO_BREAK + '*' if value == best else ''}"


def _learning(page: Report, recipe: Recipe, curves: Curves, words: Words) -> None:
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


def _different_masks(recipe: Recipe, curves: Curves, words: Words) -> str:
    """What must be known to read two loss curves of differently hidden texts; else nothing."""
    task = recipe.get("plan", {}).get("task", {})
    learnt, scored = task.get("mask_fraction", 0.15), task.get("scored_mask_fraction", 0.15)
    if recipe.get("kind") != "pretrain" or "loss" not in curves.dev or learnt == scored:
        return ""
    several = learnt if isinstance(learnt, list) else [learnt]
    return words["scored_mask"].format(
        scored=_percent(scored), learnt=" → ".join(_percent(each) for each in several)
    )


def _course(page: Report, recipe: Recipe, curves: Curves, words: Words) -> None:
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


def _trouble(page: Report, curves: Curves, words: Words) -> None:
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


def _settings(page: Report, recipe: Recipe, words: Words) -> None:
    page.heading(words["settings"])
    page.text(words["settings_text"])
    page.table([words["setting"], words["here"], words["default"]], deviations(recipe))


def _data(page: Report, recipe: Recipe, words: Words) -> None:
    page.heading(words["data"])
    digests = {words[f"{name}_digest"]: recipe.get(name) for name in ("data", "dev", "start")}
    if not recipe.get("start"):
        digests[words["start_digest"]] = words["from_nothing"]
    places = recipe.get("places")
    if isinstance(places, Mapping):
        digests |= {name: _listed(v) for name, v in flat(places).items() if v is not None}
    page.table(
        [words["name"], words["value"]],
        [(name, str(value)) for name, value in digests.items() if value],
    )


def _environment(page: Report, folder: RunFolder, words: Words) -> None:
    starts = read_environments(folder)
    if not starts:
        return
    page.heading(words["environment"])
    if len(starts) > 1:
        page.text(words["starts"].format(count=len(starts)))
    facts = dict(starts[-1])
    if isinstance(command := facts.get("command"), list):
        facts["command"] = shlex.join(str(word) for word in command)
    page.table(
        [words["name"], words["value"]],
        [(name, _listed(value)) for name, value in facts.items() if value is not None],
    )


def _listed(value: object) -> str:
    """A value for readers: tables and lists as one line, what is not there left out."""
    if isinstance(value, Mapping):
        there = {name: each for name, each in value.items() if each not in (None, [])}
        return ", ".join(f"{name} {_listed(each)}" for name, each in there.items()) or NOT_SAID
    if isinstance(value, list):
        return ", ".join(_place(each) for each in value) or NOT_SAID
    return show_value(value)


def _place(value: object) -> str:
    """One of several values; a place of data with its weight as the command line has it."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
        return value[0] if value[1] == 1 else f"{value[0]}={value[1]:g}"
    return _listed(value)


def _next(page: Report, folder: RunFolder, recipe: Recipe, words: Words) -> None:
    path = shlex.quote(str(folder.path))
    commands = []
    if folder.steps() and str(recipe.get("kind")) == "pretrain":
        commands.append(f"filbert fill-mask {path} '{words['example']}'")
    elif folder.steps():
        commands.append(f"filbert predict {path} FILE")
    commands.append(f"filbert compare {path} RUN --out compare.html")
    page.heading(words["next"])
    page.code("\n".join(commands))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
