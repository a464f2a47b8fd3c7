"""Sections of a run's page: its settings, data and environment, and what to do next."""

import shlex
from collections.abc import Mapping

from filbert.report import Report
from filbert.train.differing import NOT_SAID, Recipe, deviations, flat, show_value
from filbert.train.environment import read_environments
from filbert.train.page_words import Words
from filbert.train.run import RunFolder


def show_settings(page: Report, recipe: Recipe, words: Words) -> None:
    """What was set otherwise than filbert would."""
    page.heading(words["settings"])
    page.text(words["settings_text"])
    page.table([words["setting"], words["here"], words["default"]], deviations(recipe))


def show_data(page: Report, recipe: Recipe, words: Words) -> None:
    """What it was made of: digests, and where it lay."""
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


def show_environment(page: Report, folder: RunFolder, words: Words) -> None:
    """Versions and machine, of the last start."""
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


def show_next(page: Report, folder: RunFolder, recipe: Recipe, words: Words) -> None:
    """Commands that work with what the run made."""
    path = shlex.quote(str(folder.path))
    commands = []
    if folder.steps() and str(recipe.get("kind")) == "pretrain":
        commands.append(f"filbert fill-mask {path} '{words['example']}'")
    elif folder.steps():
        commands.append(f"filbert predict {path} FILE")
    commands.append(f"filbert compare {path} RUN --out compare.html")
    page.heading(words["next"])
    page.code("\n".join(commands))
