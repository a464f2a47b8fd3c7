"""Two models' answers held against each other."""

from typing import Any

import pytest

from filbert.engine import compare, compare_with_first, disagreements
from filbert.engine.comparing import Disagreement
from filbert.errors import DataError, SettingsError
from filbert.tasks import (
    Answered,
    Classified,
    Classify,
    Embed,
    Entity,
    Measured,
    Regress,
    Tag,
    Tagged,
    Task,
)

LABELS = ("x", "y", "书")
CLASSIFY = Classify(labels=LABELS)


def answered(task: Task, answers: list[Any], references: list[Any]) -> Answered:
    return Answered(answers, references, task.score(answers, references), task)


def labelled(said: str, wanted: str, task: Task = CLASSIFY) -> Answered:
    probabilities = dict.fromkeys(LABELS, 1 / 3)
    answers = [Classified(label, 0.5, probabilities, labels=(label,)) for label in said]
    return answered(task, answers, list(wanted))


def test_the_numbers_and_the_sentence() -> None:
    wanted = "xy" * 50
    worse, better = labelled("xx" * 50, wanted), labelled("xy" * 40 + "yy" * 10, wanted)
    found = compare(worse, better)
    assert found.difference.name == "accuracy"
    assert found.difference.difference == pytest.approx(0.4)
    assert found.mcnemar is not None
    assert (found.mcnemar.only_a, found.mcnemar.only_b) == (10, 50)
    assert found.p == max(found.difference.p, found.mcnemar.p) < 0.001
    assert found.larger_than_chance
    first, second, third = found.in_words("A", "B")
    assert first.startswith("B against A: accuracy +0.4000 (+0.2")
    assert second.startswith("only A is right: 10; only B: 50; McNemar's p ")
    assert third == "the difference is larger than chance explains at 5 %"
    # Five examples of a hundred, all the other's: the interval leaves 0 out, McNemar's test doubts.
    few = compare(labelled("x" * 95 + "y" * 5, "x" * 100), labelled("x" * 100, "x" * 100))
    assert few.difference.low > 0
    assert few.difference.p < 0.05 < few.p == 0.0625
    assert few.in_words("A", "B")[-1] == "the difference is not larger than chance explains at 5 %"


def test_several_are_corrected_for_their_number() -> None:
    wanted = "xy" * 50
    first = labelled("xx" * 50, wanted)
    others = [labelled("xy" * 40 + "yy" * 10, wanted), labelled("xx" * 49 + "xy", wanted), first]
    alone = [compare(first, other) for other in others]
    together = compare_with_first([first, *others], ["A", "B", "C", "D"])
    assert [one.p for one in together] == pytest.approx([3 * alone[0].p, 1, 1])
    assert [one.comparisons for one in together] == [3, 3, 3]
    assert [one.larger_than_chance for one in together] == [True, False, False]
    assert together[2].difference.difference == 0
    assert together[0].in_words("A", "B")[-1].endswith("by Holm's correction for 3 comparisons)")
    assert compare_with_first([first], ["A"]) == []
    (pair,) = compare_with_first([first, others[0]], ["A", "B"])
    assert pair == alone[0]


def test_a_score_without_right_and_wrong_has_no_mcnemar() -> None:
    numbers = [float(at) for at in range(40)]
    near = answered(Regress(), [Measured(value) for value in numbers], numbers)
    far = answered(Regress(), [Measured(-value) for value in numbers], numbers)
    found = compare(far, near)
    assert found.difference.name == "spearman"
    assert found.difference.difference == pytest.approx(2)
    assert found.mcnemar is None
    assert found.p == found.difference.p
    with pytest.raises(SettingsError, match="regress are better or worse, not right or wrong"):
        disagreements(near, far)


def test_examples_that_one_alone_has_right() -> None:
    one, other = labelled("xxyy", "xyxy"), labelled("xyyx", "xyxy")
    assert disagreements(one, other) == [Disagreement(1, False), Disagreement(3, True)]
    task = Tag(labels=("O", "B-A", "I-A"))
    wanted = [((0, 1, "A"),), ()]
    right = [Tagged((Entity(0, 1, "A", 0.5),)), Tagged(())]
    pair = answered(task, right, wanted), answered(task, [Tagged(()), Tagged(())], wanted)
    assert disagreements(*pair) == [Disagreement(0, True)]


def test_models_that_cannot_be_compared_are_named() -> None:
    one = labelled("xy", "xy")
    with pytest.raises(SettingsError, match=r"B: expected a model for classify, as A is.*regress"):
        compare(one, answered(Regress(), [Measured(1.0)] * 2, [1.0, 2.0]), names=("A", "B"))
    unlike = [answered(Embed(retrieval=which), [], []) for which in (True, False)]
    with pytest.raises(SettingsError, match=r"judged by ndcg@10, as the first is.*by spearman"):
        compare(*unlike)
    with pytest.raises(DataError, match=r"the first and the second: .* got 2 and 3"):
        compare(one, labelled("xyx", "xyx"))
    several = Classify(labels=("x", "z"), several=True)
    sets = answered(several, [Classified("x", 0.5, {"x": 1, "z": 0}, labels=("x",))], [("x",)])
    message = (
        r"example 1: expected one right answer for both models, got 'x' for A and \('x',\) for B; "
        "labels of A alone: 'y', '书'; labels of B alone: 'z'"
    )
    with pytest.raises(DataError, match=message):
        compare(labelled("x", "x"), sets, names=("A", "B"))
