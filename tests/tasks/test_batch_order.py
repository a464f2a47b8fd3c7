"""In whatever order examples come, and whatever stands beside them, each gets the same answer."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from filbert.device import pick_device
from filbert.encoder import Encoder, Shape, to_tensors
from filbert.heads import build_model
from filbert.tasks import TASKS, answer_rows, numbered
from filbert.tokenizer import Tokenizer

PIECES = [*"abcdefgh", "##a", *"好书北京"]
TOKENIZER = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES])
SHAPE = Shape(2, 16, 2, 32, TOKENIZER.vocab_size, 32, dropout_fraction=0.0)
SETTINGS: dict[str, dict[str, Any]] = {
    "classify": {"labels": ("x", "y")},
    "tag": {"labels": ("O", "B-X", "I-X"), "crf": True, "overlap_tokens": 4},
    "span": {"unanswerable": True, "overlap_tokens": 4, "question_tokens": 6},
}
TEXTS = ["a b c", "好书", "h", "", "a b c d e f g h " * 9, "aa\u200b [MASK] b", "北京 e", "d c b a"]


def examples(task: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number, text in enumerate(TEXTS):
        found.append(
            {
                "pretrain": {"text": text},
                "classify": {"text": text, "label": "xy"[number % 2]},
                "regress": {"text": text, "label": number / 3},
                "rerank": {"text": text, "pair": "a d", "label": number % 2},
                "tag": {"text": text, "entities": [(0, 1, "X")] if text else []},
                "span": {
                    "question": "a b 好",
                    "context": text,
                    "answers": [{"text": text[:1], "start": 0}] if text else [],
                },
                "choose": {
                    "text": text,
                    "choices": ["a b", "好书", "c"][: 2 + number % 2],
                    "label": 1,
                },
                "embed": {
                    "text": text,
                    "pair": "abcdefgh"[number],
                    "negatives": ["京"] * (number % 3),
                },
            }[task]
        )
    return found


def numbers(answer: Any) -> list[float]:
    """All numbers of an answer, in order."""
    if isinstance(answer, float | int):
        return [float(answer)]
    if isinstance(answer, np.ndarray):
        return [float(value) for value in answer.ravel()]
    if isinstance(answer, tuple | list):
        return [value for part in answer for value in numbers(part)]
    if isinstance(answer, dict):
        return numbers(list(answer.values()))
    if hasattr(answer, "__dataclass_fields__"):
        return numbers([getattr(answer, name) for name in answer.__dataclass_fields__])
    return []


@pytest.mark.parametrize("name", sorted(TASKS))
def test_the_order_of_examples_changes_no_answer_and_no_score(name: str) -> None:
    task = TASKS[name](max_tokens=24, **SETTINGS.get(name, {})).with_tokenizer(TOKENIZER)
    torch.manual_seed(0)
    model = build_model(Encoder(SHAPE), task).eval()
    run = model.runner(pick_device("cpu"))
    given = examples(name)
    groups = numbered(task.rows_of(given))

    def answered(order: list[int], batch_tokens: int) -> Any:
        return answer_rows(
            task,
            [groups[n] for n in order],
            partial(map, run),
            examples=[given[n] for n in order],
            batch_tokens=batch_tokens,
            labelled=name != "pretrain",  # its answers are of rows, not of a text's windows
        )

    whole = answered(list(range(len(given))), 10_000)
    assert len({str(numbers(answer)) for answer in whole.answers}) > 3
    for seed, batch_tokens in ((1, 10_000), (2, 30), (3, 1)):
        order = np.random.default_rng(seed).permutation(len(given)).tolist()
        again = answered(order, batch_tokens)
        for place, number in enumerate(order):
            mine, theirs = numbers(again.answers[place]), numbers(whole.answers[number])
            assert np.allclose(mine, theirs, atol=1e-5)
        assert again.scores == pytest.approx(whole.scores, abs=1e-5)


@pytest.mark.parametrize("name", sorted(TASKS))
def test_the_order_of_a_batch_changes_no_loss(name: str) -> None:
    task = TASKS[name](max_tokens=24, **SETTINGS.get(name, {})).with_tokenizer(TOKENIZER)
    torch.manual_seed(0)
    model = build_model(Encoder(SHAPE), task)
    rows = [row for group in numbered(task.rows_of(examples(name))) for row in group]
    losses = []
    for order in (range(len(rows)), reversed(range(len(rows)))):
        packed = task.batch([rows[n] for n in order], 1, 0)
        losses.append(float(model.loss(to_tensors(packed, SHAPE)).mean().detach()))
    assert losses[0] > 0
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
