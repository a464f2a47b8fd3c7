"""All settings of a training run: a preset, then a recipe with only the deviations, then --set."""

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from filbert.encoder.shape import Shape
from filbert.errors import SettingsError, did_you_mean
from filbert.settings import from_mapping
from filbert.tasks import TASKS, Task
from filbert.train.adaptation import Adapt
from filbert.train.growth import Grow
from filbert.train.presets import PRESETS
from filbert.train.training import Training


@dataclass(frozen=True)
class Size:
    """The shape of a network that is yet to be made: a Shape whose vocabulary is the tokenizer's.

    The fields, their meaning and their defaults are those of Shape; bert-base where it has none.
    """

    depth: int = 12
    width: int = 768
    attention_heads: int = 12
    mlp_width: int = 3072
    max_positions: int = 512
    segments: int = 2
    norm_epsilon: float = 1e-12
    dropout_fraction: float = 0.1
    attention_dropout_fraction: float = 0.0
    positions: Literal["learned", "rotary"] = "learned"
    positions_offset: int = 0
    norm_place: Literal["after", "before"] = "after"
    gated: bool = False
    bias: bool = True
    window: int = 0
    global_every: int = 1
    theta: float = 10_000.0
    local_theta: float = 10_000.0
    head_activation: Literal["tanh", "relu", "gelu"] = "tanh"

    def shape(self, vocab: int) -> Shape:
        """The Shape with a vocabulary."""
        return Shape(vocab=vocab, **dataclasses.asdict(self))


@dataclass(frozen=True)
class Plan:
    """A training run: what network, what task, how.

    name    what the recipe makes, for reports
    preset  the sizes that the recipe starts from; a key of PRESETS
    shape   used where no checkpoint is the start
    grow    how a checkpoint that is the start becomes larger
    adapt   how a checkpoint is taken over for a task: what stays as it is, what is drawn anew
    task    settings of the task; its name is given by who trains
    train   how to train
    """

    name: str = ""
    preset: str = "bert-base"
    shape: Size = field(default_factory=Size)
    grow: Grow = field(default_factory=Grow)
    adapt: Adapt = field(default_factory=Adapt)
    task: dict[str, Any] = field(default_factory=dict)
    train: Training = field(default_factory=Training)

    def make_task(self, name: str, **settings: Any) -> Task:
        """The task with this plan's settings and those that the data gave."""
        where = f"[task] of {self.name or name}"
        return from_mapping(self.task | settings, task_class(name), where)


def task_class(name: str) -> type[Task]:
    """A key of TASKS → its class; SettingsError for another name."""
    if name not in TASKS:
        raise SettingsError(
            f"no task {name!r}{did_you_mean(name, TASKS)} (known: {', '.join(TASKS)})"
        )
    return TASKS[name]


def load_plan(path: Path | str, preset: str | None = None) -> Plan:
    """A recipe file (TOML) laid over the preset that it names; a bare name is one of filbert's own.

    preset: takes the place of the recipe's.

    Raises SettingsError naming file and field.
    """
    path = Path(path)
    if path.suffix == "" and path.name == str(path):
        path = _own_recipe(path.name)
    try:
        recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from error
    if preset is not None:
        recipe["preset"] = preset
    return make_plan(recipe, str(path))


def _own_recipe(name: str) -> Path:
    folder = Path(__file__).parents[1] / "recipes"
    own = sorted(file.stem for file in folder.glob("*.toml"))
    if name not in own:
        raise SettingsError(
            f"no recipe {name!r}{did_you_mean(name, own)} (known: {', '.join(own)}; "
            "or give the path of a .toml file)"
        )
    return folder / f"{name}.toml"


def make_plan(recipe: dict[str, Any], where: str = "recipe") -> Plan:
    """A recipe's deviations laid over the preset that they name."""
    preset = recipe.get("preset", "bert-base")
    if preset not in PRESETS:
        raise SettingsError(
            f"{where}: preset {preset!r} is unknown{did_you_mean(str(preset), PRESETS)} "
            f"(known: {', '.join(PRESETS)})"
        )
    return from_mapping(_lay_over(PRESETS[preset], recipe), Plan, where)


def _lay_over(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """Upper's values where it has them, lower's elsewhere, table by table."""
    merged: dict[str, Any] = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            value = _lay_over(below, value)
        merged[key] = value
    return merged
