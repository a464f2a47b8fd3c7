"""Pairs: every token from its right place, labels true, and nothing but the text tells them."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.batch import Row
from filbert.errors import SettingsError
from filbert.settings import from_mapping, to_mapping
from filbert.tasks import Filled, Pretrain
from filbert.tasks.pairs import UNPAIRED, PairAnswer, Pairs, draw_pairs
from filbert.tokenizer import Tokenizer

WORDS = [f"w{number}" for number in range(200)]
TOKENIZER = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])
CLS, SEP = 2, 3
IDS = TOKENIZER.special_ids
OWN, OTHER = 1000, 2000
"""Tokens of a row and of its partner are numbered from here on: each tells where it is from."""

Sizes = list[int]


def row_of(sentences: Sizes, partner: Sizes | None = None, number: int = 0) -> Row:
    tokens = sum(sentences)
    return Row(
        np.array([CLS, *range(OWN, OWN + tokens), SEP], np.int32),
        np.zeros(tokens + 2, np.uint8),
        origin=(0, number),
        sentence_ends=np.cumsum(sentences, dtype=np.int32) + np.int32(1),
        partner=None if partner is None else np.arange(OTHER, OTHER + sum(partner), dtype=np.int32),
        partner_ends=None if partner is None else np.cumsum(partner, dtype=np.int32),
    )


def draw(
    rows: list[Row], pairs: Pairs = "next", seed: int = 1, epoch: int = 0, **changes: float
) -> tuple[list[Row], list[int]]:
    made, labels = draw_pairs(rows, pairs, IDS, seed, epoch, **changes)
    return made, labels.tolist()


def parts(row: Row) -> tuple[Sizes, Sizes]:
    """A and B of a pair; its form is checked."""
    ids = row.token_ids.tolist()
    (middle, last) = [place for place, token in enumerate(ids) if token == SEP]
    assert ids[0] == CLS
    assert ids.count(CLS) == 1
    assert last == len(ids) - 1
    assert row.segments.tolist() == [0] * (middle + 1) + [1] * (last - middle)
    first, second = ids[1:middle], ids[middle + 1 : last]
    assert first
    assert second
    return first, second


def rising(tokens: Sizes) -> bool:
    return all(after == before + 1 for before, after in pairwise(tokens))


SENTENCES = st.lists(st.integers(1, 9), min_size=1, max_size=12)
SEED, EPOCH = st.integers(0, 2**40), st.integers(0, 99)
patient = settings(deadline=None, max_examples=300)


@patient
@given(SENTENCES, SENTENCES, SEED, EPOCH, st.sampled_from([0.0, 0.1, 1.0]))
def test_next_sentences_are_neighbours_or_of_the_partner(
    sentences: Sizes, partner: Sizes, seed: int, epoch: int, short: float
) -> None:
    row = row_of(sentences, partner)
    (made,), (label,) = draw([row], "next", seed, epoch, short_fraction=short)
    if len(sentences) < 2 or sum(sentences) < 3:
        assert label == UNPAIRED
        assert made is row
        return
    first, second = parts(made)
    assert len(made) <= len(row)
    assert rising(first)
    assert rising(second)
    assert made.origin == row.origin
    assert row.sentence_ends is not None
    ends = [OWN + int(end) - 1 for end in row.sentence_ends]
    assert first[0] >= OWN
    assert first[-1] < OWN + sum(sentences)
    # The cut is at a sentence's end; where a token had to go, it may be the first side's last.
    assert first[-1] + 1 in ends[:-1] or first[-1] + 2 in ends[:-1]
    if label == 0:
        assert second[0] - first[-1] in (1, 2)
        assert second[-1] < ends[-1]
    else:
        assert label == 1
        starts = [OTHER, *(OTHER + np.cumsum(partner)[:-1])]
        assert OTHER <= second[0] <= second[-1] < OTHER + sum(partner)
        starts = starts[1:] if len(partner) > 1 else starts
        assert second[0] in starts or second[0] - 1 in starts


@patient
@given(SENTENCES, SEED, EPOCH, st.sampled_from([0.0, 1.0]))
def test_an_order_is_kept_or_swapped(sentences: Sizes, seed: int, epoch: int, short: float) -> None:
    row = row_of(sentences)
    (made,), (label,) = draw([row], "order", seed, epoch, short_fraction=short)
    if len(sentences) < 2 or sum(sentences) < 3:
        assert label == UNPAIRED
        return
    first, second = parts(made)
    assert rising(first)
    assert rising(second)
    assert len(made) <= len(row)
    before, after = (second, first) if label else (first, second)
    assert after[0] - before[-1] in (1, 2)
    assert row.sentence_ends is not None
    assert {before[-1] + 1 - OWN, before[-1] + 2 - OWN} & set((row.sentence_ends - 1).tolist())
    if short == 0.0:  # one token makes room for the second [SEP], and no more is lost
        assert len(first) + len(second) == sum(sentences) - 1


@patient
@given(SENTENCES, SENTENCES, SEED)
def test_the_shape_of_a_pair_says_nothing_of_its_label(
    sentences: Sizes, partner: Sizes, seed: int
) -> None:
    """Never and always random: the very same A, and a B of the very same length."""
    row = row_of(sentences, partner)
    (true,), _ = draw([row], seed=seed, random_next_fraction=0.0, short_fraction=0.3)
    (random,), (label,) = draw([row], seed=seed, random_next_fraction=1.0, short_fraction=0.3)
    assert true.segments.tolist() == random.segments.tolist()
    if label != UNPAIRED:
        assert label == 1
        assert parts(true)[0] == parts(random)[0]
        assert set(parts(random)[1]).isdisjoint(range(OWN, OTHER))


def test_both_kinds_of_b_end_with_a_sentence_equally_often() -> None:
    """Were a random B cut anywhere, its last token would give it away."""
    chance = np.random.default_rng(0)
    whole: dict[int, list[bool]] = {0: [], 1: []}
    for number in range(3000):
        own, partner = (chance.integers(3, 30, chance.integers(2, 9)).tolist() for _ in range(2))
        row = row_of(own, partner, number)
        assert row.sentence_ends is not None
        assert row.partner_ends is not None
        ends = {OWN + int(e) - 2 for e in row.sentence_ends}
        ends |= {OTHER + int(e) - 1 for e in row.partner_ends}
        (made,), (label,) = draw([row], short_fraction=0.0)
        whole[label].append(parts(made)[1][-1] in ends)
    shares = [np.mean(whole[label]) for label in (0, 1)]
    spread = np.sqrt(sum(s * (1 - s) / len(whole[n]) for n, s in enumerate(shares)))
    assert abs(shares[0] - shares[1]) < 4 * spread + 0.02
    assert min(shares) > 0.5


@pytest.mark.parametrize(("pairs", "wanted"), [("next", 0.5), ("next", 0.2), ("order", 0.5)])
def test_labels_come_in_their_share(pairs: Pairs, wanted: float) -> None:
    rows = [row_of([5, 6, 7], [7, 6, 5], number) for number in range(4000)]
    _, labels = draw(rows, pairs, 3, random_next_fraction=wanted)
    assert set(labels) == {0, 1}
    assert abs(np.mean(labels) - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / 4000)


def test_one_in_ten_is_short_and_its_length_is_any() -> None:
    rows = [row_of([1] * 60, [1] * 60, number) for number in range(4000)]
    made, _ = draw(rows, "order", 5)
    lengths = np.array([len(row) - 3 for row in made])
    short = lengths[lengths < 59]
    # A start within the row leaves less than was drawn in half of the cases; none leaves all.
    assert abs(len(short) / 4000 - 0.1) < 4 * np.sqrt(0.09 / 4000)
    assert short.min() < 6
    assert short.max() > 50
    assert len(draw(rows, "order", 5, short_fraction=0.0)[0][0]) == 62


def test_cuts_are_at_every_sentence_end() -> None:
    rows = [row_of([6] * 5, [6] * 5, number) for number in range(1000)]
    for pairs in ("next", "order"):
        made, labels = draw(rows, pairs, short_fraction=0.0)
        firsts = [parts(row)[label if pairs == "order" else 0]
                  for row, label in zip(made, labels, strict=True)]  # fmt: skip
        counts = np.bincount([round(len(first) / 6) for first in firsts])[1:]
        assert len(counts) == 4
        assert counts.min() > 250 - 4 * np.sqrt(250)


@settings(deadline=None)
@given(st.permutations(range(8)), st.integers(1, 7), st.sampled_from(["next", "order"]))
def test_a_pair_depends_on_nothing_but_its_row(order: list[int], cut: int, pairs: Pairs) -> None:
    task = Pretrain(64, pairs=pairs).with_tokenizer(TOKENIZER)
    chance = np.random.default_rng(1)
    rows = []
    for number in range(8):
        row = row_of([4, 5, 6, 7], [7, 6, 5, 4], number)
        real = chance.integers(5, 205, row.token_ids.size - 2)
        partner = chance.integers(5, 205, 22).astype(np.int32)
        ids = np.array([CLS, *real, SEP], np.int32)
        rows.append(replace(row, token_ids=ids, partner=partner))

    def seen(parts: list[list[Row]]) -> dict[int, tuple[list[int], list[int], int]]:
        found = {}
        for part in parts:
            packed = task.batch(part, 7, 3)
            for number, row in enumerate(part):
                span = slice(packed.starts[number], packed.ends[number])
                found[row.origin[1]] = (
                    packed.token_ids[span].tolist(),
                    packed.segments[span].tolist(),
                    int(packed.targets["pair_labels"][number]),
                )
        return found

    shuffled = [rows[number] for number in order]
    assert seen([rows]) == seen([shuffled[:cut], shuffled[cut:]])
    other = task.batch(rows, 7, 4)
    assert other.targets["pair_labels"].tolist() != [seen([rows])[n][2] for n in range(8)] or (
        other.segments.tolist() != task.batch(rows, 7, 3).segments.tolist()
    )


def test_special_tokens_are_never_hidden_and_rows_that_are_no_pairs_are_left_out() -> None:
    task = Pretrain(64, pairs="next", mask_fraction=0.9).with_tokenizer(TOKENIZER)
    rows = [
        replace(
            row_of([4, 5], [9, 9], number),
            token_ids=np.array([CLS, *range(5, 14), SEP], np.int32),
            partner=np.arange(50, 68, dtype=np.int32),
        )
        for number in range(40)
    ]
    rows[3] = replace(rows[3], sentence_ends=np.array([10], np.int32))
    rows[5] = replace(rows[5], partner=None, partner_ends=None)
    rows[7] = replace(rows[7], sentence_ends=None)
    packed = task.batch(rows, 1, 0)
    hidden = packed.targets["positions"]
    assert not {CLS, SEP} & set(packed.targets["labels"].tolist())
    for place in (*packed.starts, *(packed.ends - 1)):
        assert place not in hidden
    labels, pairs = packed.targets["pair_labels"], packed.targets["pairs"]
    assert np.flatnonzero(labels == UNPAIRED).tolist() == [3, 5, 7]
    assert pairs.tolist() == [n for n in range(40) if n not in (3, 5, 7)]
    assert task.counts(packed) == {"masked": len(hidden), "pairs": 37}
    assert packed.lengths.tolist() == [11] * 40


def test_without_pairs_batches_are_as_they_were() -> None:
    rows = [row_of([4, 5], [9, 9], number) for number in range(5)]
    rows = [replace(row, token_ids=np.array([CLS, *range(5, 14), SEP], np.int32)) for row in rows]
    task = Pretrain(64).with_tokenizer(TOKENIZER)
    packed = task.batch(rows, 1, 0)
    assert set(packed.targets) == {"positions", "labels"}
    assert not packed.segments.any()
    assert task.counts(packed).keys() == {"masked"}


def test_scoring_by_hand() -> None:
    task = Pretrain(64, pairs="next", short_fraction=1.0, random_next_fraction=0.9)
    task = task.with_tokenizer(TOKENIZER)
    rows = [
        replace(
            row_of([4, 5, 3], [4, 9, 9], number),
            token_ids=np.array([CLS, *range(5, 17), SEP], np.int32),
            partner=np.arange(50, 72, dtype=np.int32),
        )
        for number in range(30)
    ]
    rows[2] = replace(rows[2], sentence_ends=np.array([13], np.int32))
    packed = task.scored_batch(rows, 1)
    # As the paper draws them, whatever is learnt with: all of each row, one half random.
    assert packed.lengths.tolist() == [14] * 30
    labels = packed.targets["pair_labels"]
    assert 5 < (labels == 1).sum() < 25
    masked = len(packed.targets["labels"])
    logits = np.zeros((masked, TOKENIZER.vocab_size), np.float32)
    pair_logits = np.zeros((29, 2), np.float32)
    pair_logits[np.arange(29), labels[packed.targets["pairs"]]] = 2.0
    pair_logits[4] *= -1
    answers = task.decode({"logits": logits, "pair_logits": pair_logits}, packed)
    references = task.references(packed)
    assert answers[2].pair == references[2].pair == UNPAIRED
    scores = task.score(answers, references)
    right, wrong = np.log1p(np.exp(-2)), np.log1p(np.exp(2))
    assert scores["pairs_accuracy"] == pytest.approx(28 / 29)
    assert scores["pairs_loss"] == pytest.approx((28 * right + wrong) / 29, rel=1e-5)
    assert scores["pairs"] == 29
    assert scores["masked_tokens"] == masked
    assert scores["loss"] == pytest.approx(np.log(TOKENIZER.vocab_size), rel=1e-5)
    # Rows that were no pairs are scored by their hidden tokens alone.
    assert "pairs_accuracy" not in task.score(answers[2:3], references[2:3])


def test_windows_are_joined_and_are_no_pair() -> None:
    task, filled = Pretrain(64, pairs="order"), Filled(1, (2,), (1.0,))
    one, two = PairAnswer((filled,), 1, 0.1), PairAnswer((filled, filled), UNPAIRED)
    assert task.merge([one]) == one
    assert task.merge([one, two]) == PairAnswer((filled,) * 3, UNPAIRED)


def test_settings_come_back_and_those_that_cannot_be_are_refused() -> None:
    task = Pretrain(64, pairs="order", random_next_fraction=0.3, short_fraction=0.0)
    assert from_mapping(to_mapping(task), Pretrain) == task
    with pytest.raises(SettingsError, match="pairs"):
        from_mapping({"pairs": "both"}, Pretrain)
    with pytest.raises(SettingsError, match=r"task\.pairs must be one of none, next, order"):
        Pretrain(**{"pairs": "both"})  # type: ignore[arg-type, unused-ignore]
    with pytest.raises(SettingsError, match=r"task\.short_fraction must be in \[0, 1\]; got 1.1"):
        Pretrain(short_fraction=1.1)
