"""Runs beside each other, from Python and from the command line."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from filbert.cli.main import main
from filbert.errors import CheckpointError, DataError, SettingsError
from filbert.settings import to_mapping
from filbert.tasks import Scores
from filbert.train import Evaluated, RunFolder, Stepped, make_plan
from filbert.train.compare import compare, write_comparison


def write(run: Path, kind: str = "pretrain", steps: int = 10, **train: Any) -> Path:
    run.mkdir(parents=True)
    plan = make_plan({"preset": "bert-mini", "train": {"steps": 10} | train})
    about = {"kind": kind, "plan": to_mapping(plan), "data": "d" * 64, "start": ""}
    (run / "run.json").write_text(json.dumps({"format": 1, **about}))
    folder = RunFolder(run)
    for step in range(1, steps + 1):
        figures = {"masked_accuracy": step / 40}
        folder.log(Stepped(step, 0.1, 10.0 - step, 1e-3, 1.0, 3_000_000 * step, 3_000_000,
                           2.0 * step, 1.5e6, step / 10, figures))  # fmt: skip
        if step % 5 == 0:
            folder.log(Evaluated(step, Scores({"accuracy": step / 30, "perplexity": 9.0})))
    return run


def test_figures_and_settings(tmp_path: Path) -> None:
    one = write(tmp_path / "left" / "run", peak_lr=1e-3)
    two = write(tmp_path / "right" / "run", steps=4, peak_lr=2e-3)
    compared = compare([one, two])
    assert compared.names == ("left/run", "right/run")
    assert compared.figures() == [
        ("steps", ["10", "4"]),
        ("tokens", ["30.0M", "12.0M"]),
        ("time", ["0:20", "0:08"]),
        ("tokens/s", ["1.50M", "1.50M"]),
        ("loss", ["0", "6"]),
        ("masked_accuracy", ["25 %", "10 %"]),
        ("dev accuracy", ["33.3 %", "–"]),
    ]
    assert compared.settings() == [("train.peak_lr", ["0.001", "0.002"])]


def test_the_page_lays_curves_over_steps_tokens_and_seconds(tmp_path: Path) -> None:
    runs = [write(tmp_path / "a<b>", peak_lr=1e-3), write(tmp_path / "乙", peak_lr=2e-3)]
    page = write_comparison(compare(runs), tmp_path / "c.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    for said in ("Training, loss", "Training, masked tokens", "Dev set, accuracy"):
        assert f">{said}</bdi></h2>" in page
    for axis in ("By step", "By tokens", "By seconds of training"):
        assert page.count(f">{axis}</p>") == 3
    units = [
        re.sub("<[^>]*>", "", unit) for unit in re.findall('<p class="axis-x">(.*?)</p>', page)
    ]
    assert units == ["step", "million tokens", "seconds of training"] * 3
    assert "train.peak_lr" in page
    chinese = write_comparison(compare(runs), tmp_path / "c.html", language="zh")
    assert "按训练秒数" in chinese.read_text(encoding="utf-8")


def test_one_evaluation_is_no_curve(tmp_path: Path) -> None:
    runs = [write(tmp_path / name, steps=5) for name in "ab"]
    page = write_comparison(compare(runs), tmp_path / "c.html").read_text(encoding="utf-8")
    assert "Dev set, accuracy" not in page
    assert "dev accuracy" in page
    assert "All settings are equal." in page


def test_runs_of_two_kinds(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a"), write(tmp_path / "b", kind="finetune classify")
    with pytest.raises(SettingsError, match=r"b/run\.json: .*'pretrain'.*'finetune classify'"):
        compare([one, two])


def test_a_broken_log_is_named(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a"), write(tmp_path / "b")
    lines = (two / "log.jsonl").read_text().splitlines(keepends=True)
    (two / "log.jsonl").write_text("".join([*lines[:2], "nonsense\n", *lines[2:]]))
    with pytest.raises(CheckpointError, match=r"b/log\.jsonl:3: "):
        compare([one, two])


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    one, none = write(tmp_path / "a"), write(tmp_path / "b", steps=0)
    with pytest.raises(SettingsError, match="expected 2 to 12 runs to compare, got 1"):
        compare([one])
    with pytest.raises(SettingsError, match="got this one twice"):
        compare([one, tmp_path / "b" / ".." / "a"])
    with pytest.raises(DataError, match=r"b/log\.jsonl: expected at least one step"):
        compare([one, none])
    with pytest.raises(CheckpointError, match="nothing: expected the folder of a run"):
        compare([one, tmp_path / "nothing"])


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = write(tmp_path / "a", peak_lr=1e-3), write(tmp_path / "第二次", peak_lr=2e-3)
    page = tmp_path / "out" / "c.html"
    assert main(["compare", str(one), str(two), "--out", str(page)]) == 0
    said = capsys.readouterr().out.splitlines()
    # Chinese characters are two columns wide.
    assert said[0] == "                           a  第二次"
    assert said[1] == "steps                     10      10"
    assert said[-2:] == ["", f"{page}: the curves over each other"]
    assert "train.peak_lr          0.001   0.002" in said
    assert page.exists()


def test_the_verb_without_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = write(tmp_path / "a"), write(tmp_path / "b")
    assert main(["compare", str(one), str(two)]) == 0
    assert "settings that differ" not in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_the_verb_overwrites_pages_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = write(tmp_path / "a"), write(tmp_path / "b")
    log = two / "log.jsonl"
    before = log.read_bytes()
    assert main(["compare", str(one), str(two), "--out", str(log)]) == 1
    assert "expected the name of a page, FILE.html" in capsys.readouterr().err
    assert log.read_bytes() == before
