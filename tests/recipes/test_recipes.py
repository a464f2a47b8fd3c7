"""Recipes: each says only what differs, names only what exists, and trains."""

import dataclasses
import importlib
import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import filbert
from filbert.checkpoint import Folder
from filbert.checkpoint.config import family_for
from filbert.tasks import Classify, Pretrain
from filbert.tokenizer import Tokenizer
from filbert.tokenizer.extension import with_words
from filbert.train import PRESETS, RunFolder, Training, load_plan

RECIPES = sorted((Path(filbert.__file__).parent / "recipes").glob("*.toml"))
PRETRAINING = [path for path in RECIPES if "classify" not in path.stem]
ASKED = {
    "bert_base_paper",
    "budget_24h_one_gpu",
    "chinese_wwm",
    "domain_adapt",
    "modern_small",
    "quickstart",
    "quickstart_classify",
}
SMALL = [
    # A network and a batch for seconds; what is learnt, how, and by which schedule stays.
    "shape.depth=4",
    "shape.width=32",
    "shape.attention_heads=2",
    "shape.mlp_width=48",
    "shape.max_positions=64",
    "task.max_tokens=64",
    "train.batch_tokens=512",
    "train.steps=2",
    "train.save_every_seconds=1e9",
]


def recipe_of(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def test_there_are_recipes_and_the_checkout_shows_them() -> None:
    assert {path.stem for path in RECIPES} == ASKED
    shown = Path(__file__).parents[2] / "recipes"
    assert sorted(path.name for path in shown.glob("*.toml")) == [path.name for path in RECIPES]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_a_plan_on_a_known_preset(path: Path) -> None:
    recipe = recipe_of(path)
    assert recipe["preset"] in PRESETS, "a recipe says what it starts from"
    plan = load_plan(path)
    assert plan.name
    assert plan == load_plan(path.stem), "a recipe is found by its name too"
    assert plan.train.budget is not None
    shape = plan.shape.shape(vocab=100)
    assert plan.task["max_tokens"] <= shape.max_positions
    assert family_for(shape, path.stem), "what is trained can be saved"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_holds_only_what_differs(path: Path) -> None:
    recipe = recipe_of(path)
    preset = PRESETS[recipe["preset"]]["shape"].items() & recipe.get("shape", {}).items()
    assert not preset, f"{path.name} repeats its preset: {dict(preset)}"
    for table, kind in (("train", Training), ("task", Pretrain)):
        usual = {field.name: field.default for field in dataclasses.fields(kind)}
        same = {
            name: value
            for name, value in recipe[table].items()
            if name != "max_tokens" and value == usual.get(name, ...)
        }
        assert not same, f"{path.name}: [{table}] repeats what is so anyway: {same}"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_task_of_a_recipe_knows_its_settings(path: Path) -> None:
    plan = load_plan(path)
    if path in PRETRAINING:
        assert isinstance(plan.make_task("pretrain"), Pretrain)
    else:
        assert isinstance(plan.make_task("classify", labels=["a", "b"]), Classify)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_commands_in_a_recipe_are_commands(path: Path) -> None:
    """Each line of the comments that begins with filbert is one that the command line takes."""
    text = path.read_text(encoding="utf-8").replace("\\\n#", "")
    commands = [shlex.split(line) for line in re.findall(r"^#   (filbert .*)$", text, re.M)]
    assert any(path.stem in word for words in commands for word in words), "its own is there"
    parser = importlib.import_module("filbert.cli.main")._parser
    for words in commands:
        options = parser(words[1:]).parse_args(words[1:])
        for setting in getattr(options, "set", None) or []:
            plan = load_plan(path)
            table, _, name = setting.partition("=")[0].partition(".")
            if table == "task":
                assert name in {field.name for field in dataclasses.fields(Pretrain)}
            else:
                assert name in {f.name for f in dataclasses.fields(getattr(plan, table))}


@pytest.mark.parametrize("path", PRETRAINING, ids=lambda path: path.stem)
def test_a_recipe_says_what_it_costs_and_speaks_chinese(path: Path) -> None:
    if path.stem == "quickstart":
        return
    text = path.read_text(encoding="utf-8")
    assert "# Cost / 开销: " in text
    assert "# 中文：" in text


def _settings(path: Path) -> list[str]:
    train = recipe_of(path)["train"]
    small = list(SMALL)
    if "batch_start_tokens" in train:
        small.append("train.batch_start_tokens=128")
    if "length_phases" in train:
        small.append("train.length_phases=[[0.0, 16], [0.9, 64]]")
    return small


def _steps(run: Path) -> list[dict[str, Any]]:
    return [line for line in RunFolder(run).read_log() if "learning_rate" in line]


@pytest.mark.parametrize("path", PRETRAINING, ids=lambda path: path.stem)
def test_a_recipe_trains(
    path: Path, tokenizer: Tokenizer, shards_of: Callable[[Tokenizer], Path], tmp_path: Path
) -> None:
    """Two steps with its own objective, optimizer and schedules, and a folder that says them."""
    folder = filbert.pretrain(
        shards_of(tokenizer), tmp_path / "run", plan=path, settings=_settings(path)
    )
    steps = _steps(tmp_path / "run")
    assert [step["step"] for step in steps] == [1, 2]
    assert all(step["learning_rate"] > 0 for step in steps)
    plan = load_plan(path)
    own = plan.make_task("pretrain")
    assert folder.task() == dataclasses.replace(own, max_tokens=64)
    shape = folder.shape()
    expected = plan.shape.shape(shape.vocab)
    for name in ("positions", "norm_place", "gated", "window", "global_every", "dropout_fraction"):
        assert getattr(shape, name) == getattr(expected, name), name


def test_domain_adaptation_starts_from_a_model_and_its_own_words(
    tokenizer: Tokenizer, shards_of: Callable[[Tokenizer], Path], tmp_path: Path
) -> None:
    """As in its comments: another model's folder, more words, longer rows."""
    small = [*SMALL, "task.masked_unit=word"]
    start = filbert.pretrain(
        shards_of(tokenizer), tmp_path / "start", plan="chinese_wwm", settings=small
    )
    known = set(tokenizer.tokens(range(tokenizer.vocab_size)))
    words = [word for word in ("symptomatic", "diagnosis", "radiology") if word not in known]
    longer = with_words(tokenizer, words)
    longer_rows = ["task.max_tokens=96", "grow.max_positions=96", "train.batch_tokens=512"]
    adapted = filbert.pretrain(
        shards_of(longer),
        tmp_path / "adapted",
        plan="domain_adapt",
        start=start,
        settings=[*longer_rows, "train.epochs=0.5"],
    )
    assert adapted.shape() == dataclasses.replace(
        start.shape(), vocab=start.shape().vocab + len(words), max_positions=96
    )
    assert Folder(adapted.path).tokenizer().digest == longer.digest


def test_the_papers_phases_are_read_one_after_the_other(
    tokenizer: Tokenizer, shards_of: Callable[[Tokenizer], Path], tmp_path: Path
) -> None:
    path = next(path for path in RECIPES if path.stem == "bert_base_paper")
    folder = filbert.pretrain(
        shards_of(tokenizer),
        tmp_path / "run",
        plan=path,
        settings=[*_settings(path), "train.steps=10"],
    )
    rates = [step["learning_rate"] for step in _steps(tmp_path / "run")]
    assert rates == sorted(rates, reverse=True), "the warm-up is over within the first of ten"
    assert folder.kind() == "pretraining"
    assert {"accuracy", "pairs_accuracy"} <= set(folder.scores())
