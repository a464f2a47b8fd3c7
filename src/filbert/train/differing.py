"""Which settings a run has that the defaults, or other runs, have not."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from filbert.settings import to_mapping
from filbert.tasks import TASKS
from filbert.train.plan import make_plan
from filbert.train.presets import PRESETS

Recipe = Mapping[str, Any]
"""What run.json says of a run, without its format."""

_THERE = ("data", "start", "dev")  # what else makes a run this run
NOT_SAID = "–"


def deviations(recipe: Recipe) -> list[tuple[str, str, str]]:
    """(setting, here, default) of all that a run's plan has changed, as texts.

    The default is the preset's and filbert's own of today; of a setting that is no more, a dash.
    """
    plan = flat(recipe.get("plan", {}))
    preset = plan.pop("preset", "bert-base")
    plan.pop("name", None)
    known = flat(to_mapping(make_plan({"preset": preset} if preset in PRESETS else {})))
    known |= {f"task.{name}": value for name, value in _task_defaults(recipe).items()}
    return [
        (name, show_value(value), show_value(known[name]) if name in known else NOT_SAID)
        for name, value in plan.items()
        if name not in known or known[name] != value
    ]


def differences(recipes: Sequence[Recipe]) -> list[tuple[str, list[str]]]:
    """(setting, its value in each run) where runs differ, as texts; a dash where one has none."""
    each = []
    for recipe in recipes:
        plan = flat(recipe.get("plan", {}))
        plan.pop("name", None)
        defaults = {f"task.{name}": value for name, value in _task_defaults(recipe).items()}
        there = {name: recipe[name][:12] or None for name in _THERE if _is_text(recipe.get(name))}
        each.append({**defaults, **plan, **there})
    names = list(dict.fromkeys(name for settings in each for name in settings))
    rows = [
        (name, [show_value(s[name]) if name in s else NOT_SAID for s in each]) for name in names
    ]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def flat(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Tables in tables as one table of dotted names."""
    found: dict[str, Any] = {}
    for name, value in mapping.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def show_value(value: object) -> str:
    """A setting's value as a recipe would write it."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _task_defaults(recipe: Recipe) -> dict[str, Any]:
    task = TASKS.get(str(recipe.get("kind", "")).removeprefix("finetune ").strip())
    if task is None:
        return {}
    return {
        field.name: to_mapping(field.default)
        for field in fields(task)
        if field.init and field.default is not MISSING
    }
