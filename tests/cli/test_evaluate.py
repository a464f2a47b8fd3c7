"""`filbert evaluate` of one model and of several."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from filbert.checkpoint import model_tensors, save
from filbert.cli.main import main
from filbert.encoder import Encoder, Shape
from filbert.engine import evaluate
from filbert.heads import build_model
from filbert.tasks import Choose, Classify, Pretrain, Regress, Span, Tag, Task, bootstrap
from filbert.tokenizer import Tokenizer

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "中", "好"]
CLASSIFY = Classify(labels=("x", "y\x1b[2J"), max_tokens=32)
Said = Callable[..., list[str]]


@pytest.fixture
def said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Said:
    """said("a", "b", …) → the lines that `filbert evaluate a b …` prints, on the CPU."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, code: int = 0) -> list[str]:
        capsys.readouterr()
        assert main(["evaluate", *words, "--device", "cpu", "--quiet"]) == code
        printed = capsys.readouterr()
        return (printed.err if code else printed.out).splitlines()

    return run


def tiny(name: str, task: Task, seed: int) -> None:
    """A model with random weights."""
    torch.manual_seed(seed)
    shape = Shape(1, 16, 2, 32, len(TOKENS), 32)
    model = build_model(Encoder(shape), task)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.5)
    save(Path(name), model_tensors(model), shape=shape, task=task, tokenizer=Tokenizer(TOKENS))


def written(name: str, records: list[dict[str, Any]]) -> None:
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    Path(name).write_text("".join(lines), encoding="utf-8")


def texts(count: int = 40) -> list[str]:
    return [
        " ".join(TOKENS[5 + (at * at + at // step) % 5] for step in (1, 2, 3, 5))
        for at in range(count)
    ]


@pytest.fixture
def labelled(said: Said) -> None:
    for name, seed in {"A": 4, "B": 2, "C": 0}.items():
        tiny(name, CLASSIFY, seed)
    written(
        "e.jsonl",
        [{"text": text, "label": CLASSIFY.labels[at % 2]} for at, text in enumerate(texts())],
    )


@pytest.mark.usefixtures("labelled")
def test_one_model_has_its_scores_with_intervals(said: Said) -> None:
    found = evaluate("A", "e.jsonl", device="cpu")
    interval = bootstrap(found.task, found.answers, found.references)["accuracy"]
    (line,) = said("A", "--data", "e.jsonl")
    assert line.startswith(f"A: accuracy {interval} · macro_f1 ")
    assert re.search(r" · mcc \S+ \(\S+ to \S+\) · calibration_error \S+ · examples 40$", line)
    record = json.loads(said("A", "--data", "e.jsonl", "--json")[0])
    assert record["scores"] == pytest.approx(found.scores)
    assert record["intervals"]["accuracy"]["low"] == interval.low
    assert record["intervals"].keys() == {"accuracy", "macro_f1", "mcc"}


@pytest.mark.usefixtures("labelled")
def test_three_models_are_held_against_the_first(said: Said) -> None:
    lines = said("A", "B", "C", "--data", "e.jsonl")
    assert [line.partition(":")[0] for line in lines[:3]] == ["A", "B", "C"]
    assert [line.partition(":")[0] for line in lines[3::3]] == ["B against A", "C against A"]
    assert all("McNemar's p" in line for line in lines[4::3])
    sentence = (
        r"the difference is (not )?larger than chance explains at 5 % \(p \S+ by Holm's .* 2 "
    )
    assert all(re.match(sentence, line) for line in lines[5::3])
    assert len(lines) == 9
    *models, first, second = map(json.loads, said("A", "B", "C", "--data", "e.jsonl", "--json"))
    accuracies = [record["scores"]["accuracy"] for record in models]
    for record, name, accuracy in zip((first, second), "BC", accuracies[1:], strict=True):
        assert (record["model"], record["against"]) == (name, "A")
        comparison = record["comparison"]
        assert comparison["difference"]["difference"] == pytest.approx(accuracy - accuracies[0])
        only = comparison["mcnemar"]["only_b"] - comparison["mcnemar"]["only_a"]
        assert only == round(40 * (accuracy - accuracies[0]))
        assert comparison["comparisons"] == 2
        assert record["larger_than_chance"] == (comparison["p"] < 0.05)


@pytest.mark.usefixtures("labelled")
def test_examples_are_shown_harmlessly(said: Said) -> None:
    lines = said("A", "B", "--data", "e.jsonl", "--show", "2")[5:]
    (number,) = map(int, re.findall(r"^2 of (\d+) examples that one has right:$", lines[0]))
    assert number >= 2
    assert len(lines) == 1 + 2 * 4
    assert lines[1].startswith("e.jsonl:")
    assert lines[2] in ("  right: x", "  right: y\\x1b[2J")
    marks = [line[:5] for line in lines[3:5]]
    assert marks in (["  + A", "  - B"], ["  - A", "  + B"])
    right = lines[3 if marks[0] == "  + A" else 4]
    assert right.split(": ")[1].startswith(lines[2].partition(": ")[2] + " (")
    shown = [
        json.loads(line) for line in said("A", "B", "--data", "e.jsonl", "--show", "99", "--json")
    ]
    assert len(shown) == 3 + number
    answers = {each["model"]: each["answer"] for each in shown[3]["answers"]}
    assert answers[shown[3]["right_model"]].startswith(shown[3]["right_answer"])


SHOWN: dict[str, tuple[Task, list[dict[str, Any]], str]] = {
    "tag": (
        Tag(labels=("O", "B-A", "I-A"), max_tokens=32),
        [{"text": text, "entities": [[0, 1, "A"]] * (at % 2)} for at, text in enumerate(texts())],
        r"(\S \[A 0-1\]|nothing)",
    ),
    "span": (
        Span(max_tokens=32, answer_tokens=2),
        [
            {"question": "a b", "context": text, "answers": [{"text": text[:1], "start": 0}]}
            for text in texts()
        ],
        r"\S",
    ),
    "choose": (
        Choose(max_tokens=32),
        [
            {"text": text, "choices": [before, "中 好"], "label": at % 2}
            for at, (text, before) in enumerate(zip(texts(), texts()[-1:] + texts(), strict=False))
        ],
        r"\S \S.*",
    ),
}


@pytest.mark.parametrize("name", SHOWN)
def test_examples_of_every_task_with_right_answers(name: str, said: Said) -> None:
    task, records, right = SHOWN[name]
    for model, seed in {"A": 1, "B": 2}.items():
        tiny(model, task, seed)
    written("e.jsonl", records)
    lines = said("A", "B", "--data", "e.jsonl", "--show", "1")
    start = next(at for at, line in enumerate(lines) if "that one has right:" in line)
    assert lines[0].startswith(f"A: {task.main_score} ")
    assert lines[start].startswith("1 of ")
    assert re.fullmatch(f"  right: {right}", lines[start + 2])


def test_a_pretrained_model_has_no_intervals(said: Said) -> None:
    for number, name in enumerate("AB"):
        tiny(name, Pretrain(max_tokens=32), number)
    written("e.jsonl", [{"text": text} for text in texts()])
    lines = said("A", "B", "--data", "e.jsonl")
    assert [line.partition(":")[0] for line in lines] == ["A", "B"]
    assert not any(" to " in line for line in lines)


@pytest.mark.usefixtures("labelled")
def test_what_cannot_be_compared_is_said_before_any_work(said: Said) -> None:
    tiny("D", Regress(max_tokens=32), 0)
    (error,) = said("A", "D", "--data", "nowhere.jsonl", code=1)
    assert (
        "D: expected a model for classify, as A is, to compare them; got one for regress" in error
    )
    (error,) = said("A", "--data", "e.jsonl", "--show", "3", code=1)
    assert "--show: expected 0 or more, and two models or more; got 3 and 1" in error
