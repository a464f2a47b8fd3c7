"""Pairs from shards to a folder: learnt where they can be, split without a leak, gone on with."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import filbert
from filbert.corpus import Document
from filbert.engine import open_model
from filbert.errors import DataError
from filbert.shards import Paired, ShardReader, write_shards
from filbert.tasks import Pretrain
from filbert.tokenizer import Tokenizer, learn_wordpiece
from filbert.train import Plan, RunFolder, make_plan
from filbert.train.loop import train
from filbert.train.pair_sources import rows_aside
from filbert.train.sources import Part, split_off

ENGLISH = (
    "river stone cloud forest winter summer garden mountain",
    "engine wheel metal factory motor piston diesel gear",
    "bread butter cheese kitchen oven sugar flour apple",
    "violin piano concert melody rhythm opera singer drum",
)
CHINESE = ("山水云林冬夏花石", "车轮铁机油钢械器", "面包奶糖米果茶盐", "琴鼓歌曲乐唱弦音")


def document(number: int, language: str, *, steps: bool = False) -> Document:
    """All of one topic; or, with steps, from one topic to the next, always in the same order."""
    chance = np.random.default_rng((number, len(language)))
    topic, text, ends = int(chance.integers(4)), "", []
    for sentence in range(4 if steps else int(chance.integers(4, 9))):
        at = sentence if steps else topic
        words = ENGLISH[at].split() if language == "en" else list(CHINESE[at])
        drawn = chance.choice(words, int(chance.integers(4, 8))).tolist()
        text += " ".join(drawn) + ". " if language == "en" else "".join(drawn) + "。"
        ends.append(len(text))
    return Document(text, "made", str(number), language=language, sentence_ends=ends)


def documents(numbers: Sequence[int], language: str, **how: Any) -> list[Document]:
    return [document(number, language, **how) for number in numbers]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    every = documents(range(200), "en") + documents(range(200), "zh")
    return learn_wordpiece((one.text for one in every), 300)


def plan_of(pairs: str, steps: int, peak_lr: float = 3e-3, **task: Any) -> Plan:
    return make_plan(
        {
            "name": "pairs",
            "preset": "bert-tiny",
            "shape": {
                "depth": 2,
                "width": 64,
                "attention_heads": 2,
                "mlp_width": 128,
                "max_positions": 64,
                "dropout_fraction": 0.0,
            },
            "task": {"max_tokens": 40, "pairs": pairs, **task},
            "train": {
                "steps": steps,
                "batch_tokens": 2048,
                "peak_lr": peak_lr,
                "save_every_seconds": 1e9,
                "precision": "fp32",
            },
        }
    )


def test_the_next_sentence_is_learnt_in_two_languages(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """Of a mixture; a partner has the row's topic in one of four cases, so 87.5 % can be had."""
    for language in ("en", "zh"):
        write_shards(documents(range(700), language), tokenizer, tmp_path / language)
    held = [one for n in ("en", "zh") for one in documents(range(1000, 1100), n)]
    write_shards(held, tokenizer, tmp_path / "dev")
    folder = filbert.pretrain(
        [(tmp_path / "en", 1.0), (tmp_path / "zh", 1.0)],
        tmp_path / "run",
        plan=plan_of("next", 320),
        dev=tmp_path / "dev",
    )
    scores = folder.scores()
    assert scores["pairs"] > 200
    assert scores["pairs_accuracy"] > 0.75, scores
    assert scores["pairs_loss"] < 0.6
    assert folder.config()["architectures"] == ["BertForPreTraining"]
    model = open_model(folder, device="cpu")
    ((filled,),) = model.fill_mask(["river stone [MASK] forest."])
    assert filled.guesses
    assert model.embed(["山水云林。"]).shape == (1, 64)


def test_the_order_of_sentences_is_learnt(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """And words alone go on from it: the parts of the pairs stay behind."""
    write_shards(documents(range(600), "en", steps=True), tokenizer, tmp_path / "shards")
    write_shards(documents(range(900, 1000), "en", steps=True), tokenizer, tmp_path / "dev")
    folder = filbert.pretrain(
        tmp_path / "shards",
        tmp_path / "run",
        plan=plan_of("order", 140, 8e-3),
        dev=tmp_path / "dev",
    )
    assert folder.scores()["pairs_accuracy"] > 0.9
    words = filbert.pretrain(
        tmp_path / "shards", tmp_path / "words", plan=plan_of("none", 2), start=folder
    )
    assert words.config()["architectures"] == ["BertForMaskedLM"]
    assert "pairs_accuracy" not in words.scores()


def test_a_stopped_run_with_pairs_goes_on_bit_for_bit(tokenizer: Tokenizer, tmp_path: Path) -> None:
    write_shards(documents(range(60), "en"), tokenizer, tmp_path / "shards")
    plan = plan_of("next", 9)  # more than one epoch: partners change on the way
    filbert.pretrain(tmp_path / "shards", tmp_path / "whole", plan=plan)
    starting = importlib.import_module("filbert.train.starting")

    def stopping(job: Any, should_stop: Any) -> Any:
        steps = iter(range(5))
        return train(job, lambda: next(steps, None) in (None, 4))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(starting, "train", stopping)
        with pytest.raises(KeyboardInterrupt):
            filbert.pretrain(tmp_path / "shards", tmp_path / "stopped", plan=plan)
    filbert.pretrain(tmp_path / "shards", tmp_path / "stopped", plan=plan)
    logs = [[(line["loss"], line["figures"]["pairs_loss"])
             for line in RunFolder(tmp_path / run).read_log() if "loss" in line]
            for run in ("whole", "stopped")]  # fmt: skip
    assert len(logs[0]) == 9
    assert logs[0] == logs[1]


def test_a_start_without_pairs_says_what_is_drawn_anew(
    tokenizer: Tokenizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shards(documents(range(60), "en"), tokenizer, tmp_path / "shards")
    begin = filbert.pretrain(tmp_path / "shards", tmp_path / "words", plan=plan_of("none", 1))
    folder = filbert.pretrain(
        tmp_path / "shards",
        tmp_path / "pairs",
        plan=plan_of("next", 320),
        start=begin,
        progress=filbert.progress.plain(),
    )
    said = capsys.readouterr()
    assert "drawn anew" in said.out + said.err
    assert "head.next_sentence.weight" in said.out + said.err
    task = folder.task()
    assert isinstance(task, Pretrain)
    assert task.pairs == "next"


def test_one_document_makes_no_next_sentences(tokenizer: Tokenizer, tmp_path: Path) -> None:
    write_shards(documents(range(1), "en"), tokenizer, tmp_path / "shards")
    with pytest.raises(DataError, match="expected rows of two documents or more"):
        filbert.pretrain(
            tmp_path / "shards",
            tmp_path / "run",
            plan=plan_of("next", 1, max_tokens=12),
            dev=tmp_path / "shards",
        )


def test_no_partner_is_of_rows_that_are_set_aside_and_theirs_are(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    """What is scored on is not seen in training, not even as a partner."""
    write_shards(documents(range(150), "en"), tokenizer, tmp_path / "shards")
    reader = ShardReader(tmp_path / "shards", max_tokens=16)
    blocks = split_off(len(reader), seed=2, dev_fraction=0.2, block=4)
    aside = set(blocks.aside().tolist())
    numbers: dict[bytes, set[int]] = {}
    for number in range(len(reader)):
        numbers.setdefault(reader.row(number).token_ids[1:-1].tobytes(), set()).add(number)
    part = Part(reader, blocks)
    for index in range(len(part.lengths)):
        number = int(blocks.kept(np.int64(index)))
        assert blocks.kept_before(number) == index
        whole, own = reader.document(number), part.document(index)
        kept = [n for n in range(whole.first, whole.stop) if n not in aside]
        assert [int(n) for n in blocks.kept(np.arange(own.first, own.stop))] == kept
        partner = Paired(part).row_at(index, 1, 0).partner if index % 9 == 0 else None
        if partner is not None:
            assert numbers[partner.tobytes()] - aside
            assert not numbers[partner.tobytes()] & set(range(whole.first, whole.stop))
    found = rows_aside(reader, blocks, "next")
    for number, row in zip(sorted(aside), found, strict=True):
        assert row.token_ids.tolist() == reader.row(number).token_ids.tolist()
        assert row.partner is not None
        assert numbers[row.partner.tobytes()] & aside
    # Two rows of one document make no pair with each other: then all rows are taken.
    few = split_off(len(reader), seed=2, dev_rows=1)
    (row,) = rows_aside(reader, few, "next")
    assert row.partner is not None
    (row,) = rows_aside(reader, few, "none")
    assert row.partner is None
