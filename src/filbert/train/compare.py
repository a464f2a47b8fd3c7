"""Several runs beside each other: curves over the same axes, scores, settings that differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filbert.errors import DataError, SettingsError
from filbert.progress import show_count, show_seconds
from filbert.report import Report
from filbert.report.lines import SERIES_SHOWN
from filbert.train.curves import Curves, Floats, read_curves
from filbert.train.differing import NOT_SAID, Recipe, differences
from filbert.train.page import language_of, name_of_kind
from filbert.train.page_words import PAGE_WORDS, Words
from filbert.train.run import RUN_FILE, RunFolder

AXES = ("step", "tokens", "seconds")
"""What curves are laid over."""

_MANY = 1e7  # tokens


@dataclass(frozen=True)
class Compared:
    """Runs of one kind.

    names    one for each run, as short as tells them apart
    """

    names: tuple[str, ...]
    folders: tuple[RunFolder, ...]
    recipes: tuple[Recipe, ...]
    curves: tuple[Curves, ...]

    def figures(self) -> list[tuple[str, list[str]]]:
        """(figure, its value in each run): how far it went, how fast, what it reached.

        Loss and accuracies of training are means over the last 5 % of the steps; those of the dev
        set, its last ones.
        """
        each = self.curves
        found = [
            ("steps", [f"{curves.steps[-1]:,}" for curves in each]),
            ("tokens", [show_count(curves.end("tokens") or 0.0) for curves in each]),
            ("time", [show_seconds(curves.end("seconds") or 0.0) for curves in each]),
            ("tokens/s", [_speed(curves) for curves in each]),
        ]
        for name in self.measured():
            found.append((name, [_shown(curves.last(name), name) for curves in each]))
        for name in self.scored():
            shown = [_shown(curves.scores().get(name), name) for curves in each]
            found.append((f"dev {name}", shown))
        return found

    def measured(self) -> list[str]:
        """Loss and accuracies of training that any of the runs has."""
        accuracies = (n for c in self.curves for n in c.columns if n.endswith("_accuracy"))
        return list(dict.fromkeys(["loss", *accuracies]))

    def scored(self) -> list[str]:
        """Loss and accuracies of the dev set that any of the runs has."""
        scores = (name for curves in self.curves for name in curves.dev)
        return list(dict.fromkeys(n for n in scores if n == "loss" or "accuracy" in n))

    def settings(self) -> list[tuple[str, list[str]]]:
        """(setting, its value in each run) where they differ."""
        return differences(self.recipes)


def compare(runs: Sequence[Path | str]) -> Compared:
    """Read the runs that are to be compared; they may be at work.

    Raises SettingsError for fewer than two or more than can be told apart in one figure, or runs of
    different kinds; CheckpointError naming file and line of a log that is broken; DataError for a
    run without a step.
    """
    paths = [Path(run) for run in runs]
    if not 2 <= len(paths) <= SERIES_SHOWN:
        raise SettingsError(f"expected 2 to {SERIES_SHOWN} runs to compare, got {len(paths)}")
    resolved = [path.resolve() for path in paths]
    if len(set(resolved)) < len(resolved):
        twice = next(path for at, path in enumerate(paths) if resolved[at] in resolved[:at])
        raise SettingsError(f"{twice}: expected different runs, got this one twice")
    folders = tuple(RunFolder(path) for path in paths)
    recipes = tuple(folder.read() for folder in folders)
    kinds = [str(recipe.get("kind")) for recipe in recipes]
    for path, kind in zip(paths, kinds, strict=True):
        if kind != kinds[0]:
            raise SettingsError(
                f"{path / RUN_FILE}: expected a run of the kind {kinds[0]!r}, as {paths[0]} is, "
                f"got {kind!r}"
            )
    curves = tuple(read_curves(path) for path in paths)
    for each in curves:
        if not len(each.steps):
            raise DataError(f"{each.file}: expected at least one step, there is none")
    return Compared(_short(resolved), folders, recipes, curves)


def write_comparison(compared: Compared, path: Path | str, *, language: str | None = None) -> Path:
    """Write the page that lays the runs' curves over each other by steps, tokens and seconds.

    language: "en" or "zh"; None: Chinese where that is the language of all runs' vocabularies.

    Returns the path. Raises FilbertError if the disk refuses, ExtraError where altair is not
    installed.
    """
    if language is None:
        chinese = all(language_of(folder) == "zh" for folder in compared.folders)
        language = "zh" if chinese else "en"
    words = PAGE_WORDS[language]
    page = Report(words["compare_title"], language=language)
    what = name_of_kind({"kind": compared.recipes[0].get("kind")}, words)
    page.text(words["compare_lead"].format(what=what, count=len(compared.names)))
    page.heading(words["runs"])
    rows = [[_named(name, words), *values] for name, values in compared.figures()]
    page.table([words["run"], *compared.names], rows, words["final_caption"])
    page.heading(words["differing"])
    settings = compared.settings()
    if settings:
        page.table(
            [words["setting"], *compared.names],
            [[name, *values] for name, values in settings],
            words["differing_text"],
        )
    else:
        page.text(words["same"])
    _curves(page, compared, words)
    return page.write(path)


def _curves(page: Report, compared: Compared, words: Words) -> None:
    """A section for each number that was measured on the way, a figure for each axis."""
    for name in compared.measured():
        _figures(page, compared, words, name, dev=False)
    for name in compared.scored():
        # One evaluation is a number, which stands in the table, and no curve.
        if any(len(curves.dev.get(name, ((), ()))[0]) > 1 for curves in compared.curves):
            _figures(page, compared, words, name, dev=True)


def _figures(page: Report, compared: Compared, words: Words, name: str, *, dev: bool) -> None:
    said = words["dev_of" if dev else "training_of"].format(name=_named(name, words))
    page.heading(said[0].upper() + said[1:])
    for axis in AXES:
        series: dict[str, tuple[Floats, Floats]] = {}
        for run, curves in zip(compared.names, compared.curves, strict=True):
            found = (curves.dev_curve if dev else curves.curve)(name, axis)
            if found is not None:
                series[run] = found
        if series:
            unit, series = _in_millions(axis, series)
            page.lines(series, x=words[unit], y=said, title=words["by"].format(x=words[axis]))


def _in_millions(
    axis: str, series: dict[str, tuple[Floats, Floats]]
) -> tuple[str, dict[str, tuple[Floats, Floats]]]:
    """(the axis' word, the curves over it): long numbers of tokens have no room on a phone."""
    most = max(float(xs.max()) for xs, _ in series.values())
    if axis != "tokens" or most < _MANY:
        return axis, series
    return "million_tokens", {name: (xs / 1e6, ys) for name, (xs, ys) in series.items()}


def _named(name: str, words: Words) -> str:
    """A number's name within a line."""
    return words.get(f"{name}_within", words.get(name, name))


def _shown(value: float | None, name: str) -> str:
    if value is None:
        return NOT_SAID
    return f"{100 * value:.3g} %" if "accuracy" in name else f"{value:.4g}"


def _speed(curves: Curves) -> str:
    tokens, seconds = curves.end("tokens"), curves.end("seconds")
    return show_count(tokens / seconds) if tokens and seconds else NOT_SAID


def _short(paths: Sequence[Path]) -> tuple[str, ...]:
    """The ends of paths, as long as it takes to tell all of them apart."""
    for parts in range(1, max(len(path.parts) for path in paths)):
        names = ["/".join(path.parts[-parts:]) for path in paths]
        if len(set(names)) == len(names):
            return tuple(names)
    return tuple(map(str, paths))
