"""The dev set answered once more by the checkpoint that a run stands for, for its page."""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from filbert.batch import Packed
from filbert.checkpoint import Folder, load
from filbert.errors import CheckpointError, FilbertError
from filbert.progress import Progress
from filbert.tasks import Answered, Classify, Outputs, Task, answer_rows, bootstrap
from filbert.train.findings.dev import Dev
from filbert.train.findings.findings import FOUND, About, Findings, read_findings
from filbert.train.job import Job


def keep_findings(job: Job, folder: Folder, progress: Progress) -> None:
    """Answer the job's dev set by a checkpoint of its run; the first rank writes findings.json.

    Nothing is done where the file is this checkpoint's already. What cannot be found or written is
    said, and fails no run: that is done, and saved.
    """
    if job.ranks.first and job.scored and job.task.name in FOUND:
        try:
            if not _is_there(job, folder):
                _find(job, folder, progress).write(job.run.path)
        except (FilbertError, torch.OutOfMemoryError) as error:
            progress.note(f"the page of the run will say less of its dev set: {error}")
    job.ranks.wait()


def _is_there(job: Job, folder: Folder) -> bool:
    try:
        kept = read_findings(job.run.path)
    except CheckpointError:
        return False  # it is made anew
    if kept is None or kept.about.texts != job.settings.keep_texts:
        return False
    return kept.about.folder == folder.path.name and kept.about.digest == folder.digest()


def _find(job: Job, folder: Folder, progress: Progress) -> Findings:
    assert job.scored is not None
    answered, unfitted = _answered(job, folder, progress)
    wrong = [name for name, value in answered.scores.items() if not math.isfinite(value)]
    if wrong:
        raise FilbertError(f"{folder}: {', '.join(wrong)}: expected a number")
    task = folder.task()
    dev = Dev(
        task,
        job.scored,
        answered.answers,
        answered.references,
        None if unfitted is None else unfitted.answers,
        job.settings.keep_texts,
    )
    intervals = bootstrap(task, answered.answers, answered.references)
    about = About(
        task.name,
        folder.path.name,
        folder.digest(),
        job.settings.keep_texts,
        len(job.scored),
        task.main_score,
        answered.scores,
        {
            name: interval
            for name, interval in intervals.items()
            if math.isfinite(interval.low) and math.isfinite(interval.high)
        },
    )
    return Findings(about, FOUND[task.name].of(dev))


def _answered(job: Job, folder: Folder, progress: Progress) -> tuple[Answered, Answered | None]:
    """What the checkpoint says; and what it would say without a temperature, where it has one."""
    task = folder.task().with_tokenizer(job.task.tokenizer)
    model = load(folder, task=task).to(job.device.name)
    precision = str(folder.train().get("state", {}).get("precision") or "auto")
    run = model.runner(job.device, precision)
    plain = _without_temperature(task)
    kept: list[Outputs] = []

    def run_and_keep(packs: Iterable[Packed]) -> Iterator[Outputs]:
        for packed in packs:
            found = run(packed)
            if plain is not None:
                kept.append(found)
            yield found

    said: dict[str, Any] = {"examples": job.scored, "seed": job.settings.seed}
    rows = sum(map(len, job.dev))
    with progress.stage("looking at the dev set", rows, "rows") as stage:
        done = 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            stage.update(done)

        answered = answer_rows(task, job.dev, run_and_keep, each=count, **said)
    if plain is None:
        return answered, None
    again = answer_rows(
        plain, job.dev, lambda packs: (out for _, out in zip(packs, kept, strict=True)), **said
    )
    return answered, again


def _without_temperature(task: Task) -> Task | None:
    if not isinstance(task, Classify) or task.temperature == 1:
        return None
    return dataclasses.replace(task, temperature=1.0).with_tokenizer(task.tokenizer)
