"""The walk gives the loss and the gradients of the plain way."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from filbert.encoder.dropout import drop
from filbert.heads.masked_loss import masked_loss


def loss_and_gradients(
    walk: bool, rows: int, vocab: int, factor: float = 1.0
) -> tuple[float, list[Tensor]]:
    torch.manual_seed(rows)
    inner = torch.randn(rows, 16, requires_grad=True)
    weight = torch.randn(vocab, 16, requires_grad=True)
    bias = torch.randn(vocab, requires_grad=True)
    labels = torch.randint(0, vocab, (rows,))
    if walk:
        loss, right = masked_loss(inner, weight, bias, labels)
        logits = functional.linear(inner, weight, bias)
        assert int(right) == int((logits.argmax(dim=1) == labels).sum())
    else:
        logits = functional.linear(inner, weight, bias)
        loss = functional.cross_entropy(logits, labels, reduction="sum")
    (loss * factor).backward()
    gradients = [part.grad for part in (inner, weight, bias) if part.grad is not None]
    return float(loss.detach()), gradients


@pytest.mark.parametrize(
    ("rows", "vocab"), [(1, 1), (3, 7), (5, 2048), (5, 2049), (1024, 50), (1025, 50), (2500, 3000)]
)
@pytest.mark.parametrize("factor", [1.0, 0.25])
def test_loss_and_gradients_are_equal(rows: int, vocab: int, factor: float) -> None:
    ours, our_gradients = loss_and_gradients(True, rows, vocab, factor)
    theirs, their_gradients = loss_and_gradients(False, rows, vocab, factor)
    assert abs(ours - theirs) <= 1e-5 * max(1, abs(theirs))
    assert len(our_gradients) == 3
    for mine, other in zip(our_gradients, their_gradients, strict=True):
        assert (mine - other).abs().max() <= 1e-4 * max(1e-3, float(other.abs().max()))


def test_no_rows_have_no_loss_and_no_gradient() -> None:
    loss, gradients = loss_and_gradients(True, 0, 9)
    assert loss == 0
    assert all(not gradient.any() for gradient in gradients)


def test_huge_logits_stay_finite() -> None:
    inner = torch.full((2, 4), 1e4, requires_grad=True)
    weight = torch.eye(4).mul(3).requires_grad_()
    bias = torch.zeros(4, requires_grad=True)
    loss, right = masked_loss(inner, weight, bias, torch.tensor([0, 1]))
    assert float(right) == 2
    loss.backward()
    assert torch.isfinite(loss)
    assert inner.grad is not None
    assert torch.isfinite(inner.grad).all()


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
def test_dropout_drops_the_fraction_and_keeps_the_mean(fraction: float) -> None:
    torch.manual_seed(0)
    values = torch.ones(1000, 200, requires_grad=True)
    dropped = drop(values, fraction)
    share = float((dropped == 0).float().mean())
    assert abs(share - fraction) < 5 * (fraction * (1 - fraction) / 200_000) ** 0.5 + 1e-5
    assert abs(float(dropped.detach().mean()) - 1) < 0.02
    dropped.sum().backward()
    assert values.grad is not None
    assert (values.grad == dropped).all()


def test_dropout_is_torchs_randomness_and_none_at_zero() -> None:
    values = torch.ones(7, 3)
    torch.manual_seed(5)
    first = drop(values, 0.5)
    second = drop(values, 0.5)
    torch.manual_seed(5)
    assert (drop(values, 0.5) == first).all()
    assert not (second == first).all()
    assert drop(values, 0.0) is values
