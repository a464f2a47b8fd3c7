"""A run's log as curves: for its report, for comparing runs, for whoever draws them elsewhere."""

from array import array
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filbert.errors import CheckpointError
from filbert.train.run import LOG_FILE, RunFolder

Floats = NDArray[np.float64]

_LAST = 0.05  # of the steps: what a run's "last" figures are the mean of
_STRICT = ("loss", "learning_rate", "gradient_norm", "tokens", "seconds", "tokens_per_second")


@dataclass(frozen=True)
class DroppedStep:
    """A step that was not made.

    reason  in words
    rows    (shard, row) of what it read, the first of them
    """

    step: int
    reason: str
    rows: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Curves:
    """What a run's log says.

    file      the log
    spent     part of the budget after the last line that says it; None: no step was made
    steps     int64 [steps], rising: those that were made
    columns   name → float64 [steps]: the numbers of Stepped and its figures, each by its name; NaN
              where a line has none (older runs logged less)
    dev       score → (float64 [scored] steps, float64 [scored] values), a step at most once
    dropped   steps that were not made
    returns   (step, earlier step): then the weights became again those of the earlier one
    """

    file: Path
    spent: float | None
    steps: NDArray[np.int64]
    columns: Mapping[str, Floats]
    dev: Mapping[str, tuple[Floats, Floats]]
    dropped: tuple[DroppedStep, ...]
    returns: tuple[tuple[int, int], ...]

    def curve(self, name: str, x: str = "step") -> tuple[Floats, Floats] | None:
        """A column over the steps, or over another column: (xs, ys), NaNs left out.

        None: the log does not have it.
        """
        ys = self.columns.get(name)
        xs = self.steps.astype(np.float64) if x == "step" else self.columns.get(x)
        if ys is None or xs is None:
            return None
        there = ~(np.isnan(xs) | np.isnan(ys))
        return (xs[there], ys[there]) if there.any() else None

    def dev_curve(self, name: str, x: str = "step") -> tuple[Floats, Floats] | None:
        """A score of the dev set over the steps, or over the column that has their place."""
        if name not in self.dev:
            return None
        steps, values = self.dev[name]
        if x == "step":
            return steps, values
        # The scored step, or the one before it that was made.
        places = np.searchsorted(self.steps, steps, side="right") - 1
        xs, made = self.columns.get(x), places >= 0
        if xs is None or not made.any():
            return None
        return xs[places[made]], values[made]

    def last(self, name: str) -> float | None:
        """The mean of a column over the last twentieth of the steps; None: the log has it not."""
        found = self.curve(name)
        if found is None:
            return None
        ys = found[1]
        return float(ys[-max(1, round(_LAST * len(ys))) :].mean())

    def end(self, name: str) -> float | None:
        """The last number of a column; None: the log has it not."""
        found = self.curve(name)
        return None if found is None else float(found[1][-1])

    def scores(self) -> dict[str, float]:
        """The last scores of the dev set."""
        return {name: float(values[-1]) for name, (_, values) in self.dev.items()}


def read_curves(run: Path | str) -> Curves:
    """Read the log of a run, which may be at work or have been stopped anywhere.

    Lines of older and newer runs, with other figures, are read as they are. A last line that was
    cut off by a crash is left out.

    Raises CheckpointError naming file and line of anything else that is no line of a log.
    """
    folder = RunFolder(run)
    made = _Reading(folder.path / LOG_FILE)
    for number, line in enumerate(folder.read_log(), start=1):
        made.take(line, number)
    return made.curves()


@dataclass
class _Reading:
    """The log so far."""

    file: Path
    spent: float | None = None
    # Arrays, for a log may have a million lines.
    steps: "array[int]" = field(default_factory=lambda: array("q"))
    columns: dict[str, "array[float]"] = field(default_factory=dict)
    dev: dict[str, dict[int, float]] = field(default_factory=dict)
    dropped: list[DroppedStep] = field(default_factory=list)
    returns: list[tuple[int, int]] = field(default_factory=list)

    def take(self, line: Mapping[str, Any], number: int) -> None:
        """One line; which event it tells of is seen by the fields that only that one has."""
        where = f"{self.file}:{number}"
        step = int(_number(line, "step", where))
        if "scores" in line:
            for name, value in _table(line, "scores", where).items():
                if _is_number(value):
                    self.dev.setdefault(name, {})[step] = float(value)
        elif "to_step" in line:
            self.returns.append((step, int(_number(line, "to_step", where))))
        elif "reason" in line:
            self.dropped.append(_dropped(line, step, where))
        else:
            self._step(line, step, where)
        if "spent" in line:
            self.spent = _number(line, "spent", where)

    def _step(self, line: Mapping[str, Any], step: int, where: str) -> None:
        found = {name: _number(line, name, where) for name in _STRICT if name in line}
        found["loss"] = _number(line, "loss", where)
        more = {**line, **(_table(line, "figures", where) if "figures" in line else {})}
        found |= {name: float(v) for name, v in more.items() if name != "step" and _is_number(v)}
        # Where a step was made again, the newer line counts.
        kept = bisect_left(self.steps, step)
        del self.steps[kept:]
        for column in self.columns.values():
            del column[kept:]
        before = len(self.steps)
        self.steps.append(step)
        for name in found.keys() - self.columns.keys():
            self.columns[name] = array("d", [np.nan]) * before
        for name, column in self.columns.items():
            column.append(found.get(name, np.nan))

    def curves(self) -> Curves:
        """All of it as arrays."""
        return Curves(
            file=self.file,
            spent=self.spent,
            steps=np.array(self.steps, np.int64),
            columns={name: np.array(column) for name, column in sorted(self.columns.items())},
            dev={
                name: (
                    np.array(sorted(scores), np.float64),
                    np.array([scores[step] for step in sorted(scores)]),
                )
                for name, scores in self.dev.items()
            },
            dropped=tuple(self.dropped),
            returns=tuple(self.returns),
        )


def _dropped(line: Mapping[str, Any], step: int, where: str) -> DroppedStep:
    rows = line.get("rows") or []
    pairs = isinstance(rows, list) and all(isinstance(row, list) and len(row) == 2 for row in rows)
    if not pairs:
        raise CheckpointError(f"{where}: expected rows as [shard, row] pairs, got {rows!r:.60}")
    return DroppedStep(
        step,
        str(line["reason"]),
        tuple((int(shard), int(row)) for shard, row in rows),
    )


def _is_number(value: object) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**53
    return isinstance(value, float)


def _number(line: Mapping[str, Any], name: str, where: str) -> float:
    value = line.get(name)
    if not _is_number(value):
        came = f"got {value!r:.60}" if name in line else "there is none"
        raise CheckpointError(f"{where}: expected a number as {name!r}, {came}")
    return float(line[name])


def _table(line: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    table = line[name]
    if not isinstance(table, dict):
        raise CheckpointError(f"{where}: expected a table as {name!r}, got {table!r:.60}")
    return table
