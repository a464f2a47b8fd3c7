"""Two models on the same examples: is the difference real?"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from filbert.errors import DataError, SettingsError
from filbert.tasks import (
    Answered,
    Difference,
    McNemar,
    Task,
    holm,
    mcnemar,
    paired_bootstrap,
)
from filbert.tasks.resampling import LEVEL, PAIRED_ROUNDS, SEED

NAMES = ("the first", "the second")


@dataclass(frozen=True)
class Comparison:
    """Whether the second of two models differs from the first by more than chance explains.

    difference   of the main score, the second's minus the first's, by the paired bootstrap
    mcnemar      where the main score is the share of right answers; else None
    p            the larger of the two tests' p, so that no test doubts what is taken as real; where
                 several comparisons were made together, after Holm's correction
    comparisons  how many were made together
    """

    difference: Difference
    mcnemar: McNemar | None
    p: float
    comparisons: int = 1

    @property
    def larger_than_chance(self) -> bool:
        """Whether chance alone makes such a difference in fewer cases than the level allows."""
        return self.p < 1 - self.difference.level

    def in_words(self, first: str, second: str) -> list[str]:
        """What was found, in lines: the numbers, McNemar's, and what follows."""
        lines = [f"{second} against {first}: {self.difference}"]
        if (found := self.mcnemar) is not None:
            lines.append(
                f"only {first} is right: {found.only_a:,}; only {second}: {found.only_b:,}; "
                f"McNemar's p {found.p:.2g}"
            )
        percent = f"{100 * (1 - self.difference.level):.3g} %"
        more = "larger" if self.larger_than_chance else "not larger"
        line = f"the difference is {more} than chance explains at {percent}"
        if self.comparisons > 1:
            line += f" (p {self.p:.2g} by Holm's correction for {self.comparisons} comparisons)"
        return [*lines, line]


@dataclass(frozen=True)
class Disagreement:
    """An example, counted from 0, that one of two models alone has right."""

    number: int
    first_is_right: bool


def compare(
    first: Answered,
    second: Answered,
    *,
    names: tuple[str, str] = NAMES,
    rounds: int = PAIRED_ROUNDS,
    seed: int = SEED,
    level: float = LEVEL,
) -> Comparison:
    """Hold two models' answers to the same examples against each other.

    first, second  what `evaluate` gave for both, of one task
    names          of the two, for messages
    rounds, seed, level  see tasks.paired_bootstrap

    Raises SettingsError for models of different tasks; DataError where they were not scored against
    the same right answers, naming the first difference.
    """
    check_same_task([first.task, second.task], names)
    _check_references(first, second, names)
    task = first.task
    difference = paired_bootstrap(
        task,
        first.answers,
        second.answers,
        first.references,
        rounds=rounds,
        seed=seed,
        level=level,
    )
    found = None
    if difference.name == "accuracy":
        found = mcnemar(*(part for part in _right(first, second) if part is not None))
    p = difference.p if found is None else max(difference.p, found.p)
    return Comparison(difference, found, p)


def compare_with_first(
    answered: Sequence[Answered],
    names: Sequence[str],
    *,
    rounds: int = PAIRED_ROUNDS,
    seed: int = SEED,
    level: float = LEVEL,
) -> list[Comparison]:
    """Each model but the first against the first, with Holm's correction for their number.

    Raises what `compare` raises.
    """
    first, *others = answered
    found = [
        compare(first, other, names=(names[0], name), rounds=rounds, seed=seed, level=level)
        for other, name in zip(others, names[1:], strict=True)
    ]
    corrected = holm([one.p for one in found])
    return [
        dataclasses.replace(one, p=p, comparisons=len(found))
        for one, p in zip(found, corrected, strict=True)
    ]


def disagreements(first: Answered, second: Answered) -> list[Disagreement]:
    """The examples that one model alone has right as a whole: label, choice, answer, all entities.

    Raises SettingsError for a task whose answers are not right or wrong.
    """
    right, others = _right(first, second)
    if right is None or others is None:
        raise SettingsError(
            f"the answers of the task {first.task.name} are better or worse, not right or wrong: "
            "there are no examples that one model alone has right"
        )
    pairs = enumerate(zip(right, others, strict=True))
    return [Disagreement(number, bool(one)) for number, (one, other) in pairs if one != other]


def check_same_task(tasks: Sequence[Task], names: Sequence[str]) -> None:
    """Raise SettingsError for the first model that is not of the first one's task, or score."""
    for task, name in zip(tasks[1:], names[1:], strict=True):
        if task.name != tasks[0].name:
            raise SettingsError(
                f"{name}: expected a model for {tasks[0].name}, as {names[0]} is, to compare them; "
                f"got one for {task.name}"
            )
        if task.main_score != tasks[0].main_score:
            raise SettingsError(
                f"{name}: expected a model that is judged by {tasks[0].main_score}, as {names[0]} "
                f"is, to compare them; got one by {task.main_score}"
            )


def _check_references(first: Answered, second: Answered, names: tuple[str, str]) -> None:
    one, other = first.references, second.references
    if one == other:
        return
    if len(one) != len(other):
        raise DataError(
            f"{names[0]} and {names[1]}: expected answers to the same examples, got {len(one)} and "
            f"{len(other)}"
        )
    number = next(at for at, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])
    raise DataError(
        f"example {number + 1}: expected one right answer for both models, got {one[number]!r:.60} "
        f"for {names[0]} and {other[number]!r:.60} for {names[1]}"
        f"{_label_sets(first.task, second.task, names)}"
    )


def _label_sets(first: Task, second: Task, names: tuple[str, str]) -> str:
    """What the two tasks' labels differ in, for messages."""
    one, other = (list(getattr(task, "labels", ())) for task in (first, second))
    told = ""
    for name, extra in zip(
        names, ([x for x in one if x not in other], [x for x in other if x not in one]), strict=True
    ):
        if extra:
            shown = ", ".join(map(repr, extra[:3])) + (", …" if len(extra) > 3 else "")
            told += f"; labels of {name} alone: {shown}"
    return told


def _right(first: Answered, second: Answered) -> tuple[list[bool] | None, list[bool] | None]:
    judged = (one.task.judged(one.answers, one.references).right for one in (first, second))
    one, other = (None if right is None else right.tolist() for right in judged)
    return one, other
