"""Intervals and comparisons: beside scipy's, beside plain recounting, and in simulations."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from filbert.errors import DataError, SettingsError
from filbert.tasks import (
    Choose,
    Chosen,
    Classified,
    Classify,
    Embed,
    Entity,
    Measured,
    Pretrain,
    Ranked,
    Regress,
    Rerank,
    Span,
    Tag,
    Tagged,
    Task,
    bootstrap,
    holm,
    mcnemar,
    paired_bootstrap,
)
from filbert.tasks.answers import Right
from filbert.tasks.embed import Compared
from filbert.tasks.rerank import Asked
from filbert.tasks.scores import pearson
from filbert.tasks.span import Answer

Chance = np.random.Generator
Made = tuple[list[Any], list[Any]]
NAMES = ("a", "b", "书", "d")
MANY = tuple(f"label {number}" for number in range(80))
COUNTS = {"examples", "queries", "entities", "calibration_error"}
CHOOSE = Choose()


def labels(chance: Chance, count: int, names: tuple[str, ...] = NAMES) -> Made:
    wanted = [names[at] for at in chance.integers(0, len(names), count)]
    guesses = [names[at] for at in chance.integers(0, len(names), count)]
    kept = chance.random(count) < 0.6
    said = [w if k else g for w, g, k in zip(wanted, guesses, kept, strict=True)]
    return [Classified(label, 0.5, {"a": 0.5}) for label in said], wanted


def many_labels(chance: Chance, count: int) -> Made:
    return labels(chance, count, MANY)


def label_sets(chance: Chance, count: int) -> Made:
    def some() -> tuple[str, ...]:
        return tuple(name for name in NAMES if chance.random() < 0.4)

    found = [some() for _ in range(count)]
    said = [Classified("a", 0.5, dict.fromkeys(NAMES, 0.5), labels=one) for one in found]
    return said, [one if chance.random() < 0.5 else some() for one in found]


def numbers(chance: Chance, count: int) -> Made:
    wanted = chance.integers(0, 6, count).astype(float)  # some of them tie
    said = np.round(wanted + chance.normal(size=count), 1)
    return [Measured(float(value)) for value in said], wanted.tolist()


def entities(chance: Chance, count: int) -> Made:
    answers, references = [], []
    for _ in range(count):
        spans = [(9 * at, 9 * at + 4) for at in range(int(chance.integers(0, 4)))]
        kinds = [NAMES[at] for at in chance.integers(0, 3, len(spans))]
        references.append(tuple((*span, kind) for span, kind in zip(spans, kinds, strict=True)))
        said = [span for span in spans if chance.random() < 0.8]
        answers.append(Tagged(tuple(Entity(*span, "a", 0.5) for span in said)))
    return answers, references


def passages(chance: Chance, count: int) -> Made:
    texts = ("", "old red house", "red house", "house", "九月九日", "九日")
    answers = [Answer(texts[at], 0, 1, 0.5, 0.0, ()) for at in chance.integers(0, 6, count)]
    right = [Right(("the red house", "九日"), chance.random() < 0.5), Right(())]
    return answers, [right[int(chance.random() < 0.3)] for _ in range(count)]


def choices(chance: Chance, count: int) -> Made:
    said = chance.integers(0, 3, count).tolist()
    return [Chosen(one, 0.5, (0.5,)) for one in said], chance.integers(0, 3, count).tolist()


def rankings(chance: Chance, count: int) -> Made:
    asked = [Asked(f"query {at % max(1, count // 3)}", float(at % 5 == 0)) for at in range(count)]
    return [Ranked(float(score)) for score in chance.normal(size=count)], asked


def vectors(chance: Chance, count: int) -> list[Compared]:
    return [Compared(chance.normal(size=(3, 6)).astype(np.float32)) for _ in range(count)]


def near(chance: Chance, count: int) -> Made:
    return vectors(chance, count), chance.integers(0, 5, count).astype(float).tolist()


def found(chance: Chance, count: int) -> Made:
    return vectors(chance, count), [None] * count


def both(chance: Chance, count: int) -> Made:
    return vectors(chance, count), [None if at % 3 else float(at % 4) for at in range(count)]


CASES: dict[str, tuple[Task, Callable[[Chance, int], Made]]] = {
    "classify": (Classify(labels=NAMES), labels),
    "many labels": (Classify(labels=MANY), many_labels),
    "several": (Classify(labels=NAMES, several=True), label_sets),
    "regress": (Regress(), numbers),
    "tag": (Tag(labels=("O", "B-a", "I-a")), entities),
    "span": (Span(unanswerable=True), passages),
    "choose": (CHOOSE, choices),
    "rerank": (Rerank(), rankings),
    "embed": (Embed(), near),
    "retrieval": (Embed(retrieval=True), found),
    "embed, both": (Embed(), both),
}
of_every_task = pytest.mark.parametrize("case", CASES)


def chosen(right: Any) -> Made:
    """Answers that are right where it is said."""
    return [Chosen(int(one), 0.5, (0.5, 0.5)) for one in right], [1] * len(right)


def same(found: float, wanted: float) -> bool:
    return abs(found - wanted) <= 1e-12


# The measures


@of_every_task
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 40))
def test_each_score_is_that_of_the_task(case: str, seed: int, count: int) -> None:
    task, make = CASES[case]
    predictions, references = make(np.random.default_rng(seed), count)
    scores = task.score(predictions, references)
    judged = task.judged(predictions, references)
    mine = judged.scores()
    assert mine.keys() == scores.keys() - COUNTS
    assert all(same(mine[name], scores[name]) for name in mine)
    if judged.right is not None and "accuracy" in scores:
        assert same(float(judged.right.mean()), scores["accuracy"])


def drawn(
    predictions: list[Any], references: list[Any], weights: np.ndarray, by_query: bool
) -> Made:
    """The examples as often as it is said, one after the other; a query again is another query."""
    mine, theirs = [], []
    queries = list(dict.fromkeys(asked.query for asked in references)) if by_query else []
    for at, (answer, reference) in enumerate(zip(predictions, references, strict=True)):
        times = weights[queries.index(reference.query) if by_query else at]
        for time in range(int(times)):
            mine.append(answer)
            again = f"{reference.query}, time {time}" if by_query else ""
            theirs.append(dataclasses.replace(reference, query=again) if by_query else reference)
    return mine, theirs


@pytest.mark.parametrize(
    "case", [case for case in CASES if case not in ("retrieval", "embed, both")]
)
def test_weights_are_the_examples_so_often(case: str) -> None:
    task, make = CASES[case]
    for seed in range(12):
        chance = np.random.default_rng(seed)
        count = int(chance.integers(3, 40))
        predictions, references = make(chance, count)
        judged = task.judged(predictions, references)
        weights = np.stack(
            [
                np.bincount(chance.integers(0, judged.units, judged.units), minlength=judged.units)
                for _ in range(8)
            ]
        ).astype(float)
        counted = {name: measure(weights) for name, measure in judged.measures.items()}
        for round_number, each in enumerate(weights):
            again = task.score(*drawn(predictions, references, each, case == "rerank"))
            for name, values in counted.items():
                value = values[round_number]
                if math.isnan(value):  # there is nothing to score: no such entity, no such question
                    assert again.get(name, 0.0) == 0
                else:
                    assert same(value, again[name]), name


def test_a_text_that_looks_is_drawn_and_what_it_looks_through_stays() -> None:
    task, make = CASES["embed, both"]
    predictions, references = make(np.random.default_rng(3), 20)
    judged = task.judged(predictions, references)
    alone = {name: judged.measures[name](np.eye(20)) for name in judged.measures}
    weights = np.random.default_rng(4).integers(0, 4, 20).astype(float)
    looks = np.array([reference is None for reference in references])
    for name in ("mrr@10", "ndcg@10", "recall@10"):
        assert np.isnan(alone[name][~looks]).all()
        (value,) = judged.measures[name](weights[None])
        assert value == pytest.approx(np.average(alone[name][looks], weights=weights[looks]))
    kept = [at for at in range(20) if not looks[at] for _ in range(int(weights[at]))]
    numbers = task.score([predictions[at] for at in kept], [references[at] for at in kept])
    for name in ("spearman", "pearson"):
        assert same(judged.measures[name](weights[None])[0], numbers[name])
        assert np.isnan(judged.measures[name](looks[None].astype(float))[0])


def test_what_never_changes_correlates_with_nothing() -> None:
    # The mean of three times 0.1 is not 0.1 in float64.
    assert pearson([0.1] * 3, [0.2] * 3) == pearson([0.1] * 3, [1.0, 2.0, 3.0]) == 0
    judged = Regress().judged([Measured(0.1)] * 3, [0.2] * 3)
    assert judged.scores()["pearson"] == judged.scores()["spearman"] == 0
    # Two examples: half of the rounds have one of them twice, and the others correlate whole.
    rounds = np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    two = Regress().judged([Measured(0.1), Measured(0.3)], [0.7, 0.9])
    assert two.measures["pearson"](rounds) == pytest.approx([0, 1, 0])
    # Far from 0 with a small spread, and one example far from all others.
    far = [1e6, 5.1, 5.2, 5.4]
    judged = Regress().judged(list(map(Measured, far)), [0.0, 1.0, 2.0, 2.5])
    expected = stats.pearsonr(far[1:], [1.0, 2.0, 2.5])[0]
    assert judged.measures["pearson"](np.array([[0.0, 1, 1, 1]])) == pytest.approx(expected)


# Intervals


def correlations(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    return stats.pearsonr(x, y, axis=axis).statistic


def test_intervals_are_scipys() -> None:
    predictions, references = numbers(np.random.default_rng(5), 80)
    values = np.array([one.value for one in predictions])
    ours = bootstrap(Regress(), predictions, references, rounds=4000)

    def error(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.abs(x - y).mean(axis=axis)

    def ranked(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        return correlations(stats.rankdata(x, axis=axis), stats.rankdata(y, axis=axis), axis)

    for name, way in {"mean_error": error, "pearson": correlations, "spearman": ranked}.items():
        theirs = stats.bootstrap(
            (values, np.array(references)),
            way,
            paired=True,
            n_resamples=4000,
            method="percentile",
            rng=np.random.default_rng(6),
        ).confidence_interval
        width = theirs.high - theirs.low
        assert ours[name].low == pytest.approx(theirs.low, abs=0.06 * width)
        assert ours[name].high == pytest.approx(theirs.high, abs=0.06 * width)


def test_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    chance = np.random.default_rng(7)
    held = {"accuracy": 0, "pearson": 0}
    for _ in range(300):
        right = chance.random(120) < 0.8
        accuracy = bootstrap(CHOOSE, *chosen(right), rounds=200)["accuracy"]
        held["accuracy"] += accuracy.low <= 0.8 <= accuracy.high
        x, noise = chance.normal(size=(2, 120))
        answers = [Measured(float(value)) for value in 0.6 * x + 0.8 * noise]
        correlation = bootstrap(Regress(), answers, x.tolist(), rounds=200)["pearson"]
        held["pearson"] += correlation.low <= 0.6 <= correlation.high
    assert all(0.92 <= count / 300 <= 0.98 for count in held.values()), held


@of_every_task
def test_an_interval_is_round_its_score_and_the_same_every_time(case: str) -> None:
    task, make = CASES[case]
    answers = make(np.random.default_rng(8), 40)
    once = bootstrap(task, *answers, rounds=200)
    assert task.main_score in once
    assert once == bootstrap(task, *answers, rounds=200)
    if case == "regress":  # others have few values, which two seeds may share
        assert once != bootstrap(task, *answers, rounds=200, seed=2)
    wide = bootstrap(task, *answers, rounds=200, level=0.99)
    for name, interval in once.items():
        assert interval.low <= interval.score <= interval.high
        assert wide[name].low <= interval.low <= interval.high <= wide[name].high
        assert (interval.level, interval.rounds) == (0.95, 200)


@of_every_task
def test_one_example_has_an_interval_without_a_width(case: str) -> None:
    task, make = CASES[case]
    answers = make(np.random.default_rng(9), 1)
    for interval in bootstrap(task, *answers).values():
        assert interval.low == interval.score == interval.high
    same_twice = [answers[0], answers[0], answers[1]]
    if task.main_score in task.judged(*answers).measures:
        assert paired_bootstrap(task, *same_twice).p == 1


def test_all_right_and_all_wrong() -> None:
    for right in (True, False):
        answers = chosen([right] * 30)
        interval = bootstrap(CHOOSE, *answers)["accuracy"]
        assert (interval.low, interval.score, interval.high) == (right, right, right)
    (all_right, references), (all_wrong, _) = chosen([True] * 30), chosen([False] * 30)
    worse = paired_bootstrap(CHOOSE, all_right, all_wrong, references)
    assert (worse.difference, worse.low, worse.high) == (-1, -1, -1)
    assert worse.p < 0.001
    # A single example, or two, say nothing of others, though no round can differ.
    for count in (1, 2, 5):
        few = paired_bootstrap(CHOOSE, all_right[:count], all_wrong[:count], references[:count])
        assert few.p == 2 / 2**count == mcnemar([True] * count, [False] * count).p
    assert str(interval) == "0 (0 to 0)"
    assert str(worse) == "accuracy -1.0000 (-1.0000 to -1.0000), p 0.0001"


# Two models


@of_every_task
def test_a_model_beside_itself_and_the_other_way_round(case: str) -> None:
    task, make = CASES[case]
    chance = np.random.default_rng(10)
    one, references = make(chance, 40)
    other = [one[at] if chance.random() < 0.7 else one[0] for at in range(40)]
    itself = paired_bootstrap(task, one, one, references, rounds=200)
    assert (itself.difference, itself.low, itself.high, itself.p) == (0, 0, 0, 1)
    there = paired_bootstrap(task, one, other, references, rounds=200)
    back = paired_bootstrap(task, other, one, references, rounds=200)
    assert there.name == task.main_score
    scores = [task.score(answers, references)[task.main_score] for answers in (one, other)]
    assert there.difference == pytest.approx(scores[1] - scores[0], abs=1e-12)
    assert there.difference == -back.difference
    assert there.p == back.p
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-12)
    assert there == paired_bootstrap(task, one, other, references, rounds=200)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60),
    st.integers(0, 1000),
)
def test_whatever_two_models_say(pairs: list[tuple[bool, bool]], seed: int) -> None:
    (one, references), (other, _) = (chosen(part) for part in zip(*pairs, strict=True))
    found = paired_bootstrap(CHOOSE, one, other, references, rounds=100, seed=seed)
    assert -1 <= found.low <= found.high <= 1
    assert 2.0 ** (1 - len(pairs)) <= found.p <= 1
    assert found.p >= 1 / 101
    discordant = mcnemar(*zip(*pairs, strict=True))
    assert same(found.difference, (discordant.only_b - discordant.only_a) / len(pairs))
    if discordant.only_a == discordant.only_b:
        assert found.p == discordant.p == 1


def p_values(chance: Chance, a: float, b: float, times: int, count: int = 200) -> np.ndarray:
    """p of the paired bootstrap and of McNemar for models that are right so often: [times, 2]."""
    found = []
    for _ in range(times):
        hard = chance.random(count)
        # Both find the same examples hard, with some chance of their own.
        one, other = (hard < share + 0.15 * chance.normal(size=count) for share in (a, b))
        (first, references), (second, _) = chosen(one), chosen(other)
        paired = paired_bootstrap(CHOOSE, first, second, references, rounds=300)
        found.append((paired.p, mcnemar(one, other).p))
    return np.array(found)


def test_p_without_a_difference_and_with_one() -> None:
    chance = np.random.default_rng(11)
    null = p_values(chance, 0.75, 0.75, 300)
    for level in (0.05, 0.2, 0.5):
        bootstrapped, exact = (null <= level).mean(axis=0)
        assert 0.5 * level <= bootstrapped <= level + 0.03
        assert exact <= level + 0.01  # exact, and so never too sure
    assert (p_values(chance, 0.7, 0.82, 60) < 0.05).mean(axis=0).min() > 0.85


def test_p_without_a_difference_where_scores_do_not_add_up() -> None:
    chance = np.random.default_rng(12)
    found = []
    for _ in range(1000):
        x, one, other = chance.normal(size=(3, 100))
        first, second = ([Measured(float(v)) for v in x + noise] for noise in (one, other))
        found.append(paired_bootstrap(Regress(), first, second, x.tolist(), rounds=200).p)
    for level in (0.05, 0.2, 0.5):
        assert 0.5 * level <= (np.array(found) <= level).mean() <= level + 0.03


# McNemar and Holm


@pytest.mark.parametrize(
    ("only_a", "only_b"),
    [
        (0, 0),
        (1, 0),
        (0, 7),
        (12, 5),
        (5, 12),
        (499, 501),
        (500, 501),
        (520, 700),
        (400, 1200),
        (25_000, 25_400),
        (30_000, 30_000),
        (20_000, 21_500),
        (0, 1500),
    ],
)
def test_mcnemar_is_scipys_binomial(only_a: int, only_b: int) -> None:
    right_a = [True] * only_a + [False] * only_b + [True, False] * 50
    right_b = [False] * only_a + [True] * only_b + [True, False] * 50
    found = mcnemar(right_a, right_b)
    assert (found.only_a, found.only_b) == (only_a, only_b)
    expected = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert found.p == pytest.approx(expected, rel=1e-9)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.3]) == [0.3]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_takes_no_p_down(ps: list[float]) -> None:
    corrected = holm(ps)
    assert all(p <= q <= min(1, len(ps) * p) + 1e-15 for p, q in zip(ps, corrected, strict=True))
    order = sorted(range(len(ps)), key=lambda at: ps[at])
    assert [corrected[at] for at in order] == sorted(corrected)


# What cannot be


def test_what_cannot_be_counted_is_said() -> None:
    answers = chosen([True, False])
    with pytest.raises(SettingsError, match="rounds: expected 100 or more, got 99"):
        bootstrap(CHOOSE, *answers, rounds=99)
    with pytest.raises(SettingsError, match="level: expected a share between 0 and 1, got 95"):
        paired_bootstrap(CHOOSE, answers[0], *answers, level=95)
    with pytest.raises(DataError, match="at least one; got 0 and 0"):
        bootstrap(CHOOSE, [], [])
    with pytest.raises(DataError, match=r"as many answers as references, .* got 1 and 2"):
        paired_bootstrap(CHOOSE, answers[0], answers[0][:1], answers[1])
    with pytest.raises(DataError, match="the scores of the task pretrain have no intervals"):
        bootstrap(Pretrain(), [()], [()])
    pairs = found(np.random.default_rng(0), 5)
    with pytest.raises(DataError, match=r"embed is compared by spearman.* they give mrr@10, ndcg"):
        paired_bootstrap(Embed(), pairs[0], *pairs)
    with pytest.raises(DataError, match="the same examples, got 2 and 1"):
        mcnemar([True, False], [True])
