"""One run of fine-tuning in a process of its own: what it is told, and what it writes down.

Nothing heavy is imported here: the memory of a contestant is its own.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["classify", "regress", "tag", "span"]

CONTESTANTS = {
    "filbert": "filbert",
    "trainer": "Trainer",
    "grouped": "Trainer, by length",
}
"""filbert; transformers' Trainer with its own random batches, and with rows of like length."""
_MODULES = {
    "filbert": "race.finetune_filbert",
    "trainer": "race.finetune_trainer",
    "grouped": "race.finetune_trainer",
}

WARMUP_FRACTION, WEIGHT_DECAY, BETA2, EPSILON, CLIP_NORM = 0.1, 0.01, 0.999, 1e-6, 1.0
DROPOUT_FRACTION, ATTENTION_DROPOUT_FRACTION = 0.1, 0.0
OVERLAP_TOKENS, ANSWER_TOKENS = 128, 30
"""The same for all, as are rate, epochs and rows of each task (finetune_tasks.py)."""


@dataclass(frozen=True)
class Spec:
    """What a run is told.

    start, data   the folder that all begin from; the file of examples (finetune_tasks.write_data)
    digest        of both
    batch_rows    examples of a step, as Trainer counts
    batch_tokens  tokens of a step, as filbert counts: for as many steps as Trainer makes
    """

    task: str
    kind: Kind
    contestant: str
    seed: int
    start: str
    data: str
    digest: str
    max_tokens: int
    epochs: int
    peak_lr: float
    batch_rows: int
    batch_tokens: int
    threads: int

    def is_the_same(self, other: "Spec") -> bool:
        """Whether a result for the other is one for this, wherever the files lie."""
        return self._without_places() == other._without_places()

    def differences(self, other: "Spec") -> list[str]:
        """What another spec says otherwise, for messages."""
        mine, theirs = self._without_places(), other._without_places()
        return [
            f"{name} is {theirs[name]}, not {mine[name]}"
            for name in mine
            if mine[name] != theirs[name]
        ]

    def _without_places(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name not in _PLACES}


_PLACES = ("start", "data")


@dataclass(frozen=True)
class Point:
    """How far a run has come.

    seconds      of training since the call, tokenising and opening the model included; imports and
                 evaluation are not
    predictions  for each example of the dev set, or of the test set
    own          the score that the contestant itself gives them; None: it gives none
    """

    seconds: float
    predictions: list[Any]
    own: float | None = None


@dataclass(frozen=True)
class Ended:
    """What came of a run.

    points        on the dev set, at the end of each epoch; the last when all is on the disk
    test          on the test set, afterwards
    steps         of the optimizer
    peak_bytes    the most memory that the process held, up to its last point
    machine, date, load
                  where and when; the load before the first run
    """

    spec: Spec
    points: list[Point]
    test: Point
    steps: int
    peak_bytes: int
    machine: str = ""
    date: str = ""
    load: float = 0.0

    @property
    def seconds(self) -> float:
        """Of the whole training."""
        return self.points[-1].seconds

    def write(self, path: Path) -> None:
        """Keep it, whole or not at all."""
        draft = path.with_name(f".tmp-{path.name}")
        draft.write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> "Ended":
        """What `write` wrote."""
        said = json.loads(path.read_text(encoding="utf-8"))
        points = [Point(**point) for point in said.pop("points")]
        return cls(Spec(**said.pop("spec")), points, Point(**said.pop("test")), **said)


def told() -> tuple[Spec, dict[str, list[dict[str, Any]]], Path, Path]:
    """In a contestant's process: what to do, the examples, a place to work in, where to write."""
    spec_file, scratch, result = map(Path, sys.argv[1:4])
    spec = Spec(**json.loads(spec_file.read_text(encoding="utf-8")))
    data = json.loads(Path(spec.data).read_text(encoding="utf-8"))
    return spec, data, scratch, result


def launch(spec: Spec, scratch: Path, result: Path) -> str:
    """Let a contestant run; what it said where it failed, "" where it did not."""
    scratch.mkdir(parents=True, exist_ok=True)
    spec_file = scratch / "spec.json"
    spec_file.write_text(json.dumps(asdict(spec)), encoding="utf-8")
    here = str(Path(__file__).resolve().parent.parent)
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    arguments: Sequence[str] = [str(spec_file), str(scratch / "run"), str(result)]
    done = subprocess.run(
        [sys.executable, "-m", _MODULES[spec.contestant], *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0 and result.exists():
        return ""
    return f"ended with {done.returncode}\n{done.stdout[-1000:]}{done.stderr[-3000:]}"


def peak_bytes() -> int:
    """The most memory that this process has held so far.

    Not ru_maxrss where it can be helped: a process counts there what its parent held when it was
    started.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
