"""Runs of `filbert pretrain` that are kept as they end: an interrupted study goes on."""

import json
import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filbert.batch import Row
from filbert.disk import atomic_file
from filbert.settings import override
from filbert.shards import ShardReader
from filbert.train import RunFolder, load_plan, pretrain


@dataclass(frozen=True)
class Ended:
    """What came of one run.

    study, variant, seed  which run it was
    budget, settings      of the plan, as `--set` writes them
    loss, accuracy        of the held-out masked tokens at its end, 15 % of each row hidden
    curve                 [seconds of training, step, held-out loss] on the way
    """

    study: str
    variant: str
    seed: int
    budget: str
    settings: tuple[str, ...]
    loss: float
    accuracy: float
    steps: int
    tokens: int
    seconds: float
    curve: tuple[tuple[float, int, float], ...]


class Study:
    """The runs in results.json, all of one text, one recipe and one number of threads."""

    def __init__(self, folder: Path, identity: Mapping[str, Any]):
        """Open it. Ends the program where it was begun with another text, recipe or threads."""
        self._folder, self._file = folder, folder / "results.json"
        self._identity: dict[str, Any] = json.loads(json.dumps(dict(identity)))
        self.runs: list[Ended] = []
        if self._file.exists():
            found = json.loads(self._file.read_text(encoding="utf-8"))
            others = [k for k, v in self._identity.items() if found["identity"].get(k) != v]
            if others:
                sys.exit(f"{self._file} is of another {', '.join(others)}: name another --out")
            self.runs = [_ended(run) for run in found["runs"]]

    def of(self, study: str, variant: str | None = None, budget: str | None = None) -> list[Ended]:
        """The runs of a study, in the order in which they ended."""
        return [
            run
            for run in self.runs
            if run.study == study
            and variant in (None, run.variant)
            and budget in (None, run.budget)
        ]

    def of_budget(self, budget: str, seed: int) -> list[Ended]:
        """The runs of one budget and seed, of whatever study."""
        return [run for run in self.runs if run.budget == budget and run.seed == seed]

    def run(
        self,
        study: str,
        variant: str,
        seed: int,
        budget: str,
        settings: Sequence[str],
        *,
        recipe: str,
        reader: ShardReader,
        dev: Sequence[Row],
    ) -> Ended:
        """The run, made now or before with the same settings; a half one is begun anew.

        Another study's run counts where its settings come to the same plan.
        """
        wanted = (study, variant, seed, budget, tuple(settings))
        for run in self.runs:
            if (run.study, run.variant, run.seed, run.budget, run.settings) == wanted:
                return run
        plan = override(load_plan(recipe), settings)
        for run in self.of_budget(budget, seed):
            if override(load_plan(recipe), run.settings) == plan:
                same = replace(run, study=study, variant=variant, settings=tuple(settings))
                self.runs.append(same)
                self._write()
                return same
        place = self._folder / "run"
        shutil.rmtree(place, ignore_errors=True)
        changes = [
            f"train.{budget}",
            f"train.seed={seed}",
            "train.save_every_seconds=1e9",
            "train.precision=fp32",
            *settings,
        ]
        pretrain(reader, place, plan=load_plan(recipe), dev=dev, settings=changes, device="cpu")
        ended = _read(place, wanted)
        shutil.rmtree(place)
        self.runs.append(ended)
        self._write()
        return ended

    def _write(self) -> None:
        said = {"identity": self._identity, "runs": [asdict(run) for run in self.runs]}
        with atomic_file(self._file) as draft:
            draft.write_text(json.dumps(said, indent=1))


def _read(place: Path, wanted: tuple[str, str, int, str, tuple[str, ...]]) -> Ended:
    """A run from its own log."""
    stepped: dict[int, dict[str, Any]] = {}
    curve: dict[int, tuple[float, int, float]] = {}
    scores: Mapping[str, float] = {}
    for line in RunFolder(place).read_log():
        if "loss" in line and "learning_rate" in line:
            stepped[line["step"]] = line
        elif "scores" in line:
            scores = line["scores"]
            seconds = stepped[line["step"]]["seconds"]
            curve[line["step"]] = (seconds, line["step"], scores["loss"])
    last = stepped[max(stepped)]
    return Ended(
        *wanted,
        loss=scores["loss"],
        accuracy=scores["accuracy"],
        steps=last["step"],
        tokens=last["tokens"],
        seconds=last["seconds"],
        curve=tuple(curve.values()),
    )


def _ended(run: dict[str, Any]) -> Ended:
    curve = tuple((float(a), int(b), float(c)) for a, b, c in run["curve"])
    return Ended(**run | {"curve": curve, "settings": tuple(run["settings"])})


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean ± standard deviation; the mean alone where there is one value."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.{digits}f}"
