"""transformers' Trainer for so many minutes from a folder's weights, scored on the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.optim.lr_scheduler import LambdaLR
from transformers import (
    AutoTokenizer,
    BertForMaskedLM,
    PrinterCallback,
    Trainer,
    TrainerCallback,
)

from filbert.batch import Row
from race.scoring import Curve, Sampling
from race.trainer_setting import Setting, arguments_of, collator_of, examples_of


@dataclass(frozen=True)
class Learning:
    """How the peer learns.

    peak_lr, warmup_fraction  the rate rises to the peak over this part of the time and falls to 0
                              in a straight line, by the clock, as filbert's does; Trainer alone
                              would have to guess its steps beforehand
    beta2, weight_decay, epsilon  of AdamW; the library's defaults
    dropout_fraction          hidden and attention dropout
    """

    peak_lr: float
    warmup_fraction: float
    beta2: float = 0.999
    weight_decay: float = 0.0
    epsilon: float = 1e-8
    dropout_fraction: float = 0.1

    def rate_at(self, spent: float) -> float:
        """The part of peak_lr when this part of the time is over."""
        if spent < self.warmup_fraction:
            return spent / self.warmup_fraction
        return max(0.0, (1 - spent) / (1 - self.warmup_fraction))


def learn(
    start: Path,
    rows: Sequence[Row],
    setting: Setting,
    learning: Learning,
    sampling: Sampling,
    score: Callable[[Path], float],
    scratch: Path,
) -> Curve:
    """Train until the time is over.

    score: the loss of a folder; it is called while the clock stands still.
    """
    tokenizer = AutoTokenizer.from_pretrained(start)
    # A folder states its own dropout; this is the library's default, or what is asked for.
    model = BertForMaskedLM.from_pretrained(
        start,
        hidden_dropout_prob=learning.dropout_fraction,
        attention_probs_dropout_prob=learning.dropout_fraction,
    )
    watch = _Watch(sampling, tokenizer, score, scratch / "peer")
    trainer = _Trainer(
        learning,
        watch,
        model=model,
        args=arguments_of(
            setting,
            scratch,
            "cpu",
            seed=1,
            learning_rate=learning.peak_lr,
            adam_beta2=learning.beta2,
            weight_decay=learning.weight_decay,
            adam_epsilon=learning.epsilon,
        ),
        train_dataset=examples_of(rows, setting, set(tokenizer.all_special_ids)),
        data_collator=collator_of(setting, tokenizer),
        callbacks=[watch],
    )
    trainer.remove_callback(PrinterCallback)
    watch.score(model)
    trainer.train()
    return sampling.curve


class _Watch(TrainerCallback):  # type: ignore[misc]
    """Scores when it is time, and ends the run when the time is over."""

    def __init__(
        self, sampling: Sampling, tokenizer: Any, score: Callable[[Path], float], place: Path
    ):
        self.sampling = sampling
        self._tokenizer, self._score, self._place = tokenizer, score, place

    def score(self, model: Any) -> None:
        """The model as it stands, saved by its own library and opened by filbert."""
        seconds = self.sampling.clock.seconds
        with self.sampling.clock.stopped():
            model.save_pretrained(self._place)
            self._tokenizer.save_pretrained(self._place)
            self.sampling.note(self._score(self._place), seconds)

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """The first batch is about to be read."""
        self.sampling.clock.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """One optimizer step is done."""
        self.sampling.curve.steps += 1
        over = self.sampling.spent >= 1
        if over or self.sampling.due:
            self.score(more["model"])
        control.should_training_stop = over


class _Trainer(Trainer):  # type: ignore[misc]
    """A Trainer whose rate follows the clock, and that counts what it reads."""

    def __init__(self, learning: Learning, watch: _Watch, **arguments: Any):
        super().__init__(**arguments)
        self._learning, self._watch = learning, watch

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The schedule by the clock."""
        self.lr_scheduler = LambdaLR(
            optimizer or self.optimizer,
            lambda _: self._learning.rate_at(self._watch.sampling.spent),
        )
        return self.lr_scheduler

    def training_step(self, model: Any, inputs: Any, *more: Any, **named: Any) -> Any:
        """Count what is no padding, then step."""
        self._watch.sampling.curve.tokens += int(inputs["attention_mask"].sum())
        return super().training_step(model, inputs, *more, **named)
