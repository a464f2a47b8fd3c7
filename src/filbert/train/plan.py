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


@dataclass(frozen=True)
class Size:
    """The shape of a network that is yet to be made; its vocabulary is the tokenizer's."""

    depth: int = 12
    width: int = 768
    attention_heads: int = 12
    mlp_width: int = 3072
    max_positions: int = 512
    dropout_fraction: float = 0.1

    def shape(self, vocab: int) -> Shape:
        """The Shape with a vocabulary."""
        return Shape(vocab=vocab, **dataclasses.asdict(self))


@dataclass(frozen=True)
class Training:
    """How to train.

    steps, epochs, minutes      the budget: exactly one of them; minutes count training alone, not
                                evaluation and saving
    batch_tokens                tokens of one optimizer step, over all GPUs
    micro_tokens                tokens that go through the network at once; None: batch_tokens
    peak_lr, warmup_fraction    the rate rises to peak_lr over this part of the budget
    schedule                    how it falls to 0 afterwards
    clip_norm                   gradients are scaled down to this norm; 0: never
    dropout_fraction            None: what the shape says
    attention_dropout_fraction  0 by default, because the fast kernels have none; the paper's 0.1
                                takes the slower path
    evaluate_every_steps        0: at the end only
    save_every_seconds          between checkpoints; there is always one at the end
    keep_folders                how many checkpoints stay on disk
    """

    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None
    batch_tokens: int = 8192
    micro_tokens: int | None = None
    optimizer: str = "adamw"
    peak_lr: float = 5e-4
    schedule: str = "linear"
    warmup_fraction: float = 0.06
    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-6
    clip_norm: float = 1.0
    dropout_fraction: float | None = None
    attention_dropout_fraction: float = 0.0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 1
    evaluate_every_steps: int = 0
    save_every_seconds: float = 300.0
    keep_folders: int = 2

    def __post_init__(self) -> None:
        """Refuse what no loop could follow."""
        budgets = [name for name in ("steps", "epochs", "minutes") if getattr(self, name)]
        if len(budgets) > 1:
            raise SettingsError(
                f"train: exactly one of steps, epochs, minutes is the budget; got {budgets}"
            )
        for name, low in (
            ("steps", 1),
            ("epochs", 0.0),
            ("minutes", 0.0),
            ("batch_tokens", 1),
            ("micro_tokens", 1),
            ("peak_lr", 0.0),
            ("keep_folders", 1),
            ("weight_decay", 0.0),
            ("clip_norm", 0.0),
            ("epsilon", 0.0),
            ("seed", 0),
            ("evaluate_every_steps", 0),
            ("save_every_seconds", 0.0),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value < 1e15:
                raise SettingsError(f"train.{name} must be a number from {low} on; got {value}")
        for name in ("warmup_fraction", "beta1", "beta2", "attention_dropout_fraction"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(f"train.{name} must be in [0, 1); got {getattr(self, name)}")
        if self.dropout_fraction is not None and not 0 <= self.dropout_fraction < 1:
            raise SettingsError(
                f"train.dropout_fraction must be in [0, 1); got {self.dropout_fraction}"
            )
        if self.seed >= 2**40:
            raise SettingsError(f"train.seed must be below 2**40; got {self.seed}")


@dataclass(frozen=True)
class Plan:
    """A training run: what network, what task, how.

    name    what the recipe makes, for reports
    preset  the sizes that the recipe starts from; a key of PRESETS
    shape   used where no checkpoint is the start
    task    settings of the task; its name is given by who trains
    train   how to train
    """

    name: str = ""
    preset: str = "bert-base"
    shape: Size = field(default_factory=Size)
    task: dict[str, Any] = field(default_factory=dict)
    train: Training = field(default_factory=Training)

    def make_task(self, name: str, **settings: Any) -> Task:
        """The task with this plan's settings and those that the data gave."""
        if name not in TASKS:
            raise SettingsError(
                f"no task {name!r}{did_you_mean(name, TASKS)} (known: {', '.join(TASKS)})"
            )
        return from_mapping(self.task | settings, TASKS[name], f"[task] of {self.name or name}")


def _size(depth: int, width: int) -> dict[str, Any]:
    """Google's row of sizes: attention heads of 64, an inner width of four times the width."""
    return {
        "shape": {
            "depth": depth,
            "width": width,
            "attention_heads": max(1, width // 64),
            "mlp_width": 4 * width,
        }
    }


PRESETS: dict[str, dict[str, Any]] = {
    "bert-tiny": _size(2, 128),
    "bert-mini": _size(4, 256),
    "bert-small": _size(4, 512),
    "bert-medium": _size(8, 512),
    "bert-base": _size(12, 768),
    "bert-large": _size(24, 1024),
}
"""Sizes by name (Turc et al. 2019; Devlin et al. 2019)."""


def load_plan(path: Path | str) -> Plan:
    """A recipe file (TOML) laid over the preset that it names; a bare name is one of filbert's own.

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
