import tomllib
from pathlib import Path

import pytest

import filbert
from filbert.tasks import Classify, Pretrain
from filbert.train import load_plan
from filbert.train.plan import PRESETS

RECIPES = sorted((Path(filbert.__file__).parent / "recipes").glob("*.toml"))


def test_there_are_recipes_and_the_checkout_shows_them() -> None:
    assert {"quickstart", "quickstart_classify"} <= {path.stem for path in RECIPES}
    shown = Path(__file__).parents[2] / "recipes"
    assert sorted(path.name for path in shown.glob("*.toml")) == [path.name for path in RECIPES]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_a_plan_on_a_known_preset(path: Path) -> None:
    recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    assert recipe["preset"] in PRESETS, "a recipe says what it starts from"
    plan = load_plan(path)
    assert plan.name
    assert plan == load_plan(path.stem), "a recipe is found by its name too"
    budgets = [plan.train.steps, plan.train.epochs, plan.train.minutes]
    assert sum(budget is not None for budget in budgets) == 1
    shape = plan.shape.shape(vocab=100)
    assert shape.width % shape.attention_heads == 0
    assert plan.task["max_tokens"] <= shape.max_positions


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_holds_only_what_differs_from_its_preset(path: Path) -> None:
    recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    same = PRESETS[recipe["preset"]]["shape"].items() & recipe.get("shape", {}).items()
    assert not same, f"{path.name} repeats its preset: {dict(same)}"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_task_of_a_recipe_knows_its_settings(path: Path) -> None:
    plan = load_plan(path)
    if "classify" in path.stem:
        assert isinstance(plan.make_task("classify", labels=["a", "b"]), Classify)
    else:
        assert isinstance(plan.make_task("pretrain"), Pretrain)
