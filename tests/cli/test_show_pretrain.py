"""filbert show --as pretrain: what the network sees, with each setting of the task."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from filbert.cli import main
from filbert.corpus import Document
from filbert.shards import ShardReader, write_shards
from filbert.tasks import Pretrain
from filbert.tokenizer import SpecialTokens, Tokenizer

pytest.importorskip("rjieba", reason="Chinese words need rjieba")

WORDS = [
    *("the", "cat", "dog", "play", "##ing", "##s", ".", "un", "##happy", "runs", "sees"),
    *"我喜欢机器学习。他们用",
]
DOCUMENTS = [
    ["The unhappy cat plays.", " The dog runs.", " The dog sees the cat."],
    ["The dog plays.", " The unhappy dog sees the cat playing."],
    ["我喜欢机器学习。", "他们用机器。", "我们学习。"],
    ["The cat."],
    ["他们喜欢学习。", "我用机器。"],
]
PIECE = re.compile(r"([^ ]*)⟨([^ ]*)⟩")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("show_pretrain") / "shards"
    documents = []
    for sentences in DOCUMENTS:
        ends = np.cumsum([len(sentence) for sentence in sentences]).tolist()
        language = "en" if sentences[0].isascii() else "zh"
        text = "".join(sentences)
        documents.append(Document(text, "a", "1", language=language, sentence_ends=ends))
    write_shards(documents, Tokenizer([*SpecialTokens().all, *WORDS]), place, workers=1)
    return place


@pytest.fixture
def said(shards: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """said("--row 0"): the lines of show --as pretrain; the verb must succeed."""

    def run(words: str = "") -> list[str]:
        assert main(["show", str(shards), "--as", "pretrain", *words.split()]) == 0
        return capsys.readouterr().out.splitlines()

    return run


@pytest.fixture
def refused(shards: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """refused("--set x=1"): the error of show; the verb must fail and say nothing else."""

    def run(words: str) -> str:
        assert main(["show", str(shards), *words.split()]) == 1
        found = capsys.readouterr()
        assert found.out == ""
        return found.err

    return run


def hidden_words(lines: list[str]) -> list[str]:
    """What was there, from the line of pieces and from the line of labels, which must agree."""
    place = next(number for number, line in enumerate(lines) if line.startswith("labels: "))
    pieces = lines[place - 1].split(" ")
    named = [
        f"{found[2]}({at})" for at, piece in enumerate(pieces) if (found := PIECE.fullmatch(piece))
    ]
    assert lines[place] == f"labels: {' '.join(named)}"
    return [name.rpartition("(")[0] for name in named]


def test_a_row_as_the_task_makes_it(shards: Path, said: Callable[..., list[str]]) -> None:
    reader = ShardReader(shards, max_tokens=128)
    task = Pretrain(128).with_tokenizer(reader.tokenizer)
    for epoch in range(3):
        packed = task.batch([reader.row(0)], 7, epoch)
        lines = said(f"--row 0 --seed 7 --epoch {epoch}")
        count = len(packed.targets["labels"])
        assert lines[2] == f"shard 0, row 0, {len(reader.row(0))} tokens, {count} of them hidden"
        shown = [PIECE.sub(r"\1", piece) for piece in lines[4].split(" ")]
        assert shown == reader.tokenizer.tokens(packed.token_ids)
        assert hidden_words(lines) == reader.tokenizer.tokens(packed.targets["labels"])
        assert lines[6:] == [f"segments: 0(0–{len(shown) - 1})"]


def test_whole_words_by_set(said: Callable[..., list[str]]) -> None:
    asked = "--row 2 --set task.masked_unit=word --set task.mask_fraction=0.12 --seed"
    words = {"".join(hidden_words(said(f"{asked} {seed}"))) for seed in range(14)}
    assert {"喜欢", "机器", "学习", "他们"} <= words
    english = "--row 0 --set task.masked_unit=word --set task.mask_fraction=0.1 --seed"
    found = {tuple(hidden_words(said(f"{english} {seed}"))) for seed in range(14)}
    assert ("un", "##happy") in found
    assert not any("un" in words and "##happy" not in words for words in found)


def test_a_recipe_with_a_schedule(tmp_path: Path, said: Callable[..., list[str]]) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        "[task]\nmax_tokens = 14\nmask_fraction = [0.5, 0.25]\n"
        'spans = "geometric"\nkeep_fraction = 0.0\nrandom_fraction = 0.0\n'
    )
    counts = {}
    for spent in (0.0, 0.4, 0.6, 1.0):
        lines = said(f"--row 0 --recipe {recipe} --spent {spent}")
        assert "rows of at most 14 tokens" in lines[0]
        counts[spent] = len(hidden_words(lines))
        assert lines[4].count("[MASK]⟨") == counts[spent]
    assert counts[0.0] == counts[0.4] == 2 * counts[1.0] == 2 * counts[0.6]
    over = said(f"--row 0 --recipe {recipe} --set task.mask_fraction=1.0 --max-tokens 20")
    assert "rows of at most 20 tokens" in over[0]
    assert over[4].count("[MASK]⟨") == len(over[4].split(" ")) - 2
    assert len(said("--recipe quickstart")) > 1


def test_pairs_that_follow_and_that_do_not(said: Callable[..., list[str]]) -> None:
    seen = {}
    for epoch in range(20):
        lines = said(
            f"--row 0 --set task.pairs=next --set task.short_fraction=0 --words --epoch {epoch}"
        )
        first, second = re.sub(PIECE, r"\2", lines[4]).split(" [SEP] ")
        assert lines[6].count("(") == 2
        seen[lines[7]] = f"{first} {second}".removesuffix(" [SEP]").split(" ")
        # The words are those of the pair as it is, not of the row in the shards.
        assert lines[8].count("[SEP]") == 2
    true, other = sorted(seen)
    assert true == "pair: label 0, the second text follows the first"
    assert other == "pair: label 1, the second text is another document's"
    whole = "[CLS] the un ##happy cat play ##s . the dog runs . the dog sees the cat .".split(" ")
    # One token makes room for the second [SEP], if there is no other.
    assert seen[true] in [whole, *(whole[:at] + whole[at + 1 :] for at in range(len(whole)))]
    assert len(seen[other]) == len(seen[true])
    assert seen[other] != seen[true]


def test_pairs_in_order_and_swapped(said: Callable[..., list[str]]) -> None:
    seen = {said(f"--row 2 --set task.pairs=order --epoch {epoch}")[-1] for epoch in range(20)}
    assert seen == {
        "pair: label 0, the two texts are in their order",
        "pair: label 1, the two texts are swapped",
    }
    alone = said("--row 3 --set task.pairs=order")
    assert alone[-2:] == ["segments: 0(0–4)", "pair: none, for the row has only one sentence"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--set task.spans=ngram", "--set: only with --as pretrain"),
        ("--recipe quickstart", "--recipe: only with --as pretrain"),
        ("--spent 0.5", "--spent: only with --as pretrain"),
        ("--as pretrain --spent 1.5", "--spent: expected a number from 0 to 1, got 1.5"),
        ("--as pretrain --spent nan", "--spent: expected a number from 0 to 1, got nan"),
        ("--as pretrain --set task.span=ngram", "did you mean 'span"),
        ("--as pretrain --set task.spans=wide", "Invalid enum value 'wide'"),
        ("--as pretrain --set spans=ngram", "unknown setting 'spans'"),
        ("--as pretrain --recipe quikstart", "did you mean 'quickstart'"),
        ("--as pretrain --max-tokens 3", "task.max_tokens must be at least 4; got 3"),
    ],
)
def test_what_cannot_be(words: str, expected: str, refused: Callable[..., str]) -> None:
    assert expected in refused(words)
