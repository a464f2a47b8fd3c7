"""A CRF's loss, beside all paths counted one by one."""

import itertools

import numpy as np
import pytest
import torch

from filbert.batch import Row, pack
from filbert.encoder import PackedTensors, Shape, to_tensors
from filbert.heads import TagHead
from filbert.tasks import NO_LABEL

SHAPE = Shape(1, 8, 2, 12, 30, 16, dropout_fraction=0.0)
LABELS = [
    [NO_LABEL, 0, NO_LABEL, 2, 1, NO_LABEL],
    [NO_LABEL, NO_LABEL],  # nothing to tag
    [NO_LABEL, 1, NO_LABEL],
]


def packed() -> PackedTensors:
    rows = [Row(np.arange(len(n), dtype=np.int32), np.zeros(len(n), np.uint8)) for n in LABELS]
    labels = np.array(list(itertools.chain(*LABELS)), np.int32)
    return to_tensors(pack(rows, {"labels": labels}), SHAPE)


@pytest.fixture
def head() -> TagHead:
    torch.manual_seed(1)
    made = TagHead(SHAPE, 3, crf=True).eval()
    for learnt in (made.first, made.next, made.last):
        assert learnt is not None
        torch.nn.init.normal_(learnt)
    return made


def test_the_loss_is_that_of_all_paths(head: TagHead) -> None:
    batch, hidden = packed(), torch.randn(11, 8)
    found = head.loss(hidden, batch).terms["labels"]
    outputs = {name: value.detach() for name, value in head(hidden, batch).items()}
    expected, start = 0.0, 0
    for labels in LABELS:
        places = [start + n for n, label in enumerate(labels) if label != NO_LABEL]
        right = tuple(label for label in labels if label != NO_LABEL)
        start += len(labels)
        if not places:
            continue

        def total(path: tuple[int, ...], places: list[int] = places) -> float:
            steps = sum(outputs["next"][a, b] for a, b in itertools.pairwise(path))
            scores = sum(
                outputs["logits"][at, label] for at, label in zip(places, path, strict=True)
            )
            return float(outputs["first"][path[0]] + outputs["last"][path[-1]] + steps + scores)

        paths = itertools.product(range(3), repeat=len(places))
        whole = np.logaddexp.reduce([total(path) for path in paths])
        expected += whole - total(right)
    assert float(found.total.detach()) == pytest.approx(expected, rel=1e-5)
    assert found.count == 4


def test_its_gradient_is_that_of_small_differences(head: TagHead) -> None:
    batch, hidden = packed(), torch.randn(11, 8, dtype=torch.float64)
    head = head.double()
    assert head.next is not None

    def loss(step: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            head.next.copy_(step)
        return head.loss(hidden, batch).mean()

    whole = head.next.detach().clone()
    loss(whole).backward()
    found = head.next.grad
    assert found is not None
    for a, b in itertools.product(range(3), repeat=2):
        apart = torch.zeros_like(whole)
        apart[a, b] = 1e-3
        slope = (loss(whole + apart) - loss(whole - apart)).detach() / 2e-3
        # The loss itself is taken in float32.
        assert float(found[a, b]) == pytest.approx(float(slope), abs=2e-3)
