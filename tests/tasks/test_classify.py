"""Classification in plain numbers, and its scores beside scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from filbert.errors import DataError, SettingsError
from filbert.tasks import Classify, accuracy, confusion, macro_f1
from filbert.tokenizer import Tokenizer

TOKENIZER = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"])
TASK = Classify(labels=("好", "坏", "<b>"), max_tokens=16).with_tokenizer(TOKENIZER)

pairs = st.lists(st.tuples(*[st.sampled_from("abcd")] * 2), min_size=1, max_size=60)


@settings(deadline=None)  # machines are noisy: no test asserts a time
@given(pairs)
def test_scores_are_scikit_learns(given_pairs: list[tuple[str, str]]) -> None:
    predictions, references = map(list, zip(*given_pairs, strict=True))
    assert accuracy(predictions, references) == pytest.approx(
        accuracy_score(references, predictions)
    )
    theirs = f1_score(references, predictions, average="macro", zero_division=0)
    assert macro_f1(predictions, references) == pytest.approx(theirs)
    labels = sorted("abcd")
    assert (
        confusion(predictions, references, labels)
        == confusion_matrix(references, predictions, labels=labels)
    ).all()


def test_answers_have_all_probabilities_and_windows_are_averaged() -> None:
    packed = TASK.batch(TASK.rows({"text": "a"}) + TASK.rows({"text": "b"}), 0, 0)
    answers = TASK.decode({"logits": np.array([[2.0, 0, 0], [0, 1.0, 0]])}, packed)
    assert answers[0].label == "好"
    assert sum(answers[0].probabilities.values()) == pytest.approx(1)
    merged = TASK.merge(answers)
    for label in TASK.labels:
        mean = np.mean([answer.probabilities[label] for answer in answers])
        assert merged.probabilities[label] == pytest.approx(mean)
    assert str(answers[0]) == "好 (0.79)"
    assert [label for label, _ in answers[0].best(2)] == ["好", "坏"]


def test_targets_and_references_are_the_labels() -> None:
    rows = [TASK.rows({"text": "a", "label": label})[0] for label in ("坏", "<b>", "好")]
    packed = TASK.batch(rows, 0, 0)
    assert packed.targets["labels"].tolist() == [1, 2, 0]
    assert TASK.references(packed) == ["坏", "<b>", "好"]
    with pytest.raises(DataError, match="1 of 4 rows have no label"):
        TASK.batch([*rows, TASK.rows({"text": "a"})[0]], 0, 0)


def test_unknown_labels_are_named_with_the_nearest_and_the_place() -> None:
    with pytest.raises(DataError, match=r"f\.tsv:3: label '<c>' is not one of this task's 3"):
        TASK.rows({"text": "a", "label": "<c>", "place": "f.tsv:3"})


@pytest.mark.parametrize("labels", [(), ("a",), ("a", "a")])
def test_labels_that_leave_no_choice_are_refused(labels: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match="at least two different labels"):
        Classify(labels=labels)


def test_scores_of_nothing_are_an_error() -> None:
    with pytest.raises(DataError, match="got 0 and 0"):
        accuracy([], [])
