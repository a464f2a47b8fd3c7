"""transformers' Trainer on the same examples, as its example scripts set it up; its own process.

Padding is to the longest row of a batch, never to the model's limit; the contestant "grouped" has
rows of like length in a batch (train_sampling_strategy="group_by_length"). Attention is torch's
SDPA, AdamW the fused one: the fastest that the library has on a CPU.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from race.clock import Clock
from race.finetune_features import Features, answers_of, features_of, labels_of, outputs_of
from race.finetune_run import (
    ATTENTION_DROPOUT_FRACTION,
    BETA2,
    CLIP_NORM,
    DROPOUT_FRACTION,
    EPSILON,
    WARMUP_FRACTION,
    WEIGHT_DECAY,
    Ended,
    Point,
    Spec,
    peak_bytes,
    told,
)


def main() -> None:
    spec, data, scratch, result = told()
    torch.set_num_threads(spec.threads)
    clock, points = Clock(), list[Point]()
    clock.start()
    tokenizer = AutoTokenizer.from_pretrained(spec.start)
    labels = labels_of(spec.kind, data["train"])

    def features(part: str) -> Features:
        learn = part == "train"
        return features_of(spec.kind, tokenizer, data[part], labels, spec.max_tokens, learn=learn)

    def answers(model: Any, part: str) -> list[Any]:
        rows = features(part)
        outputs = outputs_of(model, tokenizer, rows)
        return answers_of(spec.kind, rows, outputs, data[part], labels)

    def note(model: Any) -> None:
        seconds = clock.seconds
        with clock.stopped():
            points.append(Point(seconds, answers(model, "dev")))

    set_seed(spec.seed)
    model = _model(spec, labels)
    tags = spec.kind == "tag"
    collate = DataCollatorForTokenClassification if tags else DataCollatorWithPadding
    trainer = Trainer(
        model=model,
        args=_arguments(spec, scratch),
        train_dataset=features("train").inputs,
        data_collator=collate(tokenizer),
        processing_class=tokenizer,
        callbacks=[_Epochs(note)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.save_model(str(scratch / "model"))
    note(model)
    peak = peak_bytes()
    test = Point(points[-1].seconds, answers(model, "test"))
    Ended(spec, points, test, trainer.state.global_step, peak).write(result)
    shutil.rmtree(scratch)


class _Epochs(TrainerCallback):  # type: ignore[misc]
    """Scores at the end of each epoch but the last, which ends when the model is on the disk."""

    def __init__(self, note: Callable[[Any], None]):
        self._note = note

    def on_epoch_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """An epoch is over."""
        if state.global_step < state.max_steps:
            self._note(more["model"])


def _model(spec: Spec, labels: list[str]) -> Any:
    """The start with a head of the task's drawn on it; numbers are learnt as they are said."""
    dropout = {
        "hidden_dropout_prob": DROPOUT_FRACTION,
        "attention_probs_dropout_prob": ATTENTION_DROPOUT_FRACTION,
        "attn_implementation": "sdpa",
    }
    if spec.kind == "span":
        return BertForQuestionAnswering.from_pretrained(spec.start, **dropout)
    if spec.kind == "tag":
        return BertForTokenClassification.from_pretrained(
            spec.start, num_labels=len(labels), **dropout
        )
    several = spec.kind == "classify"
    return BertForSequenceClassification.from_pretrained(
        spec.start,
        num_labels=len(labels) if several else 1,
        problem_type="single_label_classification" if several else "regression",
        **dropout,
    )


def _arguments(spec: Spec, scratch: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(scratch),
        use_cpu=True,
        seed=spec.seed,
        num_train_epochs=spec.epochs,
        per_device_train_batch_size=spec.batch_rows,
        learning_rate=spec.peak_lr,
        lr_scheduler_type="linear",
        warmup_steps=WARMUP_FRACTION,  # below 1 it is a part of all steps
        weight_decay=WEIGHT_DECAY,
        adam_beta2=BETA2,
        adam_epsilon=EPSILON,
        max_grad_norm=CLIP_NORM,
        optim="adamw_torch_fused",
        train_sampling_strategy="group_by_length" if spec.contestant == "grouped" else "random",
        dataloader_pin_memory=False,
        logging_strategy="no",
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


if __name__ == "__main__":
    main()
