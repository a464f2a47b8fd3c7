"""The whole way by command line, verb by verb, on a small text: once English, once Chinese."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from filbert.cli.main import main


@dataclass(frozen=True)
class Language:
    """What differs.

    between  stands between the words of a sentence
    slots    label → the words for each place of a sentence
    masked   a sentence of the corpus with its place hidden, and the word that stands there
    asked    a text, and its label
    """

    between: str
    slots: dict[str, tuple[list[str], ...]]
    masked: tuple[str, str]
    asked: tuple[str, str]


LANGUAGES = {
    "English": Language(
        " ",
        {
            "water": (
                ["a fish", "the duck", "one frog", "an otter"],
                ["swims in", "dives into", "drinks from", "sees"],
                ["the river", "the lake", "a pond", "the cold sea"],
                ["every day.", "at night.", "with joy.", "in spring."],
            ),
            "sky": (
                ["a bird", "the cloud", "one kite", "an eagle"],
                ["flies over", "looks down on", "turns above", "crosses"],
                ["the hills", "the town", "a tower", "the warm land"],
                ["every day.", "at night.", "with joy.", "in spring."],
            ),
        },
        ("the duck swims [MASK] the lake every day.", "in"),
        ("an otter dives into a pond at night.", "water"),
    ),
    "Chinese": Language(
        "",
        {
            "水": (
                ["小鱼", "鸭子", "青蛙", "水獭"],
                ["每天", "晚上", "春天", "清早"],
                ["游进了", "跳到了", "喝着", "望着"],
                ["河水里。", "湖里。", "池塘里。", "冷冷的海里。"],
            ),
            "天": (
                ["小鸟", "白云", "风筝", "老鹰"],
                ["每天", "晚上", "春天", "清早"],
                ["飞过", "俯视", "盘旋在", "越过"],
                ["山岗上。", "小城上。", "高塔上。", "温暖的大地上。"],
            ),
        },
        ("鸭子每天跳[MASK]了湖里。", "到"),
        ("水獭晚上跳到了池塘里。", "水"),
    ),
}
TINY = (
    *("--set", "shape.depth=1", "--set", "shape.width=64", "--set", "shape.mlp_width=128"),
    *("--set", "shape.attention_heads=2", "--set", "shape.max_positions=32"),
    *("--set", "task.max_tokens=32", "--set", "train.batch_tokens=512"),
    *("--set", "train.steps=150", "--set", "train.peak_lr=5e-3"),
)
Said = Callable[..., str]


@pytest.fixture
def said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Said:
    """said("corpus", …) → standard output of a verb that succeeded, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> str:
        code = main(list(words))
        output = capsys.readouterr()
        assert code == 0, output.err
        return output.out

    return run


def examples(language: Language, each: int) -> list[dict[str, str]]:
    draw = random.Random(1)
    return [
        {"text": language.between.join(draw.choice(slot) for slot in slots), "label": label}
        for _ in range(each)
        for label, slots in language.slots.items()
    ]


def write_lines(path: str, records: list[dict[str, str]]) -> None:
    lines = (json.dumps(record, ensure_ascii=False) for record in records)
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def figures(line: str) -> set[str]:
    """`runs/x: accuracy 0.9 (0.8 to 1) · examples 50` → accuracy 0.9, examples 50."""
    scores = re.sub(r" \(\S+ to \S+\)", "", line.strip().partition(": ")[2])
    return set(scores.split(" · "))


@pytest.mark.parametrize("name", LANGUAGES)
def test_raw_text_to_answers(name: str, said: Said) -> None:
    language = LANGUAGES[name]
    records = examples(language, 150)
    texts = [record["text"] for record in records]
    Path("raw.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    write_lines("train.jsonl", records[:250])
    write_lines("dev.jsonl", records[250:])

    corpus = said(
        "corpus",
        "raw.txt",
        "--split",
        "line",
        "--min-characters",
        "5",
        "--out",
        "corpus",
        "--set",
        "duplicates.near=false",
    )
    unique = len(set(texts))
    assert f"{unique} documents" in corpus
    assert f"{len(texts) - unique} duplicates of {len(texts)}" in corpus

    assert "tokens" in said("vocab", "corpus", "--size", "200", "--out", "tokenizer")
    written = said("shards", "corpus", "--tokenizer", "tokenizer", "--out", "shards")
    assert f"{unique} documents" in written

    shown = said("show", "shards", "--as", "pretrain", "--rows", "8", "--max-tokens", "32")
    assert shown.count("shard 0, row ") == 8
    assert "[MASK]⟨" in shown

    scores = said("pretrain", "quickstart", "--data", "shards", "--out", "bert", "--quiet", *TINY)
    assert "accuracy" in scores
    masked, hidden = language.masked
    filled = said("fill-mask", "bert", masked).splitlines()
    assert filled[0] == masked.replace("[MASK]", "▁")[: len(filled[0])]
    assert hidden in {line.split()[-1] for line in filled[1:]}, "learnt from a few sentences"

    trained = said(
        *("finetune", "classify", "--train", "train.jsonl", "--dev", "dev.jsonl"),
        *("--start", "bert", "--out", "classifier", "--quiet"),
        *("--set", "task.max_tokens=32", "--set", "train.steps=40", "--set", "train.peak_lr=1e-3"),
    )
    again = said("evaluate", "classifier", "--data", "dev.jsonl", "--quiet")
    assert figures(trained) == figures(again), "evaluate says what training said"
    line = said("evaluate", "classifier", "--data", "dev.jsonl", "--quiet", "--json")
    assert json.loads(line)["scores"]["accuracy"] > 0.9

    text, label = language.asked
    Path("ask.txt").write_text(text + "\n", encoding="utf-8")
    answer, _, shown = said("predict", "classifier", "ask.txt").rstrip("\n").partition("\t")
    assert answer.startswith(f"{label} (")
    assert shown == text

    assert "50 vectors of 64" in said("embed", "bert", "dev.jsonl", "--out", "v.npy", "--quiet")
    vectors = np.load("v.npy")
    assert vectors.shape == (50, 64)
    assert np.isfinite(vectors).all()
