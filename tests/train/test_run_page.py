"""The report page of a run: whole, stopped midway, old, broken; in a browser, too."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from filbert.checkpoint import model_tensors, save
from filbert.encoder import Encoder, Shape
from filbert.errors import CheckpointError
from filbert.heads import build_model
from filbert.settings import to_mapping
from filbert.tasks import Pretrain, Scores
from filbert.tokenizer import SpecialTokens, Tokenizer
from filbert.train import (
    Dropped,
    Evaluated,
    Plan,
    RunFolder,
    Stepped,
    Training,
    WentBack,
    make_plan,
    pretrain,
)
from filbert.train.differing import deviations, differences
from filbert.train.page import language_of, write_report

STEPS = 120


def recipe(**train: Any) -> dict[str, Any]:
    plan = make_plan(
        {
            "name": "<i>mine</i>",
            "preset": "bert-mini",
            "task": {"mask_fraction": [0.3, 0.15, 0.05]},
            "train": {"steps": STEPS, "peak_lr": 1e-3} | train,
        }
    )
    places = {"data": [["shards/one", 1.0], ["shards/two", 2.5]], "start": None}
    about = {"kind": "pretrain", "plan": to_mapping(plan), "data": "d1" * 32, "start": ""}
    return about | {"places": places}


def events() -> list[Any]:
    found: list[Any] = []
    for step in range(1, STEPS + 1):
        batch = 2048 if step < 60 else 8192
        if step in (70, 71):
            found.append(Dropped(step, step / STEPS, "the loss is nan", [(3, 17)] * 12, 0.5))
            continue
        if step == 72:
            found.append(WentBack(71, 50))
        figures = {
            "masked_loss": 9 - step / 20,
            "pairs_loss": 0.5,
            "masked_accuracy": step / 200,
            "pairs_accuracy": 0.75,
            "roof_share": 0.405,
        }
        found.append(
            Stepped(step, (step - 0.5) / STEPS, 9.5 - step / 20, 1e-3, 1.25, 2048 * step, batch,
                    float(step), 4096.0, step / STEPS, figures)
        )  # fmt: skip
        if step % 40 == 0:
            shares = {"accuracy": step / 200, "loss": 9 - step / 20, "masked_tokens": 841.0}
            found.append(Evaluated(step, Scores(shares)))
    return found


def write(run: Path, about: dict[str, Any], logged: list[Any]) -> Path:
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"format": 1, **about}))
    for event in logged:
        RunFolder(run).log(event)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to which everything has happened."""
    folder = write(tmp_path_factory.mktemp("runs") / "all", recipe(), events())
    start = {
        "date": "2026-01-02",
        "command": ["filbert", "pretrain", "a b"],
        "machine": {"gpus": ["X <b>", "Y"]},
    }
    starts = {"format": 1, "starts": [{"date": "2026-01-01"}, start]}
    (folder / "environment.json").write_text(json.dumps(starts))
    return folder


@pytest.fixture(scope="module")
def pages(run: Path) -> dict[str, Path]:
    """Its pages by language, drawn once."""
    made = {}
    for language in ("zh", "en"):
        made[language] = run / f"{language}.html"
        write_report(run, language=language).rename(made[language])
    return made


def page_of(run: Path) -> str:
    return write_report(run).read_text(encoding="utf-8")


def facts_of(page: str) -> set[str]:
    return {re.sub("<[^>]*>", "", value) for value in re.findall("<dd>(.*?)</dd>", page)}


def test_all_that_happened_is_on_the_page(pages: dict[str, Path]) -> None:
    page = pages["en"].read_text(encoding="utf-8")
    assert 'lang="en"' in page
    assert "&lt;i&gt;mine&lt;/i&gt;, finished after 120 steps." in page
    assert "<i>" not in page
    assert facts_of(page) >= {"120", "245,760", "2:00", "2,048", "0 %", "40.5 %", "2", "bert-mini"}
    for title in ("Learning rate", "Tokens of a step", "Share of the tokens that is hidden",
                  "Norm of the gradient, before clipping", "Share of the roof"):  # fmt: skip
        assert title in page
    # Upright lines in each figure: two dropped steps, one return.
    assert page.count("step dropped") == page.count("gone back") - page.count("times gone") == 8
    assert "3:17, 3:17, 3:17, 3:17, 3:17, 3:17, 3:17, 3:17, and 4 more" in page
    assert "the weights are those of step 50 again" in page
    assert "training hides 30 % → 15 % → 5 %" in page
    assert "d1" * 32 in page
    assert "weights drawn anew" in page
    assert "Of the last of 2 starts" in page
    assert "filbert pretrain &#x27;a b&#x27;" in page
    assert "gpus X &lt;b&gt;, Y" in page
    assert "shards/one, shards/two=2.5" in page
    assert "2026-01-01" not in page


def test_the_scores_and_the_best_of_them(pages: dict[str, Path]) -> None:
    page = pages["en"].read_text(encoding="utf-8")
    assert "0.6\u00a0*" in page
    assert "3\u00a0*" in page
    assert "0.4\u00a0*" not in page
    assert "841" not in page  # how many targets there were: no score


def test_the_same_in_chinese(pages: dict[str, Path]) -> None:
    page = pages["zh"].read_text(encoding="utf-8")
    assert 'lang="zh-CN"' in page
    assert all(word in page for word in ("共 120 步，已完成", "丢弃的步", "学习率", "算力利用率"))


def test_a_run_that_is_stopped_midway(run: Path, tmp_path: Path) -> None:
    lines = (run / "log.jsonl").read_text().splitlines(keepends=True)
    half = write(tmp_path / "half", recipe(), [])
    (half / "log.jsonl").write_text("".join(lines[:30]) + lines[30][:50])
    page = page_of(half)
    assert "at 25 % of its budget after 30 steps" in page
    assert "has not been scored yet" in page
    assert "What went wrong" not in page


def test_a_run_without_a_step_has_a_page(tmp_path: Path) -> None:
    page = page_of(write(tmp_path / "none", recipe(), []))
    assert "No step has been made yet" in page
    assert "<svg" not in page


def test_constant_batches_and_masks_have_no_figure(tmp_path: Path) -> None:
    about = recipe()
    about["plan"]["task"] = {}
    alike = [
        replace(each, batch_tokens=8000 + each.step % 50, figures={})
        for each in events()
        if isinstance(each, Stepped)
    ]
    page = page_of(write(tmp_path / "alike", about, alike))
    for title in ("Tokens of a step", "Share of the tokens that is hidden", "Share of the roof"):
        assert title not in page
    assert "Accuracy" not in page


def test_a_broken_log_is_named(run: Path, tmp_path: Path) -> None:
    broken = write(tmp_path / "broken", recipe(), events()[:3])
    log = broken / "log.jsonl"
    log.write_text(log.read_text().replace('"loss": 9.4,', '"loss": "x",'))
    with pytest.raises(CheckpointError, match=r"log\.jsonl:2: expected a number as 'loss'"):
        write_report(broken)
    assert not (broken / "report.html").exists()


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"run\.json"):
        write_report(tmp_path)


def test_deviations_are_from_the_preset_and_from_the_task() -> None:
    found = {name: (here, default) for name, here, default in deviations(recipe(seed=7))}
    assert found == {
        "task.mask_fraction": ("[0.3, 0.15, 0.05]", "0.15"),
        "train.steps": ("120", "none"),
        "train.peak_lr": ("0.001", "0.0005"),
        "train.seed": ("7", "1"),
    }
    odd = recipe()
    odd["plan"]["train"]["of_old"] = 3
    assert ("train.of_old", "3", "–") in deviations(odd)


def test_differences_name_what_is_said_by_default_too() -> None:
    left, right = recipe(), recipe(beta2=0.98)
    right["plan"]["task"] = {"keep_fraction": 0.2}
    right["data"] = "e" * 64
    assert dict(differences([left, right])) == {
        "data": ["d1" * 6, "e" * 12],
        "task.mask_fraction": ["[0.3, 0.15, 0.05]", "0.15"],
        "task.keep_fraction": ["0.1", "0.2"],
        "train.beta2": [str(Training().beta2), "0.98"],
    }
    assert differences([left, left]) == []


def test_a_real_run_has_its_page(world: Any, plan: Plan, tmp_path: Path) -> None:
    folder = pretrain(
        world.shards, tmp_path / "run", plan=plan, settings=["train.evaluate_every_steps=6"]
    )
    page = page_of(tmp_path / "run")
    assert 'lang="en"' in page  # the vocabulary is English
    assert "finished after 12 steps" in page
    assert "training, masked tokens" in page
    assert "train.evaluate_every_steps" in page
    assert f"{folder.scores()['accuracy']:.4g}" in page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_in_a_browser_it_fits_and_asks_for_nothing(
    browser: Any, pages: dict[str, Path], scheme: str, language: str
) -> None:
    path = pages[language]
    for width in (390, 1280):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page = context.new_page()
        heard: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message, heard=heard: heard.append(message.text))
        page.on("pageerror", lambda error, heard=heard: heard.append(str(error)))
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        figures = page.locator(f".chart.{'narrow' if width == 390 else 'wide'} svg")
        assert figures.count() == 8
        assert all(figures.nth(at).is_visible() for at in range(8))
        context.close()
        assert (heard, asked) == ([], [path.as_uri()])


@pytest.mark.parametrize(
    ("words", "language"),
    [(["我", "喜", "欢", "##欢", "cat"], "zh"), (["the", "cat", "##s", "dog", "我"], "en")],
)
def test_the_language_is_that_of_the_vocabulary(
    tmp_path: Path, words: list[str], language: str
) -> None:
    tokenizer = Tokenizer([*SpecialTokens().all, *words])
    shape = Shape(vocab=tokenizer.vocab_size, depth=1, width=64, attention_heads=1, mlp_width=8)
    task = Pretrain().with_tokenizer(tokenizer)
    model = build_model(Encoder(shape), task)
    place = tmp_path / "step-00000001"
    save(place, model_tensors(model), shape=shape, task=task, tokenizer=tokenizer)
    assert language_of(RunFolder(tmp_path)) == language


def test_a_damaged_checkpoint_is_no_trouble_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "step-00000001").mkdir()
    assert language_of(RunFolder(tmp_path)) == "en"
