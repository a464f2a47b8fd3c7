"""transformers' Trainer on the same rows: as run_mlm.py sets it up, and as an expert would."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    DataCollatorForLanguageModeling,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_pt_utils import get_length_grouped_indices

from filbert.batch import Row
from filbert.encoder import Shape
from race.rounds import Measured

WARM_UP_STEPS = 1
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Setting:
    """How Trainer is set.

    order           "random" (its default), "grouped" by length, or "chunks": all rows end to end
                    and cut every max_tokens, as run_mlm.py does without --line_by_line
    batch_rows      sequences of one optimizer step
    accumulation    pieces that a step is cut into
    tuned           sdpa and fused AdamW by name, attention dropout 0 as filbert's; else the
                    library's defaults
    """

    order: str
    batch_rows: int
    accumulation: int = 1
    tuned: bool = False


class TrainerPeer:
    """A model under Trainer; every round is a `train()` of its own, measured after warming up."""

    def __init__(
        self,
        shape: Shape,
        rows: Sequence[Row],
        tokenizer_folder: Path,
        scratch: Path,
        *,
        max_tokens: int,
        setting: Setting,
    ):
        """Draw the weights and lay the rows out as the setting says."""
        torch.manual_seed(1)
        self._setting, self._scratch = setting, scratch
        self._tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
        config = BertConfig(
            vocab_size=shape.vocab,
            hidden_size=shape.width,
            num_hidden_layers=shape.depth,
            num_attention_heads=shape.attention_heads,
            intermediate_size=shape.mlp_width,
            max_position_embeddings=shape.max_positions,
            hidden_dropout_prob=shape.dropout_fraction,
            attention_probs_dropout_prob=0.0 if setting.tuned else 0.1,
        )
        if setting.tuned:
            config._attn_implementation = "sdpa"
        self._model = BertForMaskedLM(config)
        ids = [row.token_ids.tolist() for row in rows]
        if setting.order == "chunks":
            ids = _chunks(ids, max_tokens)
        elif setting.order == "grouped":
            ids = _grouped(ids, -(-setting.batch_rows // setting.accumulation))
        special = set(self._tokenizer.all_special_ids)
        self._examples = [_example(sequence, special) for sequence in ids]

    def measure(self, seconds: float, number: int) -> Measured:
        """Real tokens by the clock on the wall, between the ends of two steps."""
        watch = _Watch(seconds)
        setting = self._setting
        arguments: dict[str, Any] = {}
        if setting.tuned:
            arguments |= {"optim": "adamw_torch_fused", "dataloader_pin_memory": False}
        if setting.order == "grouped":
            arguments["train_sampling_strategy"] = "sequential"  # see _grouped
        trainer = _CountingTrainer(
            watch,
            model=self._model,
            args=TrainingArguments(
                output_dir=str(self._scratch / "trainer"),
                use_cpu=True,
                max_steps=10**6,  # the watch ends it
                per_device_train_batch_size=-(-setting.batch_rows // setting.accumulation),
                gradient_accumulation_steps=setting.accumulation,
                logging_strategy="no",
                save_strategy="no",
                eval_strategy="no",
                report_to="none",
                disable_tqdm=True,
                seed=number + 1,
                **arguments,
            ),
            train_dataset=self._rotated(number),
            data_collator=DataCollatorForLanguageModeling(self._tokenizer, mlm_probability=0.15),
            callbacks=[watch],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        return Measured({"tokens": watch.tokens, "steps": watch.steps}, watch.spent)

    def _rotated(self, number: int) -> list[dict[str, list[int]]]:
        """The examples from another place in each round, at the beginning of a batch."""
        batches = len(self._examples) // self._setting.batch_rows
        start = self._setting.batch_rows * (number * batches // 7 % max(1, batches))
        return self._examples[start:] + self._examples[:start]


class _Watch(TrainerCallback):  # type: ignore[misc]
    """Counts from the end of the warm-up, and stops the run when the time is over."""

    def __init__(self, seconds: float):
        self.tokens, self.steps, self.spent = 0, -WARM_UP_STEPS, 0.0
        self._seconds, self._start = seconds, 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """One optimizer step is done."""
        self.steps += 1
        if self.steps == 0:
            self.tokens, self._start = 0, time.perf_counter()
        elif self.steps > 0:
            self.spent = time.perf_counter() - self._start
            control.should_training_stop = self.spent >= self._seconds


class _CountingTrainer(Trainer):  # type: ignore[misc]
    """A Trainer that tells the watch how many tokens each of its steps really read."""

    def __init__(self, watch: _Watch, **arguments: Any):
        super().__init__(**arguments)
        self._watch = watch

    def training_step(self, model: Any, inputs: Any, *more: Any, **named: Any) -> Any:
        """Count what is no padding, then step."""
        self._watch.tokens += int(inputs["attention_mask"].sum())
        return super().training_step(model, inputs, *more, **named)


def _example(ids: list[int], special: set[int]) -> dict[str, list[int]]:
    """What run_mlm.py's tokenising leaves of a sequence."""
    return {
        "input_ids": ids,
        "token_type_ids": [0] * len(ids),
        "attention_mask": [1] * len(ids),
        "special_tokens_mask": [int(token_id in special) for token_id in ids],
    }


def _chunks(ids: list[list[int]], max_tokens: int) -> list[list[int]]:
    """Every row end to end, cut every max_tokens; the rest is dropped, as run_mlm.py does."""
    tokens = list(chain.from_iterable(ids))
    return list(_cut(tokens, max_tokens))


def _cut(tokens: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(tokens) - size + 1, size):
        yield tokens[start : start + size]


def _grouped(ids: list[list[int]], batch_rows: int) -> list[list[int]]:
    """The batches of train_sampling_strategy="group_by_length", in another order.

    The option itself hands out 50 batches from the longest to the shortest: a measurement of some
    seconds would see the long ones alone. Here every few batches hold short, middle and long ones
    in equal parts (steps of the golden ratio through the batches sorted by size).
    """
    generator = torch.Generator().manual_seed(1)
    lengths = [len(sequence) for sequence in ids]
    order = get_length_grouped_indices(lengths, batch_rows, generator=generator)
    starts = range(0, len(order) - batch_rows + 1, batch_rows)
    batches = [order[start : start + batch_rows] for start in starts]
    batches.sort(key=lambda batch: sum(lengths[index] for index in batch))
    spread = sorted(range(len(batches)), key=lambda number: number * _GOLDEN % 1)
    by_visit = [0] * len(batches)
    for place, number in enumerate(spread):
        by_visit[number] = place
    return [ids[index] for place in by_visit for index in batches[place]]
