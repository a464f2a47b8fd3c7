"""Which checkpoints stay: the last ones, and the best."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import filbert
from filbert.train import Plan, RunFolder


def make(run: Path, step: int, scores: dict[str, Any]) -> Path:
    place = RunFolder(run).place(step)
    place.mkdir(parents=True)
    (place / "scores.json").write_text(json.dumps({"format": 1, "scores": scores}))
    return place


@settings(max_examples=40, deadline=None)
@given(
    scores=st.lists(st.none() | st.floats(0, 1, width=16), min_size=1, max_size=8),
    keep=st.integers(1, 4),
)
def test_the_last_and_the_best_stay(
    tmp_path_factory: pytest.TempPathFactory, scores: list[float | None], keep: int
) -> None:
    """Whatever is scored when, tidied up after each checkpoint as a run does."""
    run = tmp_path_factory.mktemp("keeping") / "run"
    for step, value in enumerate(scores, start=1):
        make(run, step, {} if value is None else {"accuracy": value, "loss": -value})
        RunFolder(run).tidy(keep, score="accuracy")
    left = {int(folder.path.name[5:]) for folder in RunFolder(run).steps()}
    last = set(range(1, len(scores) + 1)[-keep:])
    scored = [(value, step) for step, value in enumerate(scores, start=1) if value is not None]
    assert left == last | ({max(scored)[1]} if scored else set())
    if scored:
        assert (run / "best").resolve() == RunFolder(run).place(max(scored)[1]).resolve()
    else:
        assert not (run / "best").is_symlink()


def test_without_a_score_to_go_by_only_the_last_stay(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        make(tmp_path, step, {"accuracy": 1 / step})
    RunFolder(tmp_path).tidy(3, score="accuracy")
    assert (tmp_path / "best").readlink() == Path("step-00000001")
    RunFolder(tmp_path).tidy(1)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["step-00000003"]


def test_a_score_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    for step, value in enumerate([None, "high", [1.0]], start=1):
        make(tmp_path, step, {"accuracy": value})
    make(tmp_path, 4, {"accuracy": 0.25})
    (tmp_path / "best").write_text("mine")
    RunFolder(tmp_path).tidy(1, score="accuracy")
    assert [folder.path.name for folder in RunFolder(tmp_path).steps()] == ["step-00000004"]
    assert (tmp_path / "best").read_text() == "mine"


def test_a_run_keeps_its_best_weights_with_their_own_scores(
    world: Any, plan: Plan, tmp_path: Path
) -> None:
    """A rate that is far too high in the end: the best lies on the way, and answers as it said."""
    wild: dict[str, Any] = {
        "steps": 12,
        "evaluate_every_steps": 2,
        "keep_best": True,
        "keep_folders": 1,
    }
    wild |= {"schedule": "constant", "peak_lr": 3e-2, "warmup_fraction": 0.9, "clip_norm": 0.0}
    run = tmp_path / "run"
    filbert.pretrain(world.shards, run, plan=replace(plan, train=replace(plan.train, **wild)))
    lines = [line for line in RunFolder(run).read_log() if "scores" in line]
    best = RunFolder(run).best("accuracy")
    assert best is not None
    assert (run / "best").readlink() == Path(best.path.name)
    assert best.scores() == max((line["scores"] for line in lines), key=lambda s: s["accuracy"])
    assert best.scores() in [e["scores"] for e in lines if best.path.name == f"step-{e['step']:08}"]
    assert len(RunFolder(run).steps()) == len({"step-00000012", best.path.name})
    moved = run.rename(tmp_path / "moved")
    assert (moved / "best" / "model.safetensors").exists()


def test_scores_are_never_those_of_other_weights(world: Any, plan: Plan, tmp_path: Path) -> None:
    every = replace(plan.train, steps=4, evaluate_every_steps=2, save_every_seconds=0.0)
    scored = replace(plan, train=replace(every, keep_folders=9))
    filbert.pretrain(world.shards, tmp_path / "run", plan=scored)
    found = [bool(folder.scores()) for folder in RunFolder(tmp_path / "run").steps()]
    assert found == [False, True, False, True]
