"""All that the loop works with."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from filbert.batch import Packed, Row
from filbert.checkpoint import Card
from filbert.device import Device
from filbert.heads import Model
from filbert.shards import RowSource
from filbert.tasks import Answered, Example, Outputs, RunAll, Task, answer_rows
from filbert.train.ranks import ALONE, Ranks
from filbert.train.run import RunFolder
from filbert.train.training import Training


@dataclass(frozen=True)
class Job:
    """All that the loop works with.

    source  the rows to learn from
    dev     the dev set, each example as its rows; may be empty
    scored  the examples that dev was made of; None: they are rows of shards
    run     where everything is kept
    card    what the folders' README.md says about the data
    phases  the rows to learn from in each of settings.length_phases; empty: always `source`
    ranks   this process among those that train the model
    script  at which parts of the budget steps 1, 2, … are made, to repeat a run that a clock led;
            None: as the budget says
    """

    model: Model
    task: Task
    source: RowSource
    dev: Sequence[Sequence[Row]]
    settings: Training
    device: Device
    run: RunFolder
    card: Card
    scored: Sequence[Example] | None = None
    phases: Sequence[RowSource] = ()
    ranks: Ranks = field(default=ALONE)
    script: Sequence[float] | None = None

    def evaluate(self, precision: str = "auto") -> tuple[Answered, Task]:
        """Answer the dev set as the model is now, and score the answers; by which task.

        That is the job's, with what is found on the dev set itself, such as a threshold.
        """
        run, seed = self.model.runner(self.device, precision), self.settings.seed
        kept: list[Outputs] = []

        def answered(task: Task, run_all: RunAll) -> Answered:
            return answer_rows(task, self.dev, run_all, examples=self.scored, seed=seed)

        def run_and_keep(packs: Iterable[Packed]) -> Iterator[Outputs]:
            for packed in packs:
                kept.append(run(packed))
                yield kept[-1]

        if type(self.task).fitted is Task.fitted:
            return answered(self.task, partial(map, run)), self.task
        found = answered(self.task, run_and_keep)
        fitted = self.task.fitted(found.answers, found.references)
        if fitted != self.task:
            found = answered(
                fitted, lambda packs: (out for _, out in zip(packs, kept, strict=True))
            )
        return found, fitted

    def source_of(self, phase: int) -> RowSource:
        """The rows of a length phase."""
        return self.phases[phase] if self.phases else self.source
