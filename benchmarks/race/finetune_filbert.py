"""filbert's fine-tuning, as a user calls it, timed; a process of its own."""

import shutil
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch._dynamo  # torch's first optimizer loads it, transformers has it already

from filbert.checkpoint import load
from filbert.device import pick_device
from filbert.tasks import Answered, Task, answer_rows, numbered
from filbert.train import Job, finetune
from race.clock import Clock
from race.finetune_run import (
    ANSWER_TOKENS,
    ATTENTION_DROPOUT_FRACTION,
    BETA2,
    CLIP_NORM,
    DROPOUT_FRACTION,
    EPSILON,
    OVERLAP_TOKENS,
    WARMUP_FRACTION,
    WEIGHT_DECAY,
    Ended,
    Kind,
    Point,
    Spec,
    peak_bytes,
    told,
)

SCORE_NAMES = {"classify": "accuracy", "regress": "spearman", "tag": "f1", "span": "f1"}


def main() -> None:
    spec, data, scratch, result = told()
    torch.set_num_threads(spec.threads)
    shutil.rmtree(scratch, ignore_errors=True)
    clock, points, peaks = Clock(), list[Point](), list[int]()
    evaluate = Job.evaluate

    def timed(job: Job, precision: str = "auto") -> tuple[Answered, Task]:
        seconds = clock.seconds
        with clock.stopped():
            answered, task = evaluate(job, precision)
            points.append(_point(spec, answered, data["dev"], seconds))
            peaks.append(peak_bytes())
        return answered, task

    # The loop tells when a score is there, not when it began to be made.
    Job.evaluate = timed  # type: ignore[method-assign, assignment]
    clock.start()
    folder = finetune(
        spec.kind,
        data["train"],
        scratch,
        start=spec.start,
        dev=data["dev"],
        settings=settings_of(spec),
        device="cpu",
    )
    model_task = folder.task().with_tokenizer(folder.tokenizer())
    run = load(folder, task=model_task).runner(pick_device("cpu"), "fp32")
    examples = data["test"]
    answered = answer_rows(
        model_task,
        numbered(model_task.rows_of(examples)),
        partial(map, run),
        examples=examples,
    )
    test = _point(spec, answered, examples, points[-1].seconds)
    steps = int(folder.train()["state"]["step"])
    Ended(spec, points, test, steps, peaks[-1]).write(result)
    shutil.rmtree(scratch)


def settings_of(spec: Spec) -> list[str]:
    """The plan's settings: those of the spec, and nothing that the others do not have."""
    settings = [
        f"train.epochs={spec.epochs}",
        f"train.evaluations={spec.epochs}",
        f"train.batch_tokens={spec.batch_tokens}",
        f"train.peak_lr={spec.peak_lr}",
        f"train.warmup_fraction={WARMUP_FRACTION}",
        f"train.weight_decay={WEIGHT_DECAY}",
        f"train.beta2={BETA2}",
        f"train.epsilon={EPSILON}",
        f"train.clip_norm={CLIP_NORM}",
        f"train.dropout_fraction={DROPOUT_FRACTION}",
        f"train.attention_dropout_fraction={ATTENTION_DROPOUT_FRACTION}",
        f"train.seed={spec.seed}",
        "train.precision=fp32",
        # Nobody chooses among checkpoints: what counts is the last one.
        "train.keep_best=false",
        f"task.max_tokens={spec.max_tokens}",
    ]
    if spec.kind == "span":
        settings += [
            f"task.overlap_tokens={OVERLAP_TOKENS}",
            f"task.answer_tokens={ANSWER_TOKENS}",
        ]
    return settings


def _point(
    spec: Spec, answered: Answered, examples: Sequence[dict[str, Any]], seconds: float
) -> Point:
    name = "mcc" if spec.task == "cola" else SCORE_NAMES[spec.kind]
    predictions = [
        plain(spec.kind, answer, example)
        for answer, example in zip(answered.answers, examples, strict=True)
    ]
    return Point(seconds, predictions, answered.scores[name])


def plain(kind: Kind, answer: Any, example: dict[str, Any]) -> Any:
    """An answer as all contestants write it down: a label, a number, a tag a word, a text."""
    if kind == "classify":
        return answer.label
    if kind == "regress":
        return answer.value
    if kind == "span":
        return answer.text
    begins = {start: place for place, (start, _) in enumerate(example["words"])}
    ends = {stop: place + 1 for place, (_, stop) in enumerate(example["words"])}
    tags = ["O"] * len(example["words"])
    for entity in answer.entities:
        first, behind = begins[entity.start], ends[entity.end]
        tags[first:behind] = [f"B-{entity.type}", *[f"I-{entity.type}"] * (behind - first - 1)]
    return tags


if __name__ == "__main__":
    main()
