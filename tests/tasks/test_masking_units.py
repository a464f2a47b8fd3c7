"""Which tokens are hidden: the plain loop of the papers, whole words, spans, and rows alone."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filbert.batch import Row, pack
from filbert.tasks import Pretrain
from filbert.tasks.chance import fractions, token_numbers
from filbert.tasks.masking import SPAN_SHARES, Hidden, Spans, Unit, choose_hidden
from filbert.tokenizer import Tokenizer
from filbert.tokenizer.whole_words import whole_words_of_ids

pytest.importorskip("rjieba", reason="Chinese words need rjieba")

ENGLISH = [*"abcdefgh", *(f"##{letter}" for letter in "abcdefgh")]
CHINESE = [*"机器学习我们喜欢有用"]
TOKENIZER = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *ENGLISH, *CHINESE])
SIZE = TOKENIZER.vocab_size
UNITS: tuple[Unit, ...] = ("token", "word")
SPANS: tuple[Spans, ...] = ("single", "ngram", "geometric")

rows_of_ids = st.lists(
    st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=40), min_size=1, max_size=6
)
fraction = st.sampled_from([0.01, 0.15, 0.3, 0.5, 0.9, 1.0])
any_task = st.builds(
    Pretrain,
    mask_fraction=fraction,
    masked_unit=st.sampled_from(UNITS),
    spans=st.sampled_from(SPANS),
)


def made(given_ids: list[list[int]]) -> list[Row]:
    return [
        Row(np.array(ids, np.int32), np.zeros(len(ids), np.uint8), origin=(3, number))
        for number, ids in enumerate(given_ids)
    ]


def chosen(task: Pretrain, rows: list[Row], seed: int = 1, epoch: int = 0) -> Hidden:
    assert isinstance(task.mask_fraction, float)
    packed = pack(rows)
    words = whole_words_of_ids(TOKENIZER, packed.token_ids, packed.ends)
    return choose_hidden(
        packed,
        [row.origin for row in rows],
        seed,
        epoch,
        maskable=~TOKENIZER.is_special[packed.token_ids],
        mask_fraction=task.mask_fraction,
        words=words if task.masked_unit == "word" else None,
        spans=task.spans,
    )


def units_of(row: Row, unit: Unit) -> list[list[int]]:
    """The places of each unit of a row."""
    special = TOKENIZER.is_special[row.token_ids]
    numbers = whole_words_of_ids(TOKENIZER, row.token_ids)
    found: list[list[int]] = []
    for place in range(len(row)):
        if special[place]:
            continue
        if unit == "word" and place and numbers[place] == numbers[place - 1]:
            found[-1].append(place)
        else:
            found.append([place])
    return found


def plain_loop(task: Pretrain, row: Row, seed: int, epoch: int) -> dict[int, int | None]:
    """Place → leader, or None where one word alone is hidden, drawn unit by unit."""
    assert isinstance(task.mask_fraction, float)
    units = units_of(row, task.masked_unit)
    available = sum(map(len, units))
    if not available:
        return {}
    wanted = min(max(1, round(available * task.mask_fraction)), available)
    lengths = np.array([len(row)], np.int32)
    priority = token_numbers(seed, epoch, [row.origin], lengths, 1)
    drawn = fractions(token_numbers(seed, epoch, [row.origin], lengths, 4))
    ends = np.cumsum(SPAN_SHARES[task.spans])
    hidden: dict[int, int | None] = {}
    seen: set[int] = set()
    order = sorted(range(len(units)), key=lambda unit: int(priority[units[unit][0]]))
    for first in order:
        if first in seen:
            continue
        length = 1 + sum(drawn[units[first][0]] >= end for end in ends[:-1])
        span = [first]
        while len(span) < length and span[-1] + 1 < len(units):
            if units[span[-1] + 1][0] != units[span[-1]][-1] + 1:
                break
            span.append(span[-1] + 1)
        fits = True
        for unit in span:
            if unit in seen:
                continue
            seen.add(unit)
            fits = fits and len(hidden) + len(units[unit]) <= wanted
            if fits:
                hidden |= dict.fromkeys(units[unit], units[first][0])
    if not hidden:
        shortest = min(order, key=lambda unit: len(units[unit]))
        hidden = dict.fromkeys(units[shortest])
    return hidden


@settings(deadline=None, max_examples=300)
@given(rows_of_ids, any_task, st.integers(0, 2**39), st.integers(0, 50))
@example([[5, 13, 5, 5]], Pretrain(mask_fraction=0.01, masked_unit="word", spans="ngram"), 17, 2)
@example(
    [[0], [0], [5, 13, 5, 5]],
    Pretrain(mask_fraction=0.01, masked_unit="word", spans="ngram"),
    17,
    2,
)
def test_all_rows_at_once_are_as_the_plain_loop_says(
    given_ids: list[list[int]], task: Pretrain, seed: int, epoch: int
) -> None:
    rows = made(given_ids)
    hidden, start = chosen(task, rows, seed, epoch), 0
    for row in rows:
        inside = (hidden.positions >= start) & (hidden.positions < start + len(row))
        expected = plain_loop(task, row, seed, epoch)
        assert (hidden.positions[inside] - start).tolist() == sorted(expected)
        leaders = [expected[place] for place in sorted(expected)]
        if None not in leaders:
            assert (hidden.leaders[inside] - start).tolist() == leaders
        start += len(row)


@settings(deadline=None, max_examples=200)
@given(rows_of_ids, any_task, st.integers(0, 2**39))
def test_counts_words_and_special_tokens(
    given_ids: list[list[int]], task: Pretrain, seed: int
) -> None:
    rows = made(given_ids)
    packed = task.with_tokenizer(TOKENIZER).batch(rows, seed, 0)
    positions, labels = packed.targets["positions"], packed.targets["labels"]
    assert not TOKENIZER.is_special[labels].any()
    original = np.concatenate([row.token_ids for row in rows])
    assert (original[positions] == labels).all()
    assert (np.delete(packed.token_ids, positions) == np.delete(original, positions)).all()
    hidden, start = set(positions.tolist()), 0
    for row in rows:
        units = units_of(row, task.masked_unit)
        available = sum(map(len, units))
        count = sum(start <= place < start + len(row) for place in hidden)
        wanted = max(1, round(available * task.mask_fraction)) if available else 0
        within = [{start + place for place in unit} for unit in units]
        # All or nothing of each unit.
        assert all(unit <= hidden or not unit & hidden for unit in within)
        if task.masked_unit == "token":
            assert count == wanted
        elif units:
            shortest = min(map(len, units))
            assert 1 <= count <= max(wanted, shortest)
            # No word that would have fitted was left, where words are drawn one by one.
            left = [len(unit) for unit in within if not unit & hidden]
            assert task.spans != "single" or all(count + size > wanted for size in left)
        start += len(row)


@settings(deadline=None)
@given(rows_of_ids, any_task, st.randoms(use_true_random=False), st.integers(0, 6))
def test_a_row_is_hidden_alike_whatever_stands_beside_it(
    given_ids: list[list[int]], task: Pretrain, random: np.random.Generator, cut: int
) -> None:
    rows, bound = made(given_ids), task.with_tokenizer(TOKENIZER)
    shuffled = list(rows)
    random.shuffle(shuffled)

    def seen(parts: list[list[Row]]) -> dict[tuple[int, int], list[int]]:
        found = {}
        for part in filter(None, parts):
            packed = bound.batch(part, 5, 2)
            for row, start, end in zip(part, packed.starts, packed.ends, strict=True):
                found[row.origin] = packed.token_ids[start:end].tolist()
        return found

    assert seen([rows]) == seen([[row] for row in rows]) == seen([shuffled[:cut], shuffled[cut:]])


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("spans", SPANS)
def test_each_epoch_hides_others(unit: Unit, spans: Spans) -> None:
    row = made([[2, *np.random.default_rng(0).integers(5, SIZE, 200).tolist(), 3]])
    task = Pretrain(256, masked_unit=unit, spans=spans)
    found = {tuple(chosen(task, row, epoch=epoch).positions.tolist()) for epoch in range(20)}
    assert len(found) == 20


@pytest.mark.parametrize("spans", ["ngram", "geometric"])
@pytest.mark.parametrize("unit", UNITS)
def test_the_lengths_of_spans_by_chi_square(spans: Spans, unit: Unit) -> None:
    """The first span of each row is never cut short, if it does not begin near the row's end."""
    shares = SPAN_SHARES[spans]
    assert sum(shares) == pytest.approx(1)
    # Words of two pieces each: a ##b a ##b …
    pair = [5, 5 + 9] if unit == "word" else [5, 6]
    tokens = 400
    rows = made([pair * (tokens // 2)] * 4000)
    task = Pretrain(512, mask_fraction=20 / tokens, masked_unit=unit, spans=spans)
    size = 2 if unit == "word" else 1
    choice = token_numbers(9, 0, [row.origin for row in rows], pack(rows).lengths, 1)
    choice = choice.reshape(len(rows), tokens)[:, ::size]
    first = choice.argmin(1) * size
    hidden = chosen(task, rows, seed=9)
    row, leader = np.divmod(hidden.leaders, tokens)
    lengths = np.bincount(row[leader == first[row]], minlength=len(rows))
    kept = lengths[first + len(shares) * size <= tokens]
    assert (kept % size == 0).all()
    seen = np.bincount(kept // size, minlength=len(shares) + 1)[1:]
    expected = np.array(shares) * len(kept)
    # The 99.9 % points of chi-square with 3 and 9 degrees of freedom.
    assert ((seen - expected) ** 2 / expected).sum() < {4: 16.27, 10: 27.88}[len(shares)]
    mean = (kept // size).mean()
    assert mean == pytest.approx({4: 2.0, 10: 3.80}[len(shares)], abs=0.15)


def test_every_word_is_drawn_as_often() -> None:
    """Words of one token; where others are longer, the never-over rule prefers the short ones."""
    rows = made([[2, *range(5, 13), 3]] * 8000)
    task = Pretrain(32, mask_fraction=0.25, masked_unit="word")
    positions = chosen(task, rows).positions
    assert len(positions) == 2 * len(rows)
    seen = np.bincount(positions % 10, minlength=10)
    assert seen[[0, 9]].tolist() == [0, 0]
    assert ((seen[1:9] - 2000) ** 2 / 2000).sum() < 24.32  # 99.9 %, 7 degrees


@pytest.mark.parametrize("spans", SPANS)
def test_what_a_hidden_token_becomes_by_chi_square(spans: Spans) -> None:
    """80/10/10 in all; once for a span, for each token of a whole word by itself."""
    rows = made([[2, *([5, 14, 15] * 20), 3]] * 3000)
    task = Pretrain(
        64, masked_unit="word", spans=spans, keep_fraction=0.2, random_fraction=0.1
    ).with_tokenizer(TOKENIZER)
    packed, hidden = task.batch(rows, 4, 0), chosen(task, rows, seed=4)
    shown = packed.token_ids[hidden.positions]
    kinds = np.where(shown == 4, 0, np.where(shown == packed.targets["labels"], 1, 2))
    right = 0.1 / len(TOKENIZER.ordinary_ids)  # a random token may be the right one
    wanted = np.array([0.7, 0.2 + right, 0.1 - right])
    units = hidden.leaders if spans != "single" else hidden.positions
    per_unit = len(np.unique(units))
    # Tokens of a span share one draw, so the spread is that of the spans.
    size = np.unique(units, return_counts=True)[1]
    spread = np.sqrt(wanted * (1 - wanted) * (size.astype(float) ** 2).sum()) / size.sum()
    assert (np.abs(np.bincount(kinds, minlength=3) / len(kinds) - wanted) < 4 * spread).all()
    assert per_unit > 3000
    masked = Counter(
        frozenset((kinds[units == unit] == 0).tolist()) for unit in np.unique(units)[:500]
    )
    together = {frozenset({True}), frozenset({False})}
    assert masked.keys() == together
    if spans == "single":
        words = (kinds.reshape(-1, 3) == 0).sum(1)
        assert {1, 2} <= set(words.tolist())


def test_a_row_whose_words_are_all_too_long_hides_its_shortest() -> None:
    row = made([[2, 5, 14, 15, 16, 3, 6, 14, 15, 3, 7, 14, 15, 3]])
    task = Pretrain(32, mask_fraction=0.1, masked_unit="word")
    found = {tuple(chosen(task, row, seed=seed).positions.tolist()) for seed in range(40)}
    assert found == {(6, 7, 8), (10, 11, 12)}


def test_chinese_words_are_hidden_whole() -> None:
    text = "我们喜欢机器学习有用"
    ids = TOKENIZER.encode(text).token_ids.tolist()
    task = Pretrain(32, mask_fraction=0.2, masked_unit="word")
    found = Counter(tuple(chosen(task, made([ids]), seed=s).positions) for s in range(200))
    assert found.keys() == {(1, 2), (3, 4), (5, 6), (7, 8), (9, 10)}
    assert min(found.values()) > 15


def test_no_row_can_hide_what_it_has_not() -> None:
    task = Pretrain(8, masked_unit="word", spans="ngram").with_tokenizer(TOKENIZER)
    packed = task.batch(made([[2, 3], [2, 1, 3]]), 0, 0)
    assert packed.targets["positions"].tolist() == []
    assert packed.token_ids.tolist() == [2, 3, 2, 1, 3]
    assert task.counts(packed) == {"masked": 0}


@pytest.mark.parametrize("spans", SPANS)
def test_scores_are_of_single_tokens_whatever_is_learnt_with(spans: Spans) -> None:
    rows = made([[2, *([5, 14, 15] * 20), 3]] * 20)
    usual = Pretrain(64).with_tokenizer(TOKENIZER).batch(rows, 3, 0)
    learnt_with = Pretrain(
        64,
        mask_fraction=(0.5, 0.3),
        masked_unit="word",
        spans=spans,
        keep_fraction=0.0,
        random_fraction=0.5,
    )
    scored = learnt_with.with_tokenizer(TOKENIZER).scored_batch(rows, 3)
    assert (scored.token_ids == usual.token_ids).all()
    assert (scored.targets["positions"] == usual.targets["positions"]).all()
