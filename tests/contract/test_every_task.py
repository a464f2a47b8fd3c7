"""One checklist that every member of TASKS passes, with its head."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from filbert.batch import Packed
from filbert.checkpoint import load, model_tensors, save
from filbert.device import pick_device
from filbert.encoder import Encoder, Shape, to_tensors
from filbert.engine import open_model
from filbert.heads import HEADS, Model, build_model
from filbert.settings import from_mapping, to_mapping
from filbert.tasks import TASKS, Task, answer_rows
from filbert.tokenizer import Tokenizer

PIECES = [*"abcdefgh", "##a", *"好书"]
TOKENIZER = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES])
SHAPE = Shape(2, 16, 2, 32, TOKENIZER.vocab_size, 32, dropout_fraction=0.0)
SETTINGS = {
    "classify": {"labels": ("x", "y", "书")},
    "tag": {"labels": ("O", "B-X", "I-X", "B-书", "I-书"), "crf": True, "overlap_tokens": 4},
    "span": {"unanswerable": True, "overlap_tokens": 4, "question_tokens": 6},
}
TEXTS = ["a b c", "好书", "h", "", "a b c d e f g h " * 12, "aa [MASK] b"]
LABELS = ["x", "y", "书", "x", "y", "x"]
NUMBERS = [0.5, 2, 0, 1.25, 3, 0]


def _examples() -> dict[str, list[dict[str, Any]]]:
    """Of each task, what has something to learn; the fifth is longer than a row."""
    labelled = [{"text": t, "label": n} for t, n in zip(TEXTS, LABELS, strict=True)]
    measured = [{"text": t, "label": n} for t, n in zip(TEXTS, NUMBERS, strict=True)]
    spans = [[(0, 1, "X")], [(0, 2, "书")], [], [], [(2, 5, "X"), (6, 7, "书")], [(0, 2, "X")]]
    answers = [[("b", 2)], [("书", 1)], [], [], [("g h a", 12)], [("aa", 0)]]
    return {
        "pretrain": labelled,
        "embed": labelled,
        "classify": labelled,
        "regress": measured,
        "rerank": [{**e, "pair": "a d", "label": n % 2} for n, e in enumerate(measured)],
        "tag": [{"text": t, "entities": e} for t, e in zip(TEXTS, spans, strict=True)],
        "span": [
            {
                "question": "a b 好",
                "context": context,
                "answers": [{"text": text, "start": start} for text, start in right],
            }
            for context, right in zip(TEXTS, answers, strict=True)
        ],
        "choose": [
            {"text": text, "choices": ["a b", "好书", "c"][: 2 + number % 2], "label": number % 2}
            for number, text in enumerate(TEXTS)
        ],
    }


EXAMPLES = _examples()
WINDOWED = sorted(TASKS.keys() - {"choose"})


@pytest.fixture(params=sorted(TASKS))
def task(request: pytest.FixtureRequest) -> Task:
    settings = SETTINGS.get(request.param, {})
    return TASKS[request.param](max_tokens=24, **settings).with_tokenizer(TOKENIZER)


@pytest.fixture
def model(task: Task) -> Model:
    torch.manual_seed(0)
    return build_model(Encoder(SHAPE), task).eval()


def test_every_task_has_a_head() -> None:
    assert HEADS.keys() == TASKS.keys()


def test_settings_survive_a_file(task: Task) -> None:
    assert from_mapping(to_mapping(task), type(task)) == task
    assert task.with_tokenizer(TOKENIZER) == task


def test_rows_fit_and_batches_are_reproducible(task: Task) -> None:
    groups = task.rows_of(EXAMPLES[task.name])
    assert [len(group) for group in groups[:4]] == [1, 1, 1, 1]
    assert len(groups[4]) > 1 or (task.name not in WINDOWED and groups[4][0].tokens_cut > 0)
    rows = [row for group in groups for row in group]
    for row in rows:
        parts = [len(row)] if row.parts is None else np.diff(row.parts, prepend=0).tolist()
        assert max(parts) <= task.max_tokens
    one, two = task.batch(rows, 3, 1), task.batch(rows, 3, 1)
    assert (one.token_ids == two.token_ids).all()
    assert one.targets.keys() == two.targets.keys()
    assert all((one.targets[name] == two.targets[name]).all() for name in one.targets)
    assert int(one.lengths.sum()) == sum(map(len, rows))
    assert len(one.ends) == sum(1 if row.parts is None else len(row.parts) for row in rows)


def test_an_answer_a_text_in_order_whatever_the_batches(task: Task, model: Model) -> None:
    examples = EXAMPLES[task.name]
    groups = task.rows_of(examples)
    run = model.runner(pick_device("cpu"))

    def answers(batch_tokens: int) -> list[object]:
        return answer_rows(
            task,
            groups,
            partial(map, run),
            examples=examples,
            batch_tokens=batch_tokens,
            labelled=False,
        ).answers

    small, large = answers(1), answers(10_000)
    assert len(small) == len(large) == len(TEXTS)
    for mine, other in zip(small, large, strict=True):
        assert_close(mine, other)


def assert_close(mine: object, other: object) -> None:
    left, right = to_mapping(numbers(mine)), to_mapping(numbers(other))
    assert np.allclose(left, right, atol=1e-5)


def numbers(answer: object) -> list[float]:
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


def test_a_loss_can_be_learnt_where_there_is_one(task: Task, model: Model) -> None:
    torch.manual_seed(0)
    model = build_model(Encoder(SHAPE), task).train()
    examples = EXAMPLES[task.name]
    if task.name == "embed":
        # Equal texts are no wrong answers to each other, so each has another pair.
        pairs = ["a b", "书 书", "h h", "c", "a e", "aa"]
        examples = [{"text": e["text"], "pair": p} for e, p in zip(examples, pairs, strict=True)]
    rows = [row for group in task.rows_of(examples) for row in group]
    packed: Packed = task.batch(rows, 1, 0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = model.loss(to_tensors(packed, SHAPE))
        counts = {name: term.count for name, term in loss.terms.items()}
        assert counts == task.counts(packed)
        assert sum(term.count for term in loss.terms.values()) > 0
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
        losses.append(float(loss.mean().detach()))
    assert losses[-1] < 0.3 * losses[0]


def test_a_folder_gives_the_same_model_back(task: Task, model: Model, tmp_path: Path) -> None:
    folder = save(tmp_path / "m", model_tensors(model), shape=SHAPE, task=task, tokenizer=TOKENIZER)
    assert folder.task() == task
    again = load(folder)
    assert not again.fresh
    run, run_again = model.runner(pick_device("cpu")), again.runner(pick_device("cpu"))
    packed = task.batch(task.rows(EXAMPLES[task.name][0]), 0, 0)
    for name, values in run(packed).items():
        assert (values == run_again(packed)[name]).all()
    assert open_model(folder).task == task


def test_the_runner_leaves_no_gradients_and_drops_nothing(task: Task, model: Model) -> None:
    model.set_dropout(0.5)
    packed = task.batch(task.rows(EXAMPLES[task.name][0]), 0, 0)
    run = model.train().runner(pick_device("cpu"))
    for name, values in run(packed).items():
        assert (values == run(packed)[name]).all()
    assert not model.training
