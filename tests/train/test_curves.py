"""A log read as curves: what is there, what is missing, what is broken."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.errors import CheckpointError
from filbert.tasks import Scores
from filbert.train import Dropped, Evaluated, RunFolder, Stepped, WentBack
from filbert.train.curves import read_curves


def stepped(step: int, loss: float = 2.0, **changed: Any) -> Stepped:
    values: dict[str, Any] = {
        "begun": (step - 0.5) / 100,
        "loss": loss,
        "learning_rate": 1e-3,
        "gradient_norm": 1.5,
        "tokens": 100 * step,
        "batch_tokens": 100,
        "seconds": 0.5 * step,
        "tokens_per_second": 200.0,
        "spent": step / 100,
        "figures": {"masked_accuracy": step / 100, "roof_share": 0.4},
    }
    return Stepped(step=step, **(values | changed))


def write(run: Path, *events: Any) -> Path:
    run.mkdir(parents=True, exist_ok=True)
    for event in events:
        RunFolder(run).log(event)
    return run


def test_all_that_the_loop_logs_is_read(tmp_path: Path) -> None:
    run = write(
        tmp_path / "run",
        stepped(1, 3.0),
        stepped(2, 2.5),
        Evaluated(2, Scores({"accuracy": 0.25, "loss": 2.6})),
        Dropped(3, 0.025, "the loss is nan", [(0, 17), (1, 4)], 0.03),
        WentBack(3, 2),
        stepped(4, 2.0),
        Evaluated(4, Scores({"accuracy": 0.5, "loss": 2.1})),
    )
    curves = read_curves(run)
    assert curves.steps.tolist() == [1, 2, 4]
    assert curves.columns["loss"].tolist() == [3.0, 2.5, 2.0]
    assert curves.columns["masked_accuracy"].tolist() == [0.01, 0.02, 0.04]
    assert (curves.end("tokens"), curves.spent) == (400, 0.04)
    assert [(each.step, each.rows) for each in curves.dropped] == [(3, ((0, 17), (1, 4)))]
    assert curves.returns == ((3, 2),)
    assert curves.scores() == {"accuracy": 0.5, "loss": 2.1}
    scored = curves.dev_curve("accuracy", "tokens")
    assert scored is not None
    assert [part.tolist() for part in scored] == [[200, 400], [0.25, 0.5]]


def test_the_end_of_a_budget_may_be_a_dropped_step(tmp_path: Path) -> None:
    run = write(tmp_path / "run", stepped(1), Dropped(2, 0.5, "the loss is inf", [], 1.0))
    assert read_curves(run).spent == 1.0


def test_scores_of_a_dropped_step_stand_at_the_one_before(tmp_path: Path) -> None:
    dropped = Dropped(2, 0.5, "the loss is inf", [], 0.02)
    run = write(tmp_path / "run", stepped(1), dropped, Evaluated(2, Scores({"loss": 1.5})))
    found = read_curves(run).dev_curve("loss", "seconds")
    assert found is not None
    assert [part.tolist() for part in found] == [[0.5], [1.5]]


def test_old_logs_say_less(tmp_path: Path) -> None:
    old = {"step": 1, "loss": 9.0, "learning_rate": 1e-4, "gradient_norm": 2.0, "tokens": 971,
           "seconds": 0.5, "tokens_per_second": 1662.0, "spent": 0.5}  # fmt: skip
    (tmp_path / "log.jsonl").write_text(json.dumps(old) + "\n")
    write(tmp_path, stepped(2, 8.0))
    curves = read_curves(tmp_path)
    assert curves.columns["loss"].tolist() == [9.0, 8.0]
    assert math.isnan(curves.columns["masked_accuracy"][0])
    found = curves.curve("masked_accuracy")
    assert found is not None
    assert found[0].tolist() == [2]
    assert curves.curve("pairs_accuracy") is None


def test_a_run_without_a_step(tmp_path: Path) -> None:
    curves = read_curves(tmp_path / "nothing")
    assert (len(curves.steps), curves.spent, curves.last("loss")) == (0, None, None)


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    run = write(tmp_path / "run", stepped(1), stepped(2))
    log = run / "log.jsonl"
    log.write_text(log.read_text()[:-30])
    assert read_curves(run).steps.tolist() == [1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", r"log\.jsonl:2: expected a line of the log"),
        ('{"step": 2, "loss": "low"}', r"log\.jsonl:2: expected a number as 'loss', got 'low'"),
        ('{"step": 2}', r"log\.jsonl:2: expected a number as 'loss', there is none"),
        ('{"step": 2, "loss": 1, "tokens": true}', r"log\.jsonl:2: .*'tokens', got True"),
        ('{"step": 2, "loss": 1, "figures": 3}', r"log\.jsonl:2: expected a table as 'figures'"),
        ('{"step": 2, "scores": []}', r"log\.jsonl:2: expected a table as 'scores'"),
        ('{"step": 2, "to_step": null}', r"log\.jsonl:2: expected a number as 'to_step'"),
        ('{"step": 2, "reason": "x", "rows": [[1]]}', r"log\.jsonl:2: expected rows"),
        ('{"step": 1' + 30 * "0" + ', "loss": 1}', r"log\.jsonl:2: expected a number as 'step'"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    run = write(tmp_path / "run", stepped(1))
    with (run / "log.jsonl").open("a") as file:
        file.write(line + "\n")
    write(run, stepped(3))
    with pytest.raises(CheckpointError, match=said):
        read_curves(run)


steps = st.lists(st.integers(1, 40), min_size=1, max_size=60)


@settings(max_examples=50, deadline=None)
@given(steps)
def test_of_a_step_that_was_made_again_the_newer_line_counts(
    tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    run = write(
        tmp_path_factory.mktemp("run"),
        *(stepped(step, float(at)) for at, step in enumerate(order)),
    )
    curves = read_curves(run)
    assert np.all(np.diff(curves.steps) > 0)
    last = len(order) - 1
    assert curves.end("loss") == last
    # What stands before it are the newest lines that are older in steps and were not made again.
    wanted: list[tuple[int, int]] = []
    for at, step in enumerate(order):
        wanted = [*((s, a) for s, a in wanted if s < step), (step, at)]
    assert list(zip(curves.steps.tolist(), curves.columns["loss"].tolist(), strict=True)) == wanted
