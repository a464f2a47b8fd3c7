"""Steps whose loss looks at all rows: pieces give the gradients of the whole."""

import numpy as np
import pytest
import torch

from filbert.device import pick_device
from filbert.encoder import Encoder, Shape
from filbert.heads import Model, build_model
from filbert.tasks import Embed, Task
from filbert.tokenizer import Tokenizer
from filbert.train.drawing import Pieces
from filbert.train.ranks import ALONE
from filbert.train.step import Found, Stepper

PIECES = [*"abcdefgh", "##a", *"好书"]
TOKENIZER = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES])
SHAPE = Shape(2, 16, 2, 32, TOKENIZER.vocab_size, 32, dropout_fraction=0.1)
TEXTS = ["a b c", "好书", "h", "a d", "e e e f", "b"]


def step(task: Task, model: Model, micro_tokens: int, dropout: float) -> tuple[Found, np.ndarray]:
    model.set_dropout(dropout)
    examples = [
        {"text": text, "pair": TEXTS[n - 1], **({"label": n / 5} if n > 3 else {})}
        for n, text in enumerate(TEXTS)
    ]
    rows = [row for group in task.rows_of(examples) for row in group]

    def pieces(tokens: int) -> Pieces:
        cut: list[list] = [[]]
        for row in rows:
            if cut[-1] and sum(map(len, cut[-1])) + len(row) > tokens:
                cut.append([])
            cut[-1].append(row)
        packs = [task.batch(part, 1, 0) for part in cut]
        return Pieces(packs, tokens, [len(row) for row in rows])

    stepper = Stepper(
        model,
        device=pick_device("cpu"),
        ranks=ALONE,
        precision="fp32",
        micro_tokens=micro_tokens,
        sharded=False,
    )
    found = stepper.gradients(task, pieces(micro_tokens), pieces, 1, 5)
    gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return found, torch.cat(gradients).numpy().copy()


@pytest.fixture
def task() -> Task:
    return Embed(max_tokens=16).with_tokenizer(TOKENIZER)


def test_pieces_give_the_gradients_of_the_whole(task: Task) -> None:
    torch.manual_seed(0)
    model = build_model(Encoder(SHAPE), task)
    whole, expected = step(task, model, 1000, 0.0)
    for micro_tokens in (40, 12):
        found, gradients = step(task, model, micro_tokens, 0.0)
        assert found.loss == pytest.approx(whole.loss, rel=1e-5)
        assert found.figures == pytest.approx(whole.figures, rel=1e-5)
        assert np.abs(gradients - expected).max() < 1e-5 * np.abs(expected).max()


def test_a_piece_drops_the_same_both_times(task: Task) -> None:
    torch.manual_seed(0)
    model = build_model(Encoder(SHAPE), task)
    first, one = step(task, model, 12, 0.3)
    second, two = step(task, model, 12, 0.3)
    assert first == second
    assert (one == two).all()
    # If the second pass dropped otherwise, a small step against the gradient would not help.
    with torch.no_grad():
        place = 0
        for p in model.parameters():
            if p.grad is not None:
                slope = torch.from_numpy(one[place : place + p.numel()]).view_as(p)
                p.sub_(slope, alpha=0.02 / first.norm)
                place += p.numel()
    after, _ = step(task, model, 12, 0.3)
    assert after.loss < first.loss
