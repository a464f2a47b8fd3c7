"""LoRA as an optimizer: what a network with factors beside its matrices would learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import filbert
from filbert.checkpoint import load, model_tensors
from filbert.train.optimizers.groups import Matrix
from filbert.train.optimizers.lora import Lora

TEXTS = [{"text": t, "label": n} for t, n in [("a b", "x"), ("b c", "y"), ("c a", "x")] * 8]


@pytest.mark.parametrize("parts", [1, 3])
def test_it_learns_what_the_factors_themselves_would(parts: int) -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(6, 5))
    base = weight.detach().clone()
    inputs, wanted = torch.randn(20, 5), torch.randn(20, 6)
    options = {"betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.01}
    ours = Lora([Matrix(weight, parts)], lr=0.05, rank=2, scale=1.5, seed=3, **options)
    state = ours.state[weight]
    up = torch.nn.Parameter(state["up"].clone())
    down = torch.nn.Parameter(state["down"].clone())
    theirs = torch.optim.AdamW([up, down], lr=0.05, **options)
    for _ in range(30):
        weight.grad = None
        (inputs @ weight.T - wanted).square().mean().backward()
        ours.step()
        theirs.zero_grad()
        added = 1.5 * torch.bmm(up, down).reshape(6, 5)
        (inputs @ (base + added).T - wanted).square().mean().backward()
        theirs.step()
    added = 1.5 * torch.bmm(up, down).reshape(6, 5)
    assert torch.allclose(weight, base + added, atol=1e-5)
    assert torch.linalg.matrix_rank(weight.detach() - base) <= 2 * parts


def tune(start: Any, out: Path, *settings: str, steps: int = 8) -> Any:
    usual = [f"train.steps={steps}", "train.peak_lr=1e-2", "train.evaluations=0"]
    return filbert.finetune(
        "classify", TEXTS, out, start=start, dev=TEXTS[:4], settings=[*usual, *settings]
    )


def test_only_matrices_and_the_head_change(world: Any, plan: Any, tmp_path: Path) -> None:
    start = filbert.pretrain(world.shards, tmp_path / "start", plan=plan)
    tuned = tune(start, tmp_path / "tuned", "train.optimizer=lora", "train.lora_rank=2")
    before, after = (model_tensors(load(folder)) for folder in (start, tuned))
    changed = {name for name in before.keys() & after.keys() if (before[name] != after[name]).any()}
    assert changed
    assert all(
        name.endswith(("qkv.weight", "out.weight", "up.weight", "down.weight")) for name in changed
    )
    for name in changed:
        apart = after[name] - before[name]
        assert np.linalg.matrix_rank(apart, tol=1e-5) <= 2 * (3 if "qkv" in name else 1)


def test_a_stopped_run_goes_on_bit_for_bit(
    world: Any, plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = filbert.pretrain(world.shards, tmp_path / "start", plan=plan)
    settings = ["train.optimizer=lora", "train.lora_rank=2", "train.save_every_seconds=0"]
    settings += ["train.keep_folders=9"]
    whole = tune(start, tmp_path / "whole", *settings)
    half = tmp_path / "half"
    tune(start, half, *settings)
    for step in sorted(half.glob("step-*"))[4:]:
        for file in sorted(step.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        step.rmdir()
    again = tune(start, half, *settings)
    one, two = model_tensors(load(whole)), model_tensors(load(again))
    assert all((one[name] == two[name]).all() for name in one)


def test_what_is_frozen_stays(world: Any, plan: Any, tmp_path: Path) -> None:
    start = filbert.pretrain(world.shards, tmp_path / "start", plan=plan)
    before = model_tensors(load(start))
    for number, (settings, still) in enumerate(
        {
            ("adapt.head_only=true",): ("encoder.",),
            ("adapt.frozen_layers=1",): ("encoder.embeddings.", "encoder.blocks.0."),
        }.items()
    ):
        after = model_tensors(load(tune(start, tmp_path / f"run-{number}", *settings)))
        for name in before.keys() & after.keys():
            assert (before[name] == after[name]).all() == name.startswith(still), name


def test_layers_further_down_learn_less(world: Any, plan: Any, tmp_path: Path) -> None:
    start = filbert.pretrain(world.shards, tmp_path / "start", plan=plan)
    before = model_tensors(load(start))
    after = model_tensors(
        load(tune(start, tmp_path / "run", "train.layer_decay=0.01", "train.weight_decay=0"))
    )
    moved = [
        float(np.abs(after[name] - before[name]).max())
        for name in (
            "encoder.embeddings.norm.weight",
            "encoder.blocks.0.mlp_norm.weight",
            "encoder.blocks.1.mlp_norm.weight",
        )
    ]
    assert moved[0] < 0.1 * moved[1] < 0.01 * moved[2]


def test_layers_from_above_are_drawn_anew(world: Any, plan: Any, tmp_path: Path) -> None:
    start = filbert.pretrain(world.shards, tmp_path / "start", plan=plan)
    before = model_tensors(load(start))
    settings = ("adapt.fresh_layers=1", "train.peak_lr=0")
    after = model_tensors(load(tune(start, tmp_path / "run", *settings)))
    changed = {n for n in before.keys() & after.keys() if (before[n] != after[n]).any()}
    assert changed
    assert all(name.startswith("encoder.blocks.1.") for name in changed)
