"""One checklist that every member of TASKS passes, with its head."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from filbert.batch import Packed
from filbert.checkpoint import load, model_tensors, save
from filbert.device import pick_device
from filbert.encoder import Encoder, Shape, to_tensors
from filbert.engine import open_model
from filbert.errors import SettingsError
from filbert.heads import HEADS, Head, Model, build_model
from filbert.settings import from_mapping, to_mapping
from filbert.tasks import TASKS, Task, answer_rows
from filbert.tokenizer import Tokenizer

PIECES = [*"abcdefgh", "##a", *"好书"]
TOKENIZER = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES])
SHAPE = Shape(2, 16, 2, 32, TOKENIZER.vocab_size, 32, dropout_fraction=0.0)
SETTINGS = {"classify": {"labels": ("x", "y", "书")}}
TEXTS = ["a b c", "好书", "h", "", "a b c d e f g h " * 12, "aa [MASK] b"]
LABELS = ["x", "y", "书", "x", "y", "x"]


@pytest.fixture(params=sorted(TASKS))
def task(request: pytest.FixtureRequest) -> Task:
    settings = SETTINGS.get(request.param, {})
    return TASKS[request.param](max_tokens=24, **settings).with_tokenizer(TOKENIZER)


@pytest.fixture
def model(task: Task) -> Model:
    torch.manual_seed(0)
    return build_model(Encoder(SHAPE), task).eval()


def examples() -> list[dict[str, str]]:
    return [{"text": t, "label": n} for t, n in zip(TEXTS, LABELS, strict=True)]


def test_every_task_has_a_head() -> None:
    assert HEADS.keys() == TASKS.keys()


def test_settings_survive_a_file(task: Task) -> None:
    assert from_mapping(to_mapping(task), type(task)) == task
    assert task.with_tokenizer(TOKENIZER) == task


def test_rows_fit_and_batches_are_reproducible(task: Task) -> None:
    groups = task.rows_of(examples())
    assert [len(group) for group in groups[:4]] == [1, 1, 1, 1]
    assert len(groups[4]) > 1
    rows = [row for group in groups for row in group]
    assert all(len(row) <= task.max_tokens for row in rows)
    one, two = task.batch(rows, 3, 1), task.batch(rows, 3, 1)
    assert (one.token_ids == two.token_ids).all()
    assert one.targets.keys() == two.targets.keys()
    assert all((one.targets[name] == two.targets[name]).all() for name in one.targets)
    assert one.lengths.tolist() == [len(row) for row in rows]


def test_an_answer_a_text_in_order_whatever_the_batches(task: Task, model: Model) -> None:
    groups = task.rows_of(examples())
    run = model.runner(pick_device("cpu"))

    def answers(batch_tokens: int) -> list[object]:
        return answer_rows(
            task, groups, partial(map, run), batch_tokens=batch_tokens, labelled=False
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
    if HEADS[task.name].loss is Head.loss:
        with pytest.raises(SettingsError, match="has nothing to learn"):
            model.loss(to_tensors(task.batch(task.rows({"text": "a"}), 0, 0), SHAPE))
        return
    torch.manual_seed(0)
    model = build_model(Encoder(SHAPE), task).train()
    rows = [row for group in task.rows_of(examples()) for row in group]
    packed: Packed = task.batch(rows, 1, 0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = model.loss(to_tensors(packed, SHAPE))
        assert {name: term.count for name, term in loss.terms.items()} == task.counts(packed)
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
    packed = task.batch(task.rows({"text": "a b 好", "label": "x"}), 0, 0)
    for name, values in run(packed).items():
        assert (values == run_again(packed)[name]).all()
    assert open_model(folder).task == task


def test_the_runner_leaves_no_gradients_and_drops_nothing(task: Task, model: Model) -> None:
    model.set_dropout(0.5)
    packed = task.batch(task.rows({"text": "a b c d", "label": "x"}), 0, 0)
    run = model.train().runner(pick_device("cpu"))
    for name, values in run(packed).items():
        assert (values == run(packed)[name]).all()
    assert not model.training
