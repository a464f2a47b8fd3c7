"""A run made once more from what its folder says, and compared to the bit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from filbert.checkpoint import Folder, read_tensors
from filbert.errors import SettingsError
from filbert.progress import Progress, quiet
from filbert.train.environment import environment_differences, read_environments
from filbert.train.finetune import finetune
from filbert.train.original import Original, read_original
from filbert.train.pretrain import pretrain
from filbert.train.run import RunFolder


@dataclass(frozen=True)
class Difference:
    """Where two runs are first not the same.

    place    in words: "the loss of step 7", "the tensor encoder.…"
    largest  by how much at most, over all places
    """

    place: str
    largest: float

    def __str__(self) -> str:
        """In one line."""
        return f"{self.place}; at most {self.largest:.3g} apart"


@dataclass(frozen=True)
class Reproduced:
    """What came of repeating a run.

    steps    that were compared
    losses   None: those of all steps are equal bit for bit
    weights  None: those of all tensors are
    hints    what may explain a difference
    """

    original: Folder
    repeated: Folder
    steps: int
    losses: Difference | None
    weights: Difference | None
    hints: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether everything is equal bit for bit."""
        return self.losses is None and self.weights is None

    def __str__(self) -> str:
        """For a person."""
        if self.equal:
            return (
                f"{self.repeated} is {self.original} again: the losses of {self.steps:,} steps and "
                "all weights are equal bit for bit"
            )
        lines = [f"{self.repeated} is not {self.original} again"]
        for what, difference in (("losses", self.losses), ("weights", self.weights)):
            lines.append(f"{what}: {difference or 'equal bit for bit'}")
        return "\n".join([*lines, *self.hints])


def reproduce(
    run: Path | str,
    out: Path | str,
    *,
    data: Sequence[Path | str] | None = None,
    start: Path | str | None = None,
    dev: Path | str | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Reproduced:
    """Make a run once more, in `out`, and compare: the same recipe, data, start and seed.

    A run that a clock led (minutes) is replayed: each step at the part of the budget that the log
    has for it. So is a run that was not ended, up to its newest checkpoint.

    data, start, dev   where they lie now; None: where they lay. That they are the same is checked
                       by their digests, before any work

    Raises DataError naming what is not the original's, SettingsError if it is not found.
    """
    original = read_original(run)
    if Path(out).resolve() == original.run.path.resolve():
        raise SettingsError(f"{out}: is the run itself; name another place")
    progress = progress or quiet()
    kind, _, task = str(original.recipe.get("kind")).partition(" ")
    start, dev = original.place("start", start), original.place("dev", dev)
    if kind == "pretrain":
        repeated = pretrain(
            _mixed(original, data),
            out,
            plan=original.plan,
            start=start,
            dev=dev,
            device=device,
            progress=progress,
            original=original,
        )
    elif kind == "finetune":
        if data is not None and len(data) != 1:
            raise SettingsError(f"{run}: expected one file of examples, got {len(data)}")
        examples = original.place("data", None if data is None else data[0])
        assert examples is not None
        assert start is not None
        repeated = finetune(
            task,
            examples,
            out,
            plan=original.plan,
            start=start,
            dev=dev,
            fresh=bool(original.recipe.get("places", {}).get("fresh")),
            columns=original.recipe.get("places", {}).get("columns"),
            device=device,
            progress=progress,
            original=original,
        )
    else:
        raise SettingsError(f"{run}: a run of the kind {kind!r:.40} cannot be repeated")
    # Of a run that keeps its best, the newest checkpoint is what the losses led to.
    return compare(original, RunFolder(out).newest() or repeated, RunFolder(out))


def _mixed(
    original: Original, given: Sequence[Path | str] | None
) -> list[tuple[Path | str, float]]:
    """The shards with the weights that they had."""
    there = original.recipe.get("places", {}).get("data") or [[None, 1.0]]
    if given is None:
        return [(original.found(place, "data"), float(weight)) for place, weight in there]
    if len(given) != len(there):
        raise SettingsError(
            f"{original.run.path}: was made of {len(there)} folders of shards, got {len(given)}"
        )
    return [(path, float(weight)) for path, (_, weight) in zip(given, there, strict=True)]


def compare(original: Original, repeated: Folder, run: RunFolder) -> Reproduced:
    """A run beside its repetition: each step's loss, each number of the weights."""
    losses = _different_losses(_losses(original.run, original.steps), _losses(run))
    weights = _different_weights(original.newest, repeated)
    hints = tuple(_hints(original, run)) if losses or weights else ()
    return Reproduced(original.newest, repeated, original.steps, losses, weights, hints)


def _losses(run: RunFolder, steps: int | None = None) -> dict[int, float]:
    lines = [line for line in run.read_log() if "loss" in line]
    return {line["step"]: line["loss"] for line in lines if steps is None or line["step"] <= steps}


def _different_losses(there: Mapping[int, float], here: Mapping[int, float]) -> Difference | None:
    differing = [step for step in sorted(there.keys() | here.keys()) if _at(there, here, step)]
    if not differing:
        return None
    first, both = differing[0], there.keys() & here.keys()
    place = f"first in step {first:,}: {there.get(first)} there, {here.get(first)} here"
    return Difference(place, max((abs(there[step] - here[step]) for step in both), default=np.nan))


def _at(there: Mapping[int, float], here: Mapping[int, float], step: int) -> bool:
    return there.get(step) != here.get(step)


def _different_weights(there: Folder, here: Folder) -> Difference | None:
    left, right = (read_tensors(folder.path / "model.safetensors") for folder in (there, here))
    first, largest = "", 0.0
    for name in sorted(left.keys() | right.keys()):
        mine, other = left.get(name), right.get(name)
        if mine is None or other is None or mine.shape != other.shape or mine.dtype != other.dtype:
            return Difference(f"the tensor {name} is not in both, or of another shape", np.nan)
        if mine.tobytes() != other.tobytes():
            first = first or name
            apart = np.abs(mine.astype(np.float64) - other.astype(np.float64))
            largest = max(largest, float(apart.max()))
    return Difference(f"first in the tensor {first}", largest) if first else None


def _hints(original: Original, run: RunFolder) -> Iterator[str]:
    there, here = read_environments(original.run), read_environments(run)
    said: list[str] = []
    for start in there:
        said += [line for line in environment_differences(start, here[-1]) if line not in said]
    if any("to_step" in line for line in original.run.read_log()):
        yield (
            "the original went back to a checkpoint on its way: where that lay, a clock had chosen"
        )
    if said:
        yield "what may explain it: " + "; ".join(said)
    elif there:
        yield "versions and machine are the same: look for what the recipe does not know"
    else:
        yield f"{original.run.path} does not say what it was made with"
