"""Every task fine-tuned from files as they come, opened and asked; English and Chinese."""

import json
from pathlib import Path
from typing import Any

import pytest

import filbert
from filbert.engine import evaluate
from filbert.train import read_seeds
from filbert.train.seeds import finetune_seeds

CONLL = """-DOCSTART- O

Peter B-PER
went O
to O
Paris B-LOC

In O
北 B-LOC
京 I-LOC
we O
met O
Ann B-PER
"""


def squad() -> str:
    paragraphs = [
        {
            "context": "the cat sat on the mat. a dog ran to the park.",
            "qas": [
                {
                    "id": "1",
                    "question": "who sat?",
                    "answers": [{"text": "the cat", "answer_start": 0}],
                },
                {
                    "id": "2",
                    "question": "who ran?",
                    "answers": [{"text": "a dog", "answer_start": 24}],
                },
                {"id": "3", "question": "who flew?", "answers": [], "is_impossible": True},
            ],
        }
    ]
    return json.dumps({"version": "v2.0", "data": [{"title": "t", "paragraphs": paragraphs}]})


FILES = {
    "classify": (
        "a.tsv",
        "text\tlabel\n" + "it is good\tpos\nit is bad\tneg\n很好\tpos\n不好\tneg\n" * 4,
    ),
    "regress": ("a.csv", "a cat,a dog,3.5\nthe cat,the cat,5\n一只猫,一只狗,2\nx,y,0\n" * 4),
    "tag": ("a.conll", CONLL * 4),
    "span": ("a.json", squad()),
    "rerank": (
        "a.jsonl",
        '{"query": "cat", "passage": "a cat sat", "label": 1}\n'
        '{"query": "cat", "passage": "a dog", "label": 0}\n' * 4,
    ),
    "choose": (
        "a.jsonl",
        '{"context": "the cat", "endings": ["sat down", "is a car", "7"], "label": 0}\n' * 4,
    ),
    "embed": (
        "a.jsonl",
        '{"anchor": "a cat", "positive": "the cat"}\n'
        '{"anchor": "a dog", "positive": "the dog", "negative": "a car"}\n'
        '{"anchor": "天气", "positive": "下雨"}\n' * 3,
    ),
}
ASKED: dict[str, tuple[str, tuple[Any, ...]]] = {
    "classify": ("classify", ("it is good",)),
    "regress": ("measure", ([("a cat", "一只狗")],)),
    "tag": ("tag", ("Peter went to Paris. 北京",)),
    "span": ("answer", ("who sat?", ["the cat sat.", "nobody."])),
    "rerank": ("rerank", ("cat", ["a cat", "a dog"])),
    "choose": ("choose", ("the cat", ["sat down", "7"])),
    "embed": ("embed", (["a cat", "天气"],)),
}


@pytest.fixture(scope="module")
def start(world: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    plan = filbert.Plan(
        name="tiny",
        task={"max_tokens": 64},
        shape=filbert.train.Size(2, 32, 2, 64, 64, dropout_fraction=0.0),
        train=filbert.train.Training(steps=3, batch_tokens=512),
    )
    return filbert.pretrain(world.shards, tmp_path_factory.mktemp("start") / "run", plan=plan)


@pytest.mark.parametrize("task", sorted(FILES))
def test_a_file_becomes_a_model_that_answers(task: str, start: Any, tmp_path: Path) -> None:
    name, content = FILES[task]
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    settings = ["train.steps=6", "train.batch_tokens=256", "train.peak_lr=1e-3"]
    settings += ["train.evaluations=2"]
    folder = filbert.finetune(
        task, file, tmp_path / "run", start=start, dev=file, settings=settings
    )
    scores = folder.scores()
    assert folder.task().main_score in scores
    again = evaluate(folder, file).scores
    assert again == pytest.approx(scores)
    model = filbert.open_model(tmp_path / "run")
    verb, asked = ASKED[task]
    answers = getattr(model, verb)(*asked)
    assert str(answers)
    # The same call finds the run done.
    assert (
        filbert.finetune(task, file, tmp_path / "run", start=start, dev=file, settings=settings)
        == folder
    )


def test_several_seeds_are_kept_apart_and_the_best_is_what_the_folder_is(
    start: Any, tmp_path: Path
) -> None:
    name, content = FILES["classify"]
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    settings = ["train.steps=12", "train.batch_tokens=256", "train.peak_lr=3e-3"]
    found = finetune_seeds(
        "classify", file, tmp_path / "run", 2, start=start, dev=file, test=file, settings=settings
    )
    assert read_seeds(tmp_path / "run") == found
    assert [tries[0].seed for tries in found.tries] == [1, 2]
    assert len(found.values("dev")) == 2
    lines = list(found.in_words())
    assert lines[0].startswith("dev: accuracy ")
    best = filbert.open_model(tmp_path / "run")
    assert best.folder.path.parent.name == found.best
    dev = {tries[-1].run: tries[-1].dev["accuracy"] for tries in found.tries}
    assert dev[found.best] == max(dev.values())


def test_a_run_that_learns_nothing_is_given_up(start: Any, tmp_path: Path) -> None:
    file = tmp_path / "rare.conll"
    file.write_text("Paris B-LOC\n\n" + "we O\nwent O\nto O\nit O\n\n" * 30, encoding="utf-8")
    settings = ["train.steps=8", "train.peak_lr=3e-3", "train.evaluations=4"]
    found = finetune_seeds(
        "tag", file, tmp_path / "run", [5], start=start, dev=file, settings=settings
    )
    (tries,) = found.tries
    assert [one.failed for one in tries] == [True] * 3
    assert [one.seed for one in tries] == [5, 1005, 2005]
    assert "2 failed starts" in next(found.in_words())
    steps = [p.name for p in (tmp_path / "run" / "seed-5").glob("step-*")]
    assert max(steps) < "step-00000008"


def test_a_dev_set_that_cannot_tell_fails_nobody(start: Any, tmp_path: Path) -> None:
    name, content = FILES["classify"]
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    dev = [{"text": "it is good", "label": "pos"}]
    settings = ["train.steps=4", "train.peak_lr=1e-3"]
    found = finetune_seeds(
        "classify", file, tmp_path / "run", 1, start=start, dev=dev, settings=settings
    )
    ((only,),) = found.tries
    assert not only.failed


def test_a_run_ends_when_nothing_gets_better(start: Any, tmp_path: Path) -> None:
    name, content = FILES["classify"]
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    settings = ["train.steps=40", "train.peak_lr=0", "train.evaluations=40"]
    folder = filbert.finetune(
        "classify",
        file,
        tmp_path / "run",
        start=start,
        dev=file,
        settings=[*settings, "train.patience_evaluations=3"],
    )
    newest = max((tmp_path / "run").glob("step-*")).name
    # A step lies on the mark of the one before it: step 2 is scored first; three are not better.
    assert newest == "step-00000005"
    assert folder.scores() == filbert.checkpoint.Folder(tmp_path / "run" / newest).scores()
