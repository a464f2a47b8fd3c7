"""Examples as transformers' models read them, and their outputs as answers.

What its example scripts do (run_glue, run_ner, run_qa), in the same order, without the library
`datasets`: rows lie in memory, which is faster and takes less of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from race.finetune_run import ANSWER_TOKENS, OVERLAP_TOKENS, Kind

Example = dict[str, Any]
Logits = NDArray[np.float32]

N_BEST = 20
"""Beginnings and ends that run_qa looks at in each window."""
_NO_LABEL = -100
_BATCH_ROWS = 8  # as Trainer evaluates by default


@dataclass(frozen=True)
class Features:
    """Rows for a model.

    inputs   what the model is called with, a row each
    example  the number of the example that each row is of
    places   of each token: its word (tag), its characters in the passage (span); None: neither
    """

    inputs: list[dict[str, Any]]
    example: list[int]
    places: list[list[Any]]


def labels_of(kind: Kind, examples: Sequence[Example]) -> list[str]:
    """What the head has an output for; none for numbers and spans."""
    if kind == "classify":
        return sorted({example["label"] for example in examples})
    if kind == "tag":
        return sorted({tag for example in examples for tag in example["tags"]})
    return []


def features_of(
    kind: Kind,
    tokenizer: Any,
    examples: Sequence[Example],
    labels: Sequence[str],
    max_tokens: int,
    *,
    learn: bool,
) -> Features:
    """The rows of examples, with what is to be learnt from them where `learn`."""
    if kind == "tag":
        return _of_words(tokenizer, examples, labels, max_tokens, learn)
    if kind == "span":
        return _of_passages(tokenizer, examples, max_tokens, learn)
    texts = [example["text"] for example in examples]
    pairs = [example["pair"] for example in examples] if "pair" in examples[0] else None
    inputs = _rows(tokenizer(texts, pairs, truncation=True, max_length=max_tokens))
    if learn:
        for row, example in zip(inputs, examples, strict=True):
            said = example["label"]
            row["labels"] = labels.index(said) if kind == "classify" else float(said)
    return Features(inputs, list(range(len(inputs))), [])


def _rows(encoded: Any) -> list[dict[str, Any]]:
    names = list(encoded)
    return [dict(zip(names, row, strict=True)) for row in zip(*encoded.values(), strict=True)]


def _of_words(
    tokenizer: Any, examples: Sequence[Example], labels: Sequence[str], max_tokens: int, learn: bool
) -> Features:
    """A word's first piece has its tag, the others none."""
    words = [[e["text"][start:stop] for start, stop in e["words"]] for e in examples]
    encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=max_tokens)
    inputs, places = _rows(encoded), []
    number = {label: place for place, label in enumerate(labels)}
    for place, (row, example) in enumerate(zip(inputs, examples, strict=True)):
        found = encoded.word_ids(place)
        first = [
            word if word is not None and (at == 0 or found[at - 1] != word) else None
            for at, word in enumerate(found)
        ]
        places.append(first)
        if learn:
            tags = example["tags"]
            row["labels"] = [_NO_LABEL if w is None else number[tags[w]] for w in first]
    return Features(inputs, list(range(len(inputs))), places)


def _of_passages(
    tokenizer: Any, examples: Sequence[Example], max_tokens: int, learn: bool
) -> Features:
    """Windows of the passage; one that does not hold the answer points to [CLS]."""
    encoded = tokenizer(
        [example["question"].lstrip() for example in examples],
        [example["context"] for example in examples],
        truncation="only_second",
        max_length=max_tokens,
        stride=OVERLAP_TOKENS,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    of_example, offsets = encoded.pop("overflow_to_sample_mapping"), encoded.pop("offset_mapping")
    inputs, places = _rows(encoded), []
    for window, (row, number) in enumerate(zip(inputs, of_example, strict=True)):
        sides = encoded.sequence_ids(window)
        own = [
            pair if side == 1 else None for pair, side in zip(offsets[window], sides, strict=True)
        ]
        places.append(own)
        if learn:
            row["start_positions"], row["end_positions"] = _answer_tokens(examples[number], own)
    return Features(inputs, list(of_example), places)


def _answer_tokens(example: Example, places: Sequence[Any]) -> tuple[int, int]:
    answer = next(answer for answer in example["answers"] if answer["start"] >= 0)
    begin, end = answer["start"], answer["start"] + len(answer["text"])
    inside = [at for at, place in enumerate(places) if place is not None]
    if not inside or places[inside[0]][0] > begin or places[inside[-1]][1] < end:
        return 0, 0
    first = max(at for at in inside if places[at][0] <= begin)
    last = min(at for at in inside if places[at][1] >= end)
    return first, last


def outputs_of(model: Any, tokenizer: Any, features: Features) -> list[Logits]:
    """The logits of each row, without its padding; rows of like length go together."""
    unlike = ("labels", "start_positions", "end_positions")
    rows = [{k: v for k, v in row.items() if k not in unlike} for row in features.inputs]
    order = sorted(range(len(rows)), key=lambda number: -len(rows[number]["input_ids"]))
    found: list[Any] = [None] * len(rows)
    model.eval()
    for begin in range(0, len(order), _BATCH_ROWS):
        batch = order[begin : begin + _BATCH_ROWS]
        padded = tokenizer.pad([rows[number] for number in batch], return_tensors="pt")
        with torch.inference_mode():
            outputs = model(**padded)
        if "start_logits" in outputs:
            logits = torch.stack((outputs["start_logits"], outputs["end_logits"]), dim=-1)
        else:
            logits = outputs["logits"]
        for place, number in enumerate(batch):
            each = logits[place].float().numpy()
            found[number] = each[: len(rows[number]["input_ids"])] if each.ndim == 2 else each
    return found


def answers_of(
    kind: Kind,
    features: Features,
    outputs: Sequence[Logits],
    examples: Sequence[Example],
    labels: Sequence[str],
) -> list[Any]:
    """Answers, one an example: a label, a number, a tag a word, a text."""
    if kind == "classify":
        return [labels[int(logits.argmax())] for logits in outputs]
    if kind == "regress":
        return [float(logits[0]) for logits in outputs]
    if kind == "tag":
        return [
            _tags(logits, places, len(example["words"]), labels)
            for logits, places, example in zip(outputs, features.places, examples, strict=True)
        ]
    best: list[tuple[float, str]] = [(-np.inf, "")] * len(examples)
    for logits, places, number in zip(outputs, features.places, features.example, strict=True):
        found = _best_span(logits, places)
        if found is not None and found[0] > best[number][0]:
            text = examples[number]["context"][found[1] : found[2]]
            best[number] = found[0], text
    return [text for _, text in best]


def _tags(logits: Logits, places: Sequence[Any], words: int, labels: Sequence[str]) -> list[str]:
    tags = ["O"] * words
    for at, word in enumerate(places):
        if word is not None:
            tags[word] = labels[int(logits[at].argmax())]
    return tags


def _best_span(logits: Logits, places: Sequence[Any]) -> tuple[float, int, int] | None:
    """(score, its characters) of the best span of a window; None where there is none."""
    starts, ends = (np.argsort(-logits[:, side])[:N_BEST].tolist() for side in (0, 1))
    best: tuple[float, int, int] | None = None
    for start in starts:
        for end in ends:
            if places[start] is None or places[end] is None:
                continue
            if not start <= end < start + ANSWER_TOKENS:
                continue
            score = float(logits[start, 0] + logits[end, 1])
            if best is None or score > best[0]:
                best = score, places[start][0], places[end][1]
    return best
