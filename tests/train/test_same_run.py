"""Ranks that would not train the same run are refused before the first step, each in words."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from filbert.train import RunFolder
from filbert.train.ranks import ALONE
from filbert.train.same_run import check_same_run

RECIPE: dict[str, Any] = {
    "name": "tiny",
    "preset": "bert-tiny",
    "shape": {"depth": 1, "width": 32, "attention_heads": 2, "mlp_width": 64, "max_positions": 64},
    "task": {"max_tokens": 64},
    "train": {"steps": 2, "batch_tokens": 512, "precision": "fp32"},
}
LAUNCH = """
import sys
from filbert.errors import FilbertError
from filbert.train.launch import launch
try:
    sys.exit(launch([sys.executable, "-c", *sys.argv[1:]], 2))
except FilbertError as error:
    sys.exit(str(error))
"""
RANK = """
import json, os, sys
import filbert.train.same_run as same_run
from filbert.errors import FilbertError
from filbert.train import make_plan, pretrain
same_run.PATIENCE_SECONDS = 1.0
rank = os.environ["RANK"]
given = {name: value.replace("RANK", rank) for name, value in json.loads(sys.argv[1]).items()}
try:
    pretrain(given["data"], given["out"], plan=make_plan(json.loads(given["recipe"])))
except FilbertError as error:
    sys.exit(str(error))
"""


def two_ranks(**given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LAUNCH, RANK, json.dumps(given)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_ranks_that_agree_train_and_leave_nothing_behind(world: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    ended = two_ranks(data=str(world.shards), out=str(out), recipe=json.dumps(RECIPE))
    assert ended.returncode == 0, ended.stderr
    assert [folder.path.name for folder in RunFolder(out).steps()] == ["step-00000002"]
    assert not (out / ".ranks").exists()


def test_a_rank_that_sees_another_folder_is_refused(world: Any, tmp_path: Path) -> None:
    """As where two machines have no disk in common: else they would wait, or train two models."""
    out = tmp_path / "run-RANK"
    ended = two_ranks(data=str(world.shards), out=str(out), recipe=json.dumps(RECIPE))
    assert ended.returncode == 1
    assert "rank 1 of 2 does not see in" in ended.stderr
    assert "must lie on a disk that all machines share" in ended.stderr
    assert RunFolder(tmp_path / "run-0").steps() == []


def test_a_rank_with_another_recipe_is_refused(world: Any, tmp_path: Path) -> None:
    recipe = json.dumps(RECIPE | {"name": "NAME"}).replace("NAME", "rank-RANK")
    ended = two_ranks(data=str(world.shards), out=str(tmp_path / "run"), recipe=recipe)
    assert ended.returncode == 1
    assert "rank 1 of 2 differs from rank 0 in its plan" in ended.stderr
    assert RunFolder(tmp_path / "run").steps() == []


def test_alone_there_is_nobody_to_agree_with(tmp_path: Path) -> None:
    check_same_run(RunFolder(tmp_path / "run"), {"kind": "pretrain"}, ALONE)
    assert not (tmp_path / "run").exists()
