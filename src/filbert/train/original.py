"""A run that another one repeats: what it was made of, and where that lies."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from filbert.checkpoint import Folder
from filbert.errors import CheckpointError, DataError, SettingsError
from filbert.settings import from_mapping
from filbert.shards import ShardReader
from filbert.train.plan import Plan
from filbert.train.run import RUN_FILE, RunFolder
from filbert.train.training import Training


@dataclass(frozen=True)
class Original:
    """What pretrain and finetune must know to repeat a run.

    run        its folder
    newest     its newest checkpoint, whole
    steps      how many steps lie in that
    recipe     what run.json says: kind, plan, places, and the digests of data, start and dev
    script     the parts of the budget at which its steps were made, where a clock led it or it was
               not ended; None: the budget alone says it
    precision  in which its products were computed; "": not known
    """

    run: RunFolder
    newest: Folder
    steps: int
    recipe: Mapping[str, Any]
    script: tuple[float, ...] | None
    precision: Literal["", "auto", "fp32", "bf16"]

    @property
    def plan(self) -> Plan:
        """Its plan. Raises SettingsError if this filbert does not know one of its settings."""
        return from_mapping(self.recipe.get("plan", {}), Plan, str(self.run.path / RUN_FILE))

    def check(self, recipe: Mapping[str, Any]) -> None:
        """Raises DataError naming what of data, start and dev set is not the original's."""
        names = {"data": "the data", "start": "the start", "dev": "the dev set"}
        differing = [
            f"{said}: SHA-256 {str(self.recipe.get(key, ''))[:12] or 'of nothing'}… there, "
            f"{str(recipe.get(key, ''))[:12] or 'of nothing'}… here"
            for key, said in names.items()
            if self.recipe.get(key, "") != recipe.get(key, "")
        ]
        if differing:
            raise DataError(f"not what {self.run.path} was made of: {'; '.join(differing)}")

    def settings(self, settings: Training) -> Training:
        """Training's settings with what the original found out for itself by measuring."""
        return replace(settings, precision=self.precision) if self.precision else settings

    def place(self, what: str, given: Path | str | None) -> Path | str | None:
        """Where "data", "start" or "dev" lies, as given or else as run.json says.

        None: the original had none. Raises SettingsError if it is not there (any more).
        """
        place = self.recipe.get("places", {}).get(what)
        if given is not None:
            return given
        # Of a dev set without a place nobody knows yet whether it was split off: `check` will.
        if place is None and (what == "dev" or (what == "start" and not self.recipe.get("start"))):
            return None
        return self.found(place, what)

    def found(self, place: object, what: str) -> Path | str:
        """A place of run.json's; SettingsError if it is not there."""
        if not isinstance(place, str):
            raise SettingsError(f"{self.run.path}: where its {what} lies is not known; give {what}")
        if Path(place).is_absolute() and not Path(place).exists():
            raise SettingsError(
                f"{self.run.path}: its {what} lay at {place}: not there; give {what}"
            )
        return Path(place) if Path(place).is_absolute() else place


def place_of(given: object) -> str | None:
    """Where something lies, for run.json: an absolute path, a name on the hub; None: in memory."""
    if isinstance(given, Folder):
        given = given.path
    if isinstance(given, ShardReader):
        given = given.folder
    if isinstance(given, str) and not Path(given).exists():
        return given
    return str(Path(given).absolute()) if isinstance(given, str | Path) else None


def read_original(path: Path | str) -> Original:
    """A run, ready to be repeated.

    Raises CheckpointError if it is none, has no whole checkpoint, or lacks lines of its log.
    """
    run = RunFolder(path)
    if not (run.path / RUN_FILE).is_file():
        raise CheckpointError(f"{path}: expected the folder of a run; there is no {RUN_FILE}")
    recipe, newest = run.read(), run.newest()
    if newest is None:
        raise CheckpointError(f"{path}: this run has no checkpoint yet")
    state = newest.train().get("state", {})
    steps = state.get("step")
    if not isinstance(steps, int):
        raise CheckpointError(f"{newest.path / 'train.json'}: expected a step in its state")
    lines = {line["step"]: line for line in run.read_log() if "begun" in line}
    clock = recipe.get("plan", {}).get("train", {}).get("minutes") is not None
    ended = lines.get(steps, {}).get("spent", 0.0) >= 1
    script = None if ended and not clock else _script(lines, steps, run)
    precision: Any = state.get("precision", "")
    return Original(run, newest, steps, recipe, script, precision)


def _script(
    lines: Mapping[int, Mapping[str, Any]], steps: int, run: RunFolder
) -> tuple[float, ...]:
    missing = [step for step in range(1, steps + 1) if step not in lines]
    if missing:
        raise CheckpointError(
            f"{run.path}: its log lacks {len(missing):,} of {steps:,} steps, the first is step "
            f"{missing[0]:,}: when they were made is not known, so it cannot be repeated"
        )
    return tuple(float(lines[step]["begun"]) for step in range(1, steps + 1))
