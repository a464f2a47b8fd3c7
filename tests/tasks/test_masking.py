"""Masked language modelling: exact counts, never a special token, the paper's fractions."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.batch import Row
from filbert.errors import DataError, SettingsError
from filbert.tasks import Filled, Pretrain
from filbert.tasks.chance import fractions, token_numbers
from filbert.tokenizer import Tokenizer

WORDS = [f"w{number}" for number in range(200)]
TOKENIZER = Tokenizer(["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])
SPECIAL = {0, 2, 3, 4, 5}
TASK = Pretrain(max_tokens=64).with_tokenizer(TOKENIZER)


def row_of(ids: list[int], number: int = 0, shard: int = 0) -> Row:
    return Row(np.array(ids, np.int32), np.zeros(len(ids), np.uint8), origin=(shard, number))


def sentence(length: int, number: int = 0, seed: int = 0) -> Row:
    random = np.random.default_rng((seed, number))
    return row_of([3, *random.integers(6, 206, length).tolist(), 4], number)


ids = st.lists(st.integers(0, 205), min_size=1, max_size=60)


@settings(deadline=None)
@given(st.lists(ids, min_size=1, max_size=12), st.integers(0, 2**40), st.integers(0, 100))
def test_each_row_hides_its_exact_count_and_no_special_token(
    given_ids: list[list[int]], seed: int, epoch: int
) -> None:
    rows = [row_of(row, number) for number, row in enumerate(given_ids)]
    packed = TASK.batch(rows, seed, epoch)
    positions, labels = packed.targets["positions"], packed.targets["labels"]
    original = np.concatenate([row.token_ids for row in rows])
    assert (original[positions] == labels).all()
    assert not SPECIAL & set(labels.tolist())
    unhidden = np.ones(len(original), bool)
    unhidden[positions] = False
    assert (packed.token_ids[unhidden] == original[unhidden]).all()
    assert not (SPECIAL - {5}) & set(packed.token_ids[positions].tolist())
    assert (np.diff(positions) > 0).all()
    for row, start, end in zip(rows, packed.starts, packed.ends, strict=True):
        maskable = sum(token not in SPECIAL for token in row.token_ids.tolist())
        hidden = ((positions >= start) & (positions < end)).sum()
        assert hidden == (max(1, round(0.15 * maskable)) if maskable else 0)


@settings(deadline=None)
@given(st.permutations(range(8)), st.integers(1, 7))
def test_a_rows_masks_depend_on_nothing_but_itself(order: list[int], cut: int) -> None:
    rows = [sentence(10 + number, number) for number in range(8)]

    def masks(parts: list[list[Row]]) -> dict[int, list[int]]:
        found = {}
        for part in parts:
            packed = TASK.batch(part, 7, 3)
            for row, start, end in zip(part, packed.starts, packed.ends, strict=True):
                found[row.origin[1]] = packed.token_ids[start:end].tolist()
        return found

    shuffled = [rows[number] for number in order]
    assert masks([rows]) == masks([shuffled[:cut], shuffled[cut:]])


def test_seed_epoch_shard_and_row_each_change_the_masks() -> None:
    row = sentence(60)

    def hidden(row: Row, seed: int = 1, epoch: int = 0) -> list[int]:
        positions: list[int] = TASK.batch([row], seed, epoch).targets["positions"].tolist()
        return positions

    base = hidden(row)
    assert hidden(row) == base
    others = [
        hidden(row, seed=2),
        hidden(row, epoch=1),
        hidden(replace(row, origin=(1, 0))),
        hidden(replace(row, origin=(0, 1))),
        hidden(replace(row, origin=(1, 1)), seed=0),
    ]
    assert all(other != base for other in others)
    assert len({tuple(other) for other in others}) == len(others)


def test_the_papers_fractions_by_chi_square() -> None:
    """80 % [MASK], 10 % random, 10 % kept; the hidden places uniform; random words uniform."""
    rows = [sentence(60, number) for number in range(4000)]
    packed = TASK.batch(rows, 11, 0)
    positions, labels = packed.targets["positions"], packed.targets["labels"]
    shown = packed.token_ids[positions]
    draws = len(positions)
    assert draws == 4000 * 9
    counts = np.array([(shown == 5).sum(), (shown == labels).sum()])
    # A random word is the right one in 1 of 200 cases.
    wanted = np.array([0.8, 0.1 + 0.1 / 200]) * draws
    assert (np.abs(counts - wanted) < 4 * np.sqrt(wanted)).all()
    places = np.bincount((positions % 62) - 1, minlength=60)
    assert ((places - draws / 60) ** 2 / (draws / 60)).sum() < 60 + 5 * np.sqrt(120)
    words = Counter(shown[(shown != 5) & (shown != labels)].tolist())
    expected = sum(words.values()) / 200
    assert sum((words[6 + w] - expected) ** 2 / expected for w in range(200)) < 200 + 5 * 20


def test_numbers_are_uniform_and_independent_between_purposes() -> None:
    origins = [(0, number) for number in range(1000)]
    lengths = np.full(1000, 100, np.int32)
    first = fractions(token_numbers(1, 0, origins, lengths, 1))
    second = fractions(token_numbers(1, 0, origins, lengths, 2))
    assert abs(first.mean() - 0.5) < 0.005
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.015
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.015
    assert len(np.unique(first)) == first.size


def test_other_fractions() -> None:
    task = Pretrain(64, mask_fraction=0.4, keep_fraction=0.0, random_fraction=0.0)
    packed = task.with_tokenizer(TOKENIZER).batch([sentence(50)], 1, 0)
    assert (packed.token_ids == 5).sum() == 20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask_fraction": 0.0}, r"mask_fraction must be in \(0, 1\]; got 0.0"),
        ({"keep_fraction": 0.6, "random_fraction": 0.6}, "together at most 1; got 0.6 and 0.6"),
        ({"max_tokens": 3}, "max_tokens must be at least 4; got 3"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Pretrain(**changes)  # type: ignore[arg-type, unused-ignore]


def test_decoding_and_scoring_by_hand() -> None:
    packed = TASK.batch([sentence(10, 0), sentence(14, 1)], 1, 0)
    labels = packed.targets["labels"]
    logits = np.zeros((len(labels), TOKENIZER.vocab_size), np.float32)
    logits[np.arange(len(labels)), labels] = 5.0
    logits[0] = 0.0
    logits[0, [7, 9]] = 3.0  # a tie falls to the smaller id
    answers = TASK.decode({"logits": logits}, packed)
    references = TASK.references(packed)
    assert [len(answer) for answer in answers] == [len(reference) for reference in references]
    assert answers[0][0].token_ids[:2] == (7, 9)
    scores = TASK.score(answers, references)
    assert scores["accuracy"] == (len(labels) - 1) / len(labels)
    wanted = np.log(np.exp(5) + TOKENIZER.vocab_size - 1) - 5
    assert answers[1][-1].loss == pytest.approx(wanted, rel=1e-5)
    assert scores["perplexity"] == pytest.approx(np.exp(scores["loss"]))


def test_nothing_to_hide_is_said_not_divided_by() -> None:
    with pytest.raises(DataError, match="no token of these rows could be hidden"):
        TASK.score([()], [()])
    assert TASK.merge([(Filled(1, (2,), (1.0,)),), ()]) == (Filled(1, (2,), (1.0,)),)


def test_query_asks_for_the_masks_that_stand_in_the_text() -> None:
    packed = TASK.query([row_of([3, 5, 7, 4]), row_of([3, 7, 5, 5, 4])])
    assert packed.targets["positions"].tolist() == [1, 6, 7]
    assert packed.token_ids.tolist() == [3, 5, 7, 4, 3, 7, 5, 5, 4]


def test_scores_are_at_the_papers_fraction_whatever_is_learnt_with() -> None:
    rows = [sentence(60, number) for number in range(5)]
    much = Pretrain(64, mask_fraction=0.5).with_tokenizer(TOKENIZER)
    usual, scored = TASK.batch(rows, 3, 0), much.scored_batch(rows, 3)
    assert (scored.token_ids == usual.token_ids).all()
    assert len(much.batch(rows, 3, 0).targets["labels"]) == 150


def test_rows_of_the_embedding_that_stand_for_no_token_are_never_said() -> None:
    packed = TASK.query([row_of([3, 5, 7, 4])])
    logits = np.zeros((1, TOKENIZER.vocab_size + 58), np.float32)
    logits[0, TOKENIZER.vocab_size :] = 9.0
    logits[0, 7] = 9.0
    ((filled,),) = TASK.decode({"logits": logits}, packed)
    assert filled.token_ids[0] == 7
    assert max(filled.token_ids) < TOKENIZER.vocab_size
    assert filled.probabilities[0] == pytest.approx(1 / 59, rel=1e-2)
