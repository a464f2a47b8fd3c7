"""Optimizers: each is the paper's algorithm, and goes on from a file as if never stopped."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.batch import Row, pack
from filbert.checkpoint import read_tensors
from filbert.checkpoint.tensors import write_tensors
from filbert.encoder import Encoder, Shape, to_tensors
from filbert.errors import CheckpointError, SettingsError
from filbert.heads import Model, PretrainHead
from filbert.train import OPTIMIZERS, Training
from filbert.train.optimizers.groups import Matrix, matrices
from filbert.train.optimizers.muon import Muon, orthogonalise
from filbert.train.optimizers.stable_adamw import StableAdamW
from filbert.train.optimizers.sums import PIECE, square_sum
from filbert.train.state import load_optimizers, optimizer_tensors

BERT = Shape(vocab=40, depth=2, width=16, attention_heads=2, mlp_width=24, max_positions=16)
MODERN = Shape(
    vocab=40, depth=2, width=16, attention_heads=2, mlp_width=24, max_positions=16, segments=0,
    positions="rotary", norm_place="before", gated=True, bias=False, head_activation="gelu",
)  # fmt: skip
SHAPES = {"bert": BERT, "modern": MODERN}
SETTINGS = Training(steps=10, peak_lr=0.01, matrix_lr=0.02, weight_decay=0.1, epsilon=1e-6)


def make_model(shape: Shape = BERT) -> Model:
    torch.manual_seed(5)
    encoder = Encoder(shape)
    return Model(encoder, PretrainHead(shape, encoder.embeddings.tokens))


def loss_of(model: Model, step: int) -> torch.Tensor:
    """A masked-token loss, of other tokens in each step, with dropout."""
    torch.manual_seed(step)
    random = np.random.default_rng(step)
    rows = [
        Row(random.integers(0, 40, size=12).astype(np.int32), np.zeros(12, np.uint8))
        for _ in range(4)
    ]
    positions = np.sort(random.choice(48, 9, replace=False))
    targets = {"positions": positions, "labels": random.integers(0, 40, size=9)}
    return model.loss(to_tensors(pack(rows, targets), model.encoder.shape)).mean()


def walk(model: Model, optimizers: list[torch.optim.Optimizer], first: int, last: int) -> None:
    """Steps with a rate that changes, as the loop's does."""
    for step in range(first, last):
        model.zero_grad()
        loss_of(model, step).backward()
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak_lr"] * (step + 1) / 10
            optimizer.step()


def assert_same_weights(model: Model, other: Model) -> None:
    theirs = dict(other.named_parameters())
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, theirs[name]), name


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_moves_each_parameter_once_and_lowers_the_loss(
    name: str, shape: str
) -> None:
    model = make_model(SHAPES[shape])
    optimizers = OPTIMIZERS[name](model, SETTINGS)
    held = [p for o in optimizers for group in o.param_groups for p in group["params"]]
    assert len(held) == len({id(p) for p in held}) == len(list(model.parameters()))
    assert all("peak_lr" in group for o in optimizers for group in o.param_groups)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    losses = []
    for _ in range(25):
        model.zero_grad()
        loss = loss_of(model, 0)
        loss.backward()
        losses.append(loss.item())
        for optimizer in optimizers:
            optimizer.step()
    assert losses[-1] < 0.9 * losses[0]
    for parameter_name, parameter in model.named_parameters():
        assert not torch.equal(parameter, before[parameter_name]), parameter_name


def test_frozen_parameters_are_nobodys() -> None:
    for name, make in OPTIMIZERS.items():
        model = make_model()
        model.encoder.blocks[0].requires_grad_(False)
        model.encoder.embeddings.requires_grad_(False)
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        walk(model, make(model, SETTINGS), 0, 2)
        for n, p in model.named_parameters():
            assert torch.equal(p, before[n]) != p.requires_grad, (name, n)


# --- a resumed optimizer


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stop", [1, 4])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_optimizer_goes_on_bit_for_bit(
    name: str, shape: str, stop: int, tmp_path: Path
) -> None:
    whole = make_model(SHAPES[shape])
    walk(whole, OPTIMIZERS[name](whole, SETTINGS), 0, 7)

    stopped = make_model(SHAPES[shape])
    optimizers = OPTIMIZERS[name](stopped, SETTINGS)
    walk(stopped, optimizers, 0, stop)
    write_tensors(tmp_path / "state.safetensors", optimizer_tensors(stopped, optimizers))

    resumed = make_model(SHAPES[shape])
    resumed.load_state_dict(stopped.state_dict())
    optimizers = OPTIMIZERS[name](resumed, SETTINGS)
    load_optimizers(resumed, optimizers, read_tensors(tmp_path / "state.safetensors"), "here")
    walk(resumed, optimizers, stop, 7)
    assert_same_weights(resumed, whole)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_memory_of_parameters_that_had_no_gradient_yet_is_their_beginning(name: str) -> None:
    """Saved before the first step and loaded: as if nothing had been done."""
    whole, saved = make_model(), make_model()
    optimizers = OPTIMIZERS[name](saved, SETTINGS)
    arrays = optimizer_tensors(saved, optimizers)
    # But for LoRA's: the matrices as they were, and the factors that were drawn.
    begun = {name for name, array in arrays.items() if array.any()}
    assert all(name.startswith(("base/", "down/")) for name in begun)
    load_optimizers(saved, optimizers, arrays, "here")
    walk(saved, optimizers, 0, 3)
    walk(whole, OPTIMIZERS[name](whole, SETTINGS), 0, 3)
    assert_same_weights(saved, whole)


def memory(name: str, shape: Shape = BERT) -> dict[str, np.ndarray]:
    model = make_model(shape)
    optimizers = OPTIMIZERS[name](model, SETTINGS)
    walk(model, optimizers, 0, 1)
    return optimizer_tensors(model, optimizers)


def a_block(array: str) -> str:
    return f"{array}/encoder.blocks.0.qkv.weight"


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        ("adamw", lambda _: memory("muon"), "momentum_buffer/encoder.blocks.0.qkv.weight"),
        ("muon", lambda _: memory("lamb"), "step/encoder.blocks.0.qkv.weight"),
        ("lamb", lambda _: memory("lamb", MODERN), r"exp_avg\w*/encoder.*shape \(48, 16\)"),
        (
            "stable_adamw",
            lambda good: good | {a_block("exp_avg"): np.zeros((16, 48), np.float32)},
            r"exp_avg/.*qkv.weight: expected float32 of shape \(48, 16\), .* \(16, 48\)",
        ),
        (
            "adamw",
            lambda good: good | {a_block("exp_avg"): np.zeros((48, 16), np.float64)},
            "exp_avg/.*qkv.weight: expected float32 .* got float64",
        ),
        (
            "adamw",
            lambda good: good | {a_block("step"): np.zeros(1, np.float32)},
            r"step/.*qkv.weight: expected float32 of shape \(\), got .*\(1,\)",
        ),
        (
            "muon",
            lambda good: {n: a for n, a in good.items() if n != a_block("momentum_buffer")},
            "momentum_buffer/encoder.blocks.0.qkv.weight is missing, and 0 others",
        ),
        ("adamw", lambda good: good | {"exp_avg/nobody": np.zeros(3, np.float32)}, "nobody"),
    ],
)
def test_a_file_of_another_model_or_optimizer_is_refused_by_name(
    name: str, spoil: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]], words: str
) -> None:
    model = make_model()
    optimizers = OPTIMIZERS[name](model, SETTINGS)
    with pytest.raises(CheckpointError, match=words) as caught:
        load_optimizers(model, optimizers, spoil(memory(name)), "some/file")
    assert str(caught.value).startswith("some/file: ")
    assert all(not optimizer.state for optimizer in optimizers)


# --- AdamW


def test_adamw_is_torchs_with_the_papers_groups() -> None:
    mine, other = make_model(), make_model()
    walk(mine, OPTIMIZERS["adamw"](mine, SETTINGS), 0, 5)
    parameters = list(other.named_parameters())
    bare = [p for n, p in parameters if n.endswith("bias") or "norm" in n]
    decayed = [p for n, p in parameters if not (n.endswith("bias") or "norm" in n)]
    plain = torch.optim.AdamW(
        [{"params": decayed}, {"params": bare, "weight_decay": 0.0}],
        weight_decay=SETTINGS.weight_decay,
        eps=SETTINGS.epsilon,
        fused=True,
    )
    for group in plain.param_groups:
        group["peak_lr"] = SETTINGS.peak_lr
    walk(other, [plain], 0, 5)
    assert_same_weights(mine, other)


# --- StableAdamW


class PlainStableAdamW:
    """Wortsman et al. 2023, algorithm 2, line by line, in float64."""

    def __init__(self, weight: np.ndarray):
        self.theta = weight.astype(np.float64)
        self.v = self.u = np.zeros_like(self.theta)
        self.t = 0

    def step(self, g: np.ndarray, alpha: float, decay: float, b1: float, b2: float, eps: float):
        self.t += 1
        beta1 = b1 * (1 - b1 ** (self.t - 1)) / (1 - b1**self.t)
        beta2 = b2 * (1 - b2 ** (self.t - 1)) / (1 - b2**self.t)
        self.v = beta1 * self.v + (1 - beta1) * g
        self.u = beta2 * self.u + (1 - beta2) * g**2
        rms = math.sqrt(np.mean(g**2 / np.maximum(self.u, eps**2)))
        eta = alpha / max(1.0, rms)
        self.theta = self.theta * (1 - eta * decay) - eta * self.v / (np.sqrt(self.u) + eps)
        return rms


GRADIENTS = st.lists(st.floats(-3, 3), min_size=2, max_size=6)
"""Sizes of a step's gradients, as powers of ten."""


@given(sizes=GRADIENTS, seed=st.integers(0, 99), beta2=st.sampled_from([0.5, 0.95, 0.999]))
@settings(deadline=None, max_examples=40)
def test_stable_adamw_is_the_papers_algorithm(sizes: list[float], seed: int, beta2: float) -> None:
    random = np.random.default_rng(seed)
    weights = [random.normal(size=shape) * 0.02 for shape in [(7, 5), (11,)]]
    parameters = [torch.nn.Parameter(torch.tensor(w, dtype=torch.float32)) for w in weights]
    optimizer = StableAdamW(
        [{"params": parameters, "peak_lr": 0.01, "weight_decay": 0.1}],
        lr=0.01,
        betas=(0.9, beta2),
        eps=1e-6,
    )
    plain = [PlainStableAdamW(w) for w in weights]
    for size in sizes:
        for parameter, other in zip(parameters, plain, strict=True):
            gradient = random.normal(size=parameter.shape) * 10**size
            gradient.flat[:2] = 0  # as of embeddings of tokens that were not read
            parameter.grad = torch.tensor(gradient, dtype=torch.float32)
            other.step(parameter.grad.double().numpy(), 0.01, 0.1, 0.9, beta2, 1e-6)
        optimizer.step()
    for parameter, other in zip(parameters, plain, strict=True):
        assert np.allclose(parameter.detach().numpy(), other.theta, rtol=1e-4, atol=1e-6)


def test_stable_adamw_shortens_the_step_after_a_burst_and_no_other() -> None:
    """Steady gradients have an RMS of 1, and AdamW's steps; a burst has more."""
    parameter = torch.nn.Parameter(torch.zeros(PIECE + 1000))  # more than one piece
    twin = torch.nn.Parameter(torch.zeros(PIECE + 1000))
    stable = StableAdamW([{"params": [parameter]}], lr=0.01, betas=(0.9, 0.99), eps=1e-8)
    plain = torch.optim.AdamW(
        [twin], lr=0.01, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.0, fused=True
    )
    signs = torch.ones_like(parameter)
    signs[::2] = -1
    moved = []
    for size in (1.0, 1.0, 1.0, 100.0):
        before = parameter.detach().clone()
        parameter.grad = signs * size
        twin.grad = parameter.grad.clone()
        stable.step()
        plain.step()
        moved.append(float((parameter.detach() - before).abs().max()))
        if size == 1.0:
            assert torch.allclose(parameter, twin, rtol=1e-6)
    u = (0.99 * (1 - 0.99**3) + 0.01 * 1e4) / (1 - 0.99**4)
    mean = (0.9 * (1 - 0.9**3) + 0.1 * 100) / (1 - 0.9**4)
    rms = 100 / math.sqrt(u)
    assert rms > 1.5
    assert moved[-1] == pytest.approx(0.01 / rms * mean / math.sqrt(u), rel=1e-3)


def test_a_sum_of_squares_does_not_depend_on_how_a_tensor_is_cut() -> None:
    tensor = torch.randn(5 * PIECE + 3, generator=torch.Generator().manual_seed(0)) * 0.02
    exact = tensor.double().square().sum().item()
    assert square_sum(tensor).item() == pytest.approx(exact, rel=5e-7)
    halves = [square_sum(half).item() for half in (tensor[:PIECE], tensor[PIECE:])]
    assert sum(halves) == pytest.approx(exact, rel=5e-7)
    assert square_sum(tensor[:0]).item() == 0


def test_stable_adamw_needs_a_memory_of_squares() -> None:
    with pytest.raises(SettingsError, match=r"train\.beta2 must be above 0"):
        OPTIMIZERS["stable_adamw"](make_model(), Training(steps=1, beta2=0.0))


# --- LAMB


def plain_lamb(
    x: np.ndarray, gradients: list[np.ndarray], eta: float, decay: float, adapt: bool
) -> np.ndarray:
    """You et al. 2020, algorithm 2, line by line, in float64."""
    m = v = np.zeros_like(x)
    for t, g in enumerate(gradients, 1):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        r = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-6)
        update = r + decay * x
        norm, length = np.linalg.norm(x), np.linalg.norm(update)
        ratio = norm / length if adapt and norm and length else 1.0
        x = x - eta * ratio * update
    return x


@given(sizes=GRADIENTS, seed=st.integers(0, 99), scale=st.sampled_from([0.0, 0.02, 3.0]))
@settings(deadline=None, max_examples=40)
def test_lamb_is_the_papers_algorithm(sizes: list[float], seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    model = torch.nn.Linear(5, 7)
    x = {n: random.normal(size=p.shape) * scale for n, p in model.named_parameters()}
    with torch.no_grad():
        for n, p in model.named_parameters():
            p.copy_(torch.tensor(x[n]))
    (optimizer,) = OPTIMIZERS["lamb"](model, SETTINGS)
    gradients: dict[str, list[np.ndarray]] = {n: [] for n in x}
    for size in sizes:
        for n, p in model.named_parameters():
            p.grad = torch.tensor(random.normal(size=p.shape) * 10**size, dtype=torch.float32)
            gradients[n].append(p.grad.double().numpy())
        optimizer.step()
    for n, p in model.named_parameters():
        matrix = n == "weight"
        expected = plain_lamb(x[n], gradients[n], 0.01, 0.1 if matrix else 0.0, matrix)
        assert np.allclose(p.detach().numpy(), expected, rtol=1e-4, atol=1e-6), n


# --- Muon


@pytest.mark.parametrize("size", [(16, 16), (48, 16), (16, 96)])
def test_an_orthogonalised_matrix_keeps_its_directions_and_has_lengths_near_one(
    size: tuple[int, int],
) -> None:
    random = torch.Generator().manual_seed(3)
    given_ = torch.randn(3, *size, generator=random, dtype=torch.float64)
    left, _, right = torch.linalg.svd(given_, full_matrices=False)
    # Lengths over a factor of fifty, and each matrix of another size.
    lengths = torch.logspace(0, math.log10(0.02), min(size), dtype=torch.float64)
    scales = torch.tensor([1e-4, 1.0, 1e4], dtype=torch.float64)[:, None, None]
    given_ = left @ torch.diag(lengths) @ right * scales
    made = orthogonalise(given_.float()).double()
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.65
    assert values.max() < 1.25
    turned = left.mT @ made @ right.mT
    off_diagonal = turned - torch.diag_embed(turned.diagonal(dim1=1, dim2=2))
    assert off_diagonal.abs().max() < 1e-3


def test_muon_is_torchs_own_where_a_weight_is_oneMatrix() -> None:
    random = torch.Generator().manual_seed(1)
    first = torch.randn(24, 16, generator=random)
    mine, other = torch.nn.Parameter(first.clone()), torch.nn.Parameter(first.clone())
    muon = Muon([Matrix(mine)], lr=0.02, momentum=0.95, weight_decay=0.1, dtype=torch.bfloat16)
    torchs = torch.optim.Muon(
        [other], lr=0.02, momentum=0.95, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    for _ in range(4):
        before = mine.detach().clone()
        mine.grad = torch.randn(24, 16, generator=random)
        other.grad = mine.grad.clone()
        muon.step()
        torchs.step()
        # Products in bfloat16 have eight bits; sums in another order end in other ones.
        moved = (mine - before).norm()
        assert (mine - other).norm() < 0.02 * moved
    buffers = [o.state[p]["momentum_buffer"] for o, p in ((muon, mine), (torchs, other))]
    assert torch.equal(*buffers)


def test_muon_takes_the_layers_matrices_alone_and_each_part_of_them_by_itself() -> None:
    for shape, gated in ((BERT, 1), (MODERN, 2)):
        model = make_model(shape)
        muon, adamw = OPTIMIZERS["muon"](model, SETTINGS)
        held = {id(p) for group in muon.param_groups for p in group["params"]}
        names = {n for n, p in model.named_parameters() if id(p) in held}
        assert names == {
            f"encoder.blocks.{layer}.{name}.weight"
            for layer in range(2)
            for name in ("qkv", "out", "up", "down")
        }
        assert {group["peak_lr"] for group in muon.param_groups} == {0.02}
        assert {group["peak_lr"] for group in adamw.param_groups} == {0.01}
        parts = {id(m.weight): m.parts for m in matrices(model)}
        block = model.encoder.blocks[0]
        assert [parts[id(w.weight)] for w in (block.qkv, block.out, block.up, block.down)] == [
            3, 1, gated, 1,
        ]  # fmt: skip


def test_one_part_of_a_weight_does_not_shrink_anothers_step() -> None:
    """The query's gradient is a thousand times the key's; both steps are as large, as for two."""
    random = torch.Generator().manual_seed(1)
    weight = torch.nn.Parameter(torch.zeros(48, 16))
    weight.grad = torch.randn(48, 16, generator=random)
    weight.grad[:16] *= 1000
    Muon([Matrix(weight, 3)], lr=1.0, momentum=0.95, weight_decay=0.0).step()
    parts = weight.detach().view(3, 16, 16)
    alone = [
        -0.2 * math.sqrt(16) * orthogonalise(part[None])[0] for part in weight.grad.view(3, 16, 16)
    ]
    assert torch.allclose(parts, torch.stack(alone), atol=1e-3)
    rms = parts.square().mean(dim=(1, 2)).sqrt()
    assert ((rms > 0.15) & (rms < 0.25)).all()  # as AdamW's: 0.2


def test_muon_computes_in_bfloat16_where_the_run_does() -> None:
    def dtypes(precision: str) -> set[torch.dtype]:
        muon, _ = OPTIMIZERS["muon"](make_model(), Training(steps=1, precision=precision))
        return {group["dtype"] for group in muon.param_groups}

    assert dtypes("bf16") == {torch.bfloat16}
    assert dtypes("fp32") == dtypes("auto") == {torch.float32}


def test_without_matrix_lr_muon_has_the_peak_of_the_rest() -> None:
    optimizers = OPTIMIZERS["muon"](make_model(), Training(steps=1, peak_lr=3e-4))
    assert {g["peak_lr"] for o in optimizers for g in o.param_groups} == {3e-4}
