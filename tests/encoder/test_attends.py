"""Every attend gives the plain formula's numbers, for any packing and window."""

from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch import Tensor

from filbert.batch import Row, pack
from filbert.encoder import (
    Encoder,
    PackedTensors,
    Shape,
    attend_plain,
    attend_runs,
    attend_varlen,
    attention,
    to_tensors,
)
from filbert.encoder.attention import Attend, choose_attend

MODERN = Shape(
    4,
    32,
    4,
    48,
    99,
    600,
    segments=0,
    dropout_fraction=0.0,
    positions="rotary",
    norm_place="before",
    gated=True,
    bias=False,
    window=6,
    global_every=3,
    theta=160_000.0,
    head_activation="gelu",
)


def packed_of(lengths: list[int], device: str = "cpu") -> PackedTensors:
    random = np.random.default_rng(0)
    rows = [
        Row(random.integers(0, 99, length).astype(np.int32), np.zeros(length, np.uint8))
        for length in lengths
    ]
    return to_tensors(pack(rows), MODERN, device)


def answer_and_gradient(
    attend: Attend, qkv: Tensor, packed: PackedTensors, window: int
) -> tuple[Tensor, Tensor]:
    qkv = qkv.clone().requires_grad_()
    answer = attend(qkv, packed, 0.0, window)
    weighting = torch.randn(answer.shape, generator=torch.Generator().manual_seed(1))
    (answer.float() * weighting.to(answer.device)).sum().backward()
    assert qkv.grad is not None
    return answer.detach(), qkv.grad


@settings(max_examples=40, deadline=None)
@given(
    lengths=some.lists(some.integers(1, 90), min_size=1, max_size=5),
    window=some.sampled_from([0, 1, 2, 5, 8, 30, 100]),
    queries_at_once=some.sampled_from([1, 3, 8, 64]),
)
def test_runs_are_the_plain_formula(lengths: list[int], window: int, queries_at_once: int) -> None:
    packed = packed_of(lengths)
    qkv = torch.randn(sum(lengths), 3, 2, 4, generator=torch.Generator().manual_seed(0))
    wanted = answer_and_gradient(attend_plain, qkv, packed, window)
    with mock.patch.object(attention, "QUERIES_AT_ONCE", queries_at_once):
        got = answer_and_gradient(attend_runs, qkv, packed, window)
    for mine, other in zip(got, wanted, strict=True):
        assert (mine - other).abs().max() <= 1e-5


def test_long_sequences_in_blocks_are_the_plain_formula() -> None:
    lengths = [520, 520, 257]
    packed = packed_of(lengths)
    qkv = torch.randn(sum(lengths), 3, 2, 4, generator=torch.Generator().manual_seed(0))
    for window in (4, 64, 90):
        difference = attend_runs(qkv, packed, 0.0, window) - attend_plain(qkv, packed, 0.0, window)
        assert difference.abs().max() <= 1e-5


def test_a_token_sees_its_window_and_no_further() -> None:
    weights = attention.attention_weights(torch.randn(2, 40, 8), torch.randn(2, 40, 8), 3)
    distance = (torch.arange(40)[:, None] - torch.arange(40)).abs()
    assert ((weights > 0) == (distance <= 3)).all()
    assert (weights.sum(-1) - 1).abs().max() <= 1e-6


@pytest.mark.parametrize("attend", [attend_plain, attend_runs])
@pytest.mark.parametrize("window", [0, 5])
def test_dropout_of_attention_weights_is_unbiased(attend: Attend, window: int) -> None:
    torch.manual_seed(0)
    draws, qkv = 400, torch.randn(20, 3, 2, 4)
    drawn = attend(qkv.repeat(draws, 1, 1, 1), packed_of([20] * draws), 0.3, window)
    drawn = drawn.view(draws, 20, 2, 4)
    wanted = attend_plain(qkv, packed_of([20]), 0.0, window)
    assert drawn.std(0).min() > 0.05
    error = (drawn.mean(0) - wanted).abs() / (drawn.std(0) / draws**0.5)
    assert error.mean() < 1.2  # 0.8 if equal


def test_answers_do_not_depend_on_gradients_or_autocast_being_on() -> None:
    """Without gradients the turns are made in place and the feed-forward part in parts."""
    for shape in (MODERN, Shape(2, 32, 4, 160, 99, 600)):
        torch.manual_seed(0)
        encoder = Encoder(shape).eval()
        packed = packed_of([3, 40, 40, 300])
        with_gradients = encoder(packed)
        with torch.inference_mode():
            without = encoder(packed)
            with torch.autocast("cpu", torch.bfloat16):
                half = encoder(packed)
        assert (with_gradients - without).abs().max() <= 2e-6
        assert half.dtype == torch.float32
        assert 0 < (half - without).abs().max() < 1e-2


def test_training_drops_the_same_with_and_without_gradients() -> None:
    for shape in (MODERN, Shape(2, 32, 4, 160, 99, 600)):
        encoder = Encoder(shape).train()
        encoder.dropout_fraction = encoder.attention_dropout_fraction = 0.2
        packed = packed_of([3, 40, 40, 300])
        with torch.inference_mode():  # tables of turns that were made here serve training, too
            encoder(packed)
        torch.manual_seed(0)
        dropped = encoder(packed)
        torch.manual_seed(0)
        with torch.no_grad():
            again = encoder(packed)
        assert (dropped - again).abs().max() <= 2e-6
        assert (dropped - encoder.eval()(packed)).abs().max() > 1e-2
        dropped.square().sum().backward()
        unread = {"embeddings.segments.weight"} if shape.segments else set()
        for name, parameter in encoder.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any() or name in unread, name


def test_varlen_is_chosen_where_the_flash_kernel_runs() -> None:
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    assert choose_attend(cuda, torch.bfloat16, 0.0, 32) is attend_varlen
    assert choose_attend(cuda, torch.bfloat16, 0.0, 20) is attend_runs
    assert choose_attend(cuda, torch.bfloat16, 0.1) is attend_runs
    assert choose_attend(cuda, torch.float32, 0.0) is attend_runs
    assert choose_attend(cpu, torch.bfloat16, 0.0) is attend_runs
    with (
        mock.patch("torch.cuda.is_available", return_value=True),
        mock.patch("torch.cuda.get_device_capability", return_value=(7, 5)),
    ):
        assert choose_attend(cuda, torch.float16, 0.0) is attend_runs


@pytest.mark.gpu
@pytest.mark.parametrize("window", [0, 4, 64])
@pytest.mark.parametrize("lengths", [[1], [3, 17, 64, 64], [300, 5, 599]])
def test_varlen_is_the_plain_formula(lengths: list[int], window: int) -> None:
    packed = packed_of(lengths, "cuda")
    qkv = torch.randn(sum(lengths), 3, 4, 64, device="cuda", dtype=torch.bfloat16)
    wanted = answer_and_gradient(attend_plain, qkv.float(), packed, window)
    got = answer_and_gradient(attend_varlen, qkv, packed, window)
    for mine, other in zip(got, wanted, strict=True):
        assert (mine.float() - other).abs().max() <= 2e-2 * other.abs().max()


@pytest.mark.gpu
@pytest.mark.parametrize("shape", [MODERN, Shape(2, 32, 4, 160, 99, 600)])
def test_the_encoder_on_a_gpu_gives_the_cpus_numbers(shape: Shape) -> None:
    torch.manual_seed(0)
    encoder = Encoder(shape).eval()
    lengths = [3, 40, 40, 300]
    with torch.inference_mode():
        wanted = encoder(packed_of(lengths))
        encoder.to("cuda")
        assert (encoder(packed_of(lengths, "cuda")).cpu() - wanted).abs().max() < 1e-3
        with torch.autocast("cuda", torch.bfloat16):
            half = encoder(packed_of(lengths, "cuda"))
        assert (half.cpu() - wanted).abs().max() < 3e-2
