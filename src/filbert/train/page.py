"""The report page of a run: what it learnt, how it went, what it was made of."""

from pathlib import Path

import numpy as np

from filbert.errors import CheckpointError, FilbertError
from filbert.language import is_chinese
from filbert.progress import show_seconds
from filbert.report import Report
from filbert.train.curves import Curves, Floats, read_curves
from filbert.train.differing import Recipe, flat, show_value
from filbert.train.findings import FOUND_WORDS, Findings, read_findings
from filbert.train.page_course import percent, show_course, show_learning, show_trouble
from filbert.train.page_origin import show_data, show_environment, show_next, show_settings
from filbert.train.page_words import PAGE_WORDS, Words
from filbert.train.run import RunFolder

PAGE = "report.html"

NO_BREAK = "\u00a0"
_SCORES = 20  # evaluations in the table


def write_report(run: Path | str, *, language: str | None = None) -> Path:
    """Write report.html into a run's folder; the run may be at work or stopped anywhere.

    Of a run that was fine-tuned to its end the page also says what its checkpoint makes of the dev
    set (findings.json); it takes neither model nor data.

    Args:
        run: the run's folder.
        language: "en" or "zh"; None: as `language_of` says.

    Returns:
        The page's path.

    Raises CheckpointError naming file and line where run.json, the log or findings.json cannot be
    read, ExtraError where altair is not installed.
    """
    folder = RunFolder(run)
    recipe, curves, findings = folder.read(), read_curves(run), read_findings(run)
    language = language or language_of(folder)
    words = {**FOUND_WORDS[language], **PAGE_WORDS[language]}
    page = Report(words["title"].format(name=folder.path.resolve().name), language=language)
    page.text(_lead(recipe, curves, words))
    _overview(page, recipe, curves, words)
    _scores(page, curves, findings, words)
    if findings is not None:
        findings.found.show(page, words)
    if len(curves.steps):
        show_learning(page, recipe, curves, words)
        show_course(page, recipe, curves, words)
    show_trouble(page, curves, words)
    show_settings(page, recipe, words)
    show_data(page, recipe, words)
    show_environment(page, folder, words)
    show_next(page, folder, recipe, words)
    return page.write(folder.path / PAGE)


def language_of(run: RunFolder) -> str:
    """The language of a fine-tuned run's examples, which run.json knows; "en" for all but Chinese.

    Of other runs, whose folders know nothing of their texts, Chinese where most of the vocabulary
    is.
    """
    try:
        places = run.read().get("places")
    except CheckpointError:
        places = None
    said = places.get("language") if isinstance(places, dict) else None
    if said in PAGE_WORDS:
        return str(said)
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
    share = percent(min(spent or 0.0, 0.999))
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
        facts[words["last_masked"]] = percent(right)
    if len(curves.steps):
        facts[words["padding"]] = "0 %"
    if (roof := curves.curve("roof_share")) is not None and roof[1].any():
        facts[words["roof"]] = percent(float(np.median(roof[1])))
    if curves.dropped:
        facts[words["dropped_count"]] = len(curves.dropped)
    if curves.returns:
        facts[words["returned_count"]] = len(curves.returns)
    if not recipe.get("start"):
        facts[words["preset"]] = show_value(flat(recipe.get("plan", {})).get("preset"))
    page.facts(facts)
    if words["roof"] in facts:
        page.text(words["roof_text"])


def _scores(page: Report, curves: Curves, findings: Findings | None, words: Words) -> None:
    page.heading(words["scores"])
    if findings is not None:
        findings.show_scores(page, words)
    if not curves.dev:
        page.text(words["no_scores"])
        return
    steps = sorted({int(step) for xs, _ in curves.dev.values() for step in xs})
    if len(steps) == 1:
        if findings is None:
            page.facts({name: _short(value) for name, value in curves.scores().items()})
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


def _short(value: float) -> str:
    """A score in four digits; a count whole."""
    return f"{value:,.0f}" if value > 1 and value.is_integer() else f"{value:.4g}"


def _counts(values: Floats) -> bool:
    """Whether a score is how many targets there were, which is always the same."""
    return bool((values == values[0]).all() and values[0] > 1 and float(values[0]).is_integer())


def falls(score: str) -> bool:
    """Whether less of this score is better."""
    return "loss" in score or "perplexity" in score


def _marked(value: float | None, best: float | None) -> str | None:
    return None if value is None else f"{value:.4g}{NO_BREAK + '*' if value == best else ''}"
