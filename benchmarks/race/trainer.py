"""transformers' Trainer on the same rows: as run_mlm.py sets it up, and as an expert would."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    BertForMaskedLM,
    PrinterCallback,
    Trainer,
    TrainerCallback,
)

from filbert.batch import Row
from filbert.encoder import Shape
from race.gpu import synchronise
from race.rounds import Measured
from race.trainer_setting import Setting, arguments_of, collator_of, config_of, examples_of

WARM_UP_STEPS = 1


class TrainerPeer:
    """A model under Trainer; every round is a `train()` of its own, measured after warming up."""

    def __init__(
        self,
        shape: Shape,
        rows: Sequence[Row],
        tokenizer_folder: Path,
        scratch: Path,
        setting: Setting,
        *,
        device: str = "cpu",
        warm_up_steps: int = WARM_UP_STEPS,
    ):
        """Draw the weights and lay the rows out as the setting says."""
        torch.manual_seed(1)
        self._setting, self._scratch, self._device = setting, scratch, device
        self._warm_up_steps = warm_up_steps
        self._tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
        self._model = BertForMaskedLM(config_of(shape, setting))
        self._examples = examples_of(rows, setting, set(self._tokenizer.all_special_ids))

    def measure(self, seconds: float, number: int) -> Measured:
        """Real tokens by the clock on the wall, between the ends of two steps."""
        watch = _Watch(seconds, self._warm_up_steps, self._device)
        trainer = _CountingTrainer(
            watch,
            model=self._model,
            args=arguments_of(self._setting, self._scratch, self._device, seed=number + 1),
            train_dataset=self._rotated(number),
            data_collator=collator_of(self._setting, self._tokenizer),
            callbacks=[watch],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        return Measured({"tokens": float(watch.tokens), "steps": watch.steps}, watch.spent)

    def _rotated(self, number: int) -> list[dict[str, list[Any]]]:
        """The examples from another place in each round, at the beginning of a batch."""
        batches = len(self._examples) // self._setting.batch_rows
        start = self._setting.batch_rows * (number * batches // 7 % max(1, batches))
        return self._examples[start:] + self._examples[:start]


class _Watch(TrainerCallback):  # type: ignore[misc]
    """Counts from the end of the warm-up, and stops the run when the time is over.

    tokens  a number, or a tensor on the device: reading it there would make the GPU wait
    """

    def __init__(self, seconds: float, warm_up_steps: int, device: str):
        self.tokens: Any = 0
        self.steps, self.spent = -warm_up_steps, 0.0
        self._seconds, self._start, self._device = seconds, 0.0, device

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """One optimizer step is done."""
        self.steps += 1
        if self.steps == 0:
            synchronise(self._device)
            self.tokens, self._start = 0, time.perf_counter()
        elif self.steps > 0 and time.perf_counter() - self._start >= self._seconds:
            synchronise(self._device)
            self.spent = time.perf_counter() - self._start
            control.should_training_stop = True


class _CountingTrainer(Trainer):  # type: ignore[misc]
    """A Trainer that tells the watch how many tokens each of its steps really read."""

    def __init__(self, watch: _Watch, **arguments: Any):
        super().__init__(**arguments)
        self._watch = watch

    def training_step(self, model: Any, inputs: Any, *more: Any, **named: Any) -> Any:
        """Count what is no padding, then step."""
        self._watch.tokens = self._watch.tokens + inputs["attention_mask"].sum()
        return super().training_step(model, inputs, *more, **named)
