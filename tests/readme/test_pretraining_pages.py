"""docs/pretraining.md, in both languages, beside the code: settings, defaults, names, commands.

Its commands take minutes or need data, so they are not run here: what is checked is that the
command line takes them, and that each setting they name is one.
"""

import dataclasses
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from filbert.cli.main import VERBS, _parser
from filbert.tasks import Pretrain
from filbert.train import OPTIMIZERS, PRESETS, SCHEDULES, Plan, Training, chosen_plan
from filbert.train.growth import Grow

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("pretraining.md", "pretraining.zh-CN.md")
TABLES = {"task": Pretrain, "grow": Grow, "train": Training}


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def shown(value: Any) -> str:
    """A default as the pages write it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return "[]" if value == () else str(value)


@pytest.mark.parametrize("name", PAGES)
def test_every_setting_stands_there_once_with_its_default(name: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| .+ \|$", page(name), re.MULTILINE)
    fields = [field for kind in TABLES.values() for field in dataclasses.fields(kind)]
    assert len(rows) == len(dict(rows))
    assert dict(rows) == {field.name: shown(field.default) for field in fields if field.init}


@pytest.mark.parametrize("name", PAGES)
def test_every_optimizer_schedule_preset_and_recipe_is_named(name: str) -> None:
    text = page(name)
    for choice in (*OPTIMIZERS, *SCHEDULES):
        assert f'"{choice}"' in text
    for preset in PRESETS:
        sized = re.fullmatch(r"bert-\d+x\d+", preset)
        assert (
            ("`bert-DEPTHxWIDTH`" in text or "`bert-深度x宽度`" in text)
            if sized
            else preset in text
        )
    recipes = {path.stem for path in (DOCS.parent / "recipes").glob("*.toml")}
    assert {recipe for recipe in recipes if f"`{recipe}`" not in text} == {"quickstart_classify"}


@pytest.mark.parametrize("name", PAGES)
def test_its_commands_are_taken_and_set_what_there_is(name: str) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```$", page(name), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    commands = [shlex.split(line, comments=True) for line in lines]
    assert {command[0] for command in commands} == {"filbert", "tensorboard"}
    for _, *words in (command for command in commands if command[0] == "filbert"):
        assert words[0] in VERBS
        options = _parser(words).parse_args(words)
        if words[0] == "pretrain":
            made = chosen_plan(options.recipe, options.set)
            assert made.make_task("pretrain")
        elif words[0] == "show" and options.set:
            assert chosen_plan(Plan(train=Training(steps=1)), options.set).make_task("pretrain")


@pytest.mark.parametrize("name", PAGES)
def test_what_it_links_to_is_there(name: str) -> None:
    text = page(name)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    for link in re.findall(r"\]\(([^):]+)\)", text):
        file, _, anchor = link.partition("#")
        assert (DOCS / file).exists() if file else anchor in anchors, link
