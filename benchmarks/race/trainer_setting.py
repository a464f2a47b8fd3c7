"""How transformers' Trainer is set, and the rows as its collator wants them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, DataCollatorForLanguageModeling, TrainingArguments
from transformers.trainer_pt_utils import get_length_grouped_indices

from filbert.batch import Row
from filbert.encoder import Shape

_GOLDEN = (5**0.5 - 1) / 2
ENDLESS = 10**6
"""Steps of a run that the watch ends."""


@dataclass(frozen=True)
class Setting:
    """How Trainer is set.

    order           "random" (its default), "grouped" by length, or "chunks": all rows end to end
                    and cut every chunk_tokens, as run_mlm.py's group_texts does
    batch_rows      sequences of one optimizer step
    accumulation    pieces that a step is cut into
    tuned           sdpa and fused AdamW by name, attention dropout 0 as filbert's; else the
                    library's defaults
    whole_words     masks whole words; the rows need offsets. The collator pads none, so all rows
                    are padded to the longest beforehand, as run_mlm.py --pad_to_max_length does
    attention       by name, instead of what is said above
    compile         torch_compile
    bf16            autocast to bfloat16
    workers         processes that make batches
    pad_multiple    lengths are padded up to a multiple of it: fewer shapes to compile
    """

    order: str
    batch_rows: int
    accumulation: int = 1
    tuned: bool = False
    chunk_tokens: int = 128
    mask_fraction: float = 0.15
    whole_words: bool = False
    attention: str | None = None
    compile: bool = False
    bf16: bool = False
    workers: int = 0
    pad_multiple: int | None = None

    @property
    def micro_rows(self) -> int:
        """Sequences that go through the network at once."""
        return -(-self.batch_rows // self.accumulation)

    @property
    def attention_dropout(self) -> float:
        """Of attention weights: the library's default, or none."""
        return 0.0 if self.tuned else 0.1


def config_of(shape: Shape, setting: Setting) -> BertConfig:
    """The network's shape in the library's words."""
    config = BertConfig(
        vocab_size=shape.vocab,
        hidden_size=shape.width,
        num_hidden_layers=shape.depth,
        num_attention_heads=shape.attention_heads,
        intermediate_size=shape.mlp_width,
        max_position_embeddings=shape.max_positions,
        hidden_dropout_prob=shape.dropout_fraction,
        attention_probs_dropout_prob=setting.attention_dropout,
    )
    if setting.attention or setting.tuned:
        config._attn_implementation = setting.attention or "sdpa"
    return config


def arguments_of(setting: Setting, scratch: Path, device: str, **more: Any) -> TrainingArguments:
    """Logging, saving and evaluation are off; the watch ends the run."""
    given: dict[str, Any] = {"dataloader_num_workers": setting.workers}
    if setting.tuned:
        given |= {"optim": "adamw_torch_fused", "dataloader_pin_memory": device != "cpu"}
    if setting.order == "grouped":
        given["train_sampling_strategy"] = "sequential"  # see _grouped
    if setting.compile:
        given["torch_compile"] = True
    if setting.whole_words:
        given["remove_unused_columns"] = False  # the collator uses the offsets
    return TrainingArguments(
        output_dir=str(scratch / "trainer"),
        use_cpu=device == "cpu",
        bf16=setting.bf16,
        max_steps=ENDLESS,
        per_device_train_batch_size=setting.micro_rows,
        gradient_accumulation_steps=setting.accumulation,
        logging_strategy="no",
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **given | more,
    )


def collator_of(setting: Setting, tokenizer: Any) -> DataCollatorForLanguageModeling:
    """What pads and masks."""
    # Whole words are replaced by [MASK] alone there; said beforehand, it does not warn.
    split = {"mask_replace_prob": 1.0, "random_replace_prob": 0.0} if setting.whole_words else {}
    return DataCollatorForLanguageModeling(
        tokenizer,
        mlm_probability=setting.mask_fraction,
        whole_word_mask=setting.whole_words,
        pad_to_multiple_of=setting.pad_multiple,
        **split,
    )


def examples_of(
    rows: Sequence[Row], setting: Setting, special: set[int]
) -> list[dict[str, list[Any]]]:
    """The rows, laid out as the setting says, in the dictionaries that its dataset holds."""
    if setting.whole_words:
        longest = max(map(len, rows))
        return [_with_offsets(row, special, longest) for row in rows]
    ids = [row.token_ids.tolist() for row in rows]
    if setting.order == "chunks":
        ids = _chunks(ids, setting.chunk_tokens)
    elif setting.order == "grouped":
        ids = _grouped(ids, setting.micro_rows)
    return [_example(sequence, special) for sequence in ids]


def _example(ids: list[int], special: set[int]) -> dict[str, list[Any]]:
    """What run_mlm.py's tokenising leaves of a sequence."""
    return {
        "input_ids": ids,
        "token_type_ids": [0] * len(ids),
        "attention_mask": [1] * len(ids),
        "special_tokens_mask": [int(token_id in special) for token_id in ids],
    }


def _with_offsets(row: Row, special: set[int], longest: int) -> dict[str, list[Any]]:
    """The same padded, with the characters behind each token."""
    assert row.offsets is not None
    missing = longest - len(row)
    made = _example(row.token_ids.tolist(), special) | {"offset_mapping": row.offsets.tolist()}
    padding = {"special_tokens_mask": 1, "offset_mapping": [0, 0]}  # [PAD] is 0 in BERT's
    return {name: [*values, *[padding.get(name, 0)] * missing] for name, values in made.items()}


def _chunks(ids: list[list[int]], size: int) -> list[list[int]]:
    """Every row end to end, cut every `size` tokens; the rest is dropped, as run_mlm.py does."""
    tokens = list(chain.from_iterable(ids))
    return list(_cut(tokens, size))


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
