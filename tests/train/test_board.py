"""Event files, read back with TensorBoard's own reader."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from filbert.errors import FilbertError
from filbert.tasks import Scores
from filbert.train import Dropped, Evaluated, Plan, RunFolder, Stepped, pretrain
from filbert.train.board import Board
from filbert.train.curves import read_curves


def stepped(step: int, loss: float = 2.0) -> Stepped:
    figures = {"masked_accuracy": 0.25, "roof_share": 0.4}
    return Stepped(step, 0.1, loss, 1e-3, 1.5, 100 * step, 100, 0.5, 200.0, 0.1, figures)


def show(run: Path, *events: Any) -> None:
    with Board(run) as board:
        for event in events:
            board.show(event)


def points(run: Path, tag: str) -> list[tuple[int, float]]:
    read = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
    read.Reload()
    return [(point.step, round(point.value, 4)) for point in read.Scalars(tag)]


def tags(run: Path) -> set[str]:
    read = EventAccumulator(str(run / "tensorboard"))
    read.Reload()
    return set(read.Tags()["scalars"])


def test_steps_and_scores_are_there(tmp_path: Path) -> None:
    scores = Evaluated(2, Scores({"accuracy": 0.5, "loss": 1.75}))
    show(tmp_path, stepped(1, 3.0), Dropped(2, 0.1, "x", [], 0.1), stepped(2, 2.5), scores)
    assert points(tmp_path, "train/loss") == [(1, 3.0), (2, 2.5)]
    assert points(tmp_path, "train/masked_accuracy") == [(1, 0.25), (2, 0.25)]
    assert points(tmp_path, "dev/accuracy") == [(2, 0.5)]
    assert tags(tmp_path) >= {
        "train/learning_rate", "train/gradient_norm", "train/tokens", "train/batch_tokens",
        "train/tokens_per_second", "train/roof_share", "dev/loss",
    }  # fmt: skip


def test_a_resumed_run_shows_no_point_twice(tmp_path: Path) -> None:
    first = [stepped(step, 10.0 + step) for step in range(1, 8)]
    show(tmp_path, *first, Evaluated(7, Scores({"loss": 9.0})))
    # The checkpoint was of step 4.
    show(tmp_path, *(stepped(step, 20.0 + step) for step in range(5, 8)))
    show(tmp_path, stepped(8, 28.0), Evaluated(8, Scores({"loss": 1.0})))
    wanted = [
        (1, 11.0),
        (2, 12.0),
        (3, 13.0),
        (4, 14.0),
        (5, 25.0),
        (6, 26.0),
        (7, 27.0),
        (8, 28.0),
    ]
    assert points(tmp_path, "train/loss") == wanted
    assert points(tmp_path, "dev/loss") == [(8, 1.0)]
    # Nor in the files themselves, for readers that know no restarts.
    assert len(raw_steps(tmp_path)) == len(wanted)


def raw_steps(run: Path) -> list[int]:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    return [
        event.step
        for file in sorted((run / "tensorboard").iterdir())
        for event in EventFileLoader(str(file)).Load()
        if any(value.tag == "train/loss" for value in event.summary.value)
    ]


def test_a_run_that_is_scored_again_keeps_its_last_step(tmp_path: Path) -> None:
    show(tmp_path, stepped(1), stepped(2), Evaluated(2, Scores({"loss": 5.0})))
    show(tmp_path, Evaluated(2, Scores({"loss": 4.0})))
    assert points(tmp_path, "train/loss") == [(1, 2.0), (2, 2.0)]
    assert points(tmp_path, "dev/loss") == [(2, 4.0)]


def test_a_run_from_the_beginning_leaves_nothing_of_the_old_one(tmp_path: Path) -> None:
    show(tmp_path, *(stepped(step, 5.0) for step in range(1, 5)))
    show(tmp_path, stepped(1, 7.0))
    assert points(tmp_path, "train/loss") == [(1, 7.0)]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 400), st.integers(1, 6))
def test_what_a_crash_cut_off_is_no_trouble(
    tmp_path_factory: pytest.TempPathFactory, cut: int, again: int
) -> None:
    run = tmp_path_factory.mktemp("run")
    show(run, *(stepped(step, float(step)) for step in range(1, 6)))
    (file,) = (run / "tensorboard").iterdir()
    file.write_bytes(file.read_bytes()[:-cut])
    show(run, *(stepped(step, 100.0 + step) for step in range(again, 7)))
    found = points(run, "train/loss")
    # All that is made again is there once; of what is older, no more than the crash left.
    assert [point for point in found if point[0] >= again] == [
        (step, 100.0 + step) for step in range(again, 7)
    ]
    older = [step for step, _ in found if step < again]
    assert older == list(range(1, len(older) + 1))


def test_garbage_at_the_end_is_cut_off(tmp_path: Path) -> None:
    show(tmp_path, stepped(1), stepped(2))
    (file,) = (tmp_path / "tensorboard").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole + b"\0" * 4096)
    show(tmp_path, stepped(3))
    assert file.read_bytes() == whole
    assert [step for step, _ in points(tmp_path, "train/loss")] == [1, 2, 3]


def test_a_board_without_an_event_writes_nothing(tmp_path: Path) -> None:
    show(tmp_path, Dropped(1, 0.1, "x", [], 0.1))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_is_named(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("a file")
    with pytest.raises(FilbertError, match=r"tensorboard could not be written: .*=false"):
        show(tmp_path, stepped(1))


def test_without_the_library_it_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filbert.train.board.find_spec", lambda name: None)
    said: list[str] = []
    with Board(tmp_path, said.append) as board:
        board.show(stepped(1))
        board.show(stepped(2))
    assert len(said) == 1
    assert "pip install 'filbert[train]'" in said[0]
    assert list(tmp_path.iterdir()) == []


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    """Nothing before the first event, and TensorFlow never, which tensorboard's writers load."""
    code = f"""
import sys
from pathlib import Path
from filbert.train import Stepped
from filbert.train.board import Board
assert not any(name.startswith("tensorboard") for name in sys.modules)
sys.modules["tensorflow"] = None  # to import it is an error now
with Board(Path({str(tmp_path)!r})) as board:
    board.show(Stepped(1, 0.1, 2.0, 1e-3, 1.5, 1, 1, 0.5, 2.0, 0.1, {{}}))
assert not {{"grpc", "tensorboard.backend", "PIL"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert points(tmp_path, "train/loss") == [(1, 2.0)]


def test_a_run_writes_what_its_log_says(world: Any, plan: Plan, tmp_path: Path) -> None:
    run = tmp_path / "run"
    made = replace(plan, train=replace(plan.train, save_every_seconds=0.0, keep_folders=50))
    pretrain(world.shards, run, plan=made)
    # As if it had been killed before its last steps were saved: it makes them again.
    for step in RunFolder(run).steps()[-3:]:
        shutil.rmtree(step.path)
    pretrain(world.shards, run, plan=made)
    curves = read_curves(run)
    assert [step for step, _ in points(run, "train/loss")] == curves.steps.tolist()
    for name in ("loss", "masked_accuracy", "learning_rate"):
        found = curves.curve(name)
        assert found is not None
        assert [value for _, value in points(run, f"train/{name}")] == pytest.approx(
            found[1].tolist(), abs=1e-4
        )
    assert raw_steps(run) == curves.steps.tolist()
    assert points(run, "dev/accuracy")[-1][0] == curves.steps[-1]


def test_a_run_may_go_on_without(world: Any, plan: Plan, tmp_path: Path) -> None:
    pretrain(world.shards, tmp_path / "run", plan=plan, settings=["train.tensorboard=false"])
    assert not (tmp_path / "run" / "tensorboard").exists()
    # It changes no weight: the same run may be called with it.
    pretrain(world.shards, tmp_path / "run", plan=plan)
