"""What is found of a dev set equals what other libraries count, for every task."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.tasks import (
    Answer,
    Choose,
    Chosen,
    Classified,
    Classify,
    Embed,
    Entity,
    Measured,
    Ranked,
    Regress,
    Rerank,
    Span,
    Tag,
    Tagged,
)
from filbert.tasks.answers import Right
from filbert.tasks.embed import Compared
from filbert.tasks.rerank import Asked
from filbert.tasks.schemes import spans_of
from filbert.train.findings import FOUND_WORDS, language_of
from filbert.train.findings.calibrating import Calibration
from filbert.train.findings.choose import FoundOfChoices
from filbert.train.findings.classify import FoundOfLabels
from filbert.train.findings.dev import Dev
from filbert.train.findings.embed import FoundOfVectors
from filbert.train.findings.excerpts import CHARACTERS, excerpt
from filbert.train.findings.regress import FoundOfNumbers
from filbert.train.findings.rerank import FoundOfRankings
from filbert.train.findings.span import FoundOfAnswers, asked_for
from filbert.train.findings.tag import FoundOfEntities
from filbert.train.page_words import PAGE_WORDS

RNG = np.random.default_rng(3)
LABELS = ("a", "b", "c", "never")


def classified(probabilities: Sequence[float], threshold: float | None = None) -> Classified:
    of = dict(zip(LABELS, map(float, probabilities), strict=True))
    best = max(of, key=lambda label: of[label])
    held: tuple[str, ...] = (best,)
    if threshold is not None:
        held = tuple(label for label in sorted(of, key=lambda n: -of[n]) if of[label] >= threshold)
    return Classified(best, of[best], of, labels=held)


def test_labels_are_counted_as_sklearn_counts_them() -> None:
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    weights = RNG.dirichlet([1, 1, 1, 0.001], 200)
    answers = [classified(row) for row in weights]
    gold = [LABELS[at] for at in RNG.integers(0, 3, 200)]
    task = Classify(labels=LABELS)
    examples = [{"text": f"text {at}"} for at in range(200)]
    found = FoundOfLabels.of(Dev(task, examples, answers, gold))
    said = [answer.label for answer in answers]
    theirs = precision_recall_fscore_support(gold, said, labels=LABELS, zero_division=0)
    ours = np.array([(one.precision, one.recall, one.f1, one.wanted) for one in found.labels]).T
    np.testing.assert_allclose(ours, theirs)
    counts = np.zeros((4, 4), int)
    for pair in found.taken:
        counts[LABELS.index(pair.true), LABELS.index(pair.predicted)] = pair.count
    assert (counts == confusion_matrix(gold, said, labels=LABELS)).all()
    scores = task.score(answers, gold)
    assert found.calibration.error == scores["calibration_error"]
    assert found.wrong == round(200 * (1 - scores["accuracy"]))
    assert len(found.worst) == 30
    sure = [dict(one.probabilities)[one.predicted[0]] for one in found.worst]
    assert sure == sorted(sure, reverse=True)
    assert sure[0] == max(a.probability for a, g in zip(answers, gold, strict=True) if a.label != g)
    for one in found.worst:
        assert one.text == f"text {one.where.number - 1}"
        assert one.gold[0] == gold[one.where.number - 1] in dict(one.probabilities)
    assert found.before is None


def test_several_labels_are_counted_as_sklearn_counts_them() -> None:
    from sklearn.metrics import precision_recall_fscore_support

    table = RNG.random((150, 4))
    held = RNG.random((150, 4)) < 0.4
    answers = [classified(row, 0.5) for row in table]
    gold = [tuple(n for n, yes in zip(LABELS, row, strict=True) if yes) for row in held]
    task = Classify(labels=LABELS, several=True)
    found = FoundOfLabels.of(Dev(task, [{"text": "t"}] * 150, answers, gold))
    theirs = precision_recall_fscore_support(held, table >= 0.5, zero_division=0)
    ours = np.array([(one.precision, one.recall, one.f1, one.wanted) for one in found.labels]).T
    np.testing.assert_allclose(ours, theirs)
    scores = task.score(answers, gold)
    assert found.calibration.error == scores["calibration_error"]
    assert sum(one.count for one in found.calibration.bins) == 600
    assert found.wrong == round(150 * (1 - scores["accuracy"]))
    assert found.taken == ()


def test_bins_are_those_of_sklearn() -> None:
    from sklearn.calibration import calibration_curve

    sure = RNG.random(500)
    right = (RNG.random(500) < sure).tolist()
    found = Calibration.of(sure.tolist(), right)
    shares, means = calibration_curve(right, sure, n_bins=10)
    np.testing.assert_allclose(found.points(), (means, shares))
    weights = np.array([one.count for one in found.bins]) / 500
    assert found.error == pytest.approx(float(weights @ np.abs(shares - means)))


def test_the_temperature_shows_what_it_did() -> None:
    answers = [classified([0.6, 0.4, 0, 0])] * 10
    unfitted = [classified([0.99, 0.01, 0, 0])] * 10
    gold = ["a"] * 6 + ["b"] * 4
    task = Classify(labels=LABELS, temperature=3.0)
    found = FoundOfLabels.of(Dev(task, [{"text": ""}] * 10, answers, gold, unfitted))
    assert found.before is not None
    assert found.calibration.error == pytest.approx(0)
    assert found.before.error == pytest.approx(0.39)


TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


def tagged(tags: Sequence[str]) -> tuple[tuple[int, int, str], ...]:
    """Entities of words of one character, a space between them."""
    return tuple((2 * first, 2 * last - 1, kind) for first, last, kind in spans_of(tags))


def test_entities_are_counted_as_seqeval_counts_them() -> None:
    from seqeval.metrics import classification_report

    gold = [[TAGS[at] for at in RNG.integers(0, 5, 12)] for _ in range(80)]
    said = [
        [tag if RNG.random() < 0.7 else TAGS[RNG.integers(0, 5)] for tag in tags] for tags in gold
    ]
    answers = [Tagged(tuple(Entity(*span, 0.5) for span in tagged(tags))) for tags in said]
    references = [tagged(tags) for tags in gold]
    examples = [{"text": "x " * 12}] * 80
    found = FoundOfEntities.of(Dev(Tag(labels=TAGS), examples, answers, references))
    theirs = classification_report(gold, said, output_dict=True, zero_division=0)
    for one in found.types:
        its = theirs[one.name]
        assert one.precision == pytest.approx(its["precision"])
        assert one.recall == pytest.approx(its["recall"])
        assert one.f1 == pytest.approx(its["f1-score"])
        assert one.wanted == its["support"]
    # Every entity of either side is right or wrong in one way.
    ways = found.ways
    either = ways["type"] + ways["bounds"] + ways["both"]
    wanted = sum(one.wanted for one in found.types)
    predicted = sum(one.given for one in found.types)
    assert found.right + ways["missed"] + either == wanted
    assert found.right + ways["spurious"] + either == predicted
    assert found.wrong == sum(
        set(tagged(mine)) != set(tagged(its)) for mine, its in zip(said, gold, strict=True)
    )


def test_each_way_of_being_wrong() -> None:
    text = "Ann Lee saw New York and Bob in May, Mr Jo Wu"
    gold = ((0, 7, "PER"), (12, 20, "LOC"), (25, 28, "PER"), (40, 45, "PER"))
    said = (
        Entity(0, 3, "PER", 0.9),  # other bounds
        Entity(12, 20, "ORG", 0.8),  # another type
        Entity(32, 35, "LOC", 0.7),  # nothing there
        Entity(37, 42, "LOC", 0.6),  # both
    )
    found = FoundOfEntities.of(Dev(Tag(labels=TAGS), [{"text": text}], [Tagged(said)], [gold]))
    assert found.ways == {"missed": 1, "spurious": 1, "type": 1, "bounds": 1, "both": 1}
    assert [(one.true, one.predicted) for one in found.taken] == [("LOC", "ORG"), ("PER", "LOC")]
    (worst,) = found.worst
    assert worst.text == text
    assert worst.wrong == 8
    assert (0, 3, "PER 0.90", "wrong") in worst.predicted
    assert (0, 7, "PER", "missed") in worst.gold


def test_plain_tags_are_marked_only_where_they_are_wrong() -> None:
    task = Tag(labels=("N", "V"))
    said = Tagged((Entity(0, 1, "N", 0.9), Entity(2, 3, "N", 0.9)))
    found = FoundOfEntities.of(Dev(task, [{"text": "a b"}], [said], [((0, 1, "N"), (2, 3, "V"))]))
    assert found.worst[0].gold == ((2, 3, "V", "missed"),)
    assert found.worst[0].predicted == ((2, 3, "N 0.90", "wrong"),)


def answered(text: str, context: str, probability: float = 0.5) -> Answer:
    start = context.index(text)
    end = start + len(text)
    return Answer(text, start if text else 0, end if text else 0, probability, 0.0, ())


def test_answers_by_kind_add_up_to_the_whole() -> None:
    context = "The old cat sat on a mat in Rome. " * 60
    asked = [
        ("Who sat?", "The old cat", "cat"),
        ("who was old?", "cat", "cat"),
        ("In which city?", "Rome", "Rome."),
        ("On what did it sit?", "a mat", ""),
        ("How many dogs?", "", "mat"),
        ("Name a city.", "", ""),
    ]
    examples = [
        {
            "question": question,
            "context": context,
            "answers": [{"text": gold, "start": context.index(gold)}] if gold else [],
        }
        for question, gold, _ in asked
    ]
    answers = [answered(said, context, at / 10) for at, (_, _, said) in enumerate(asked)]
    references = [Right.of([gold] if gold else [], context) for _, gold, _ in asked]
    task = Span(unanswerable=True, null_threshold=1.25)
    found = FoundOfAnswers.of(Dev(task, examples, answers, references))
    scores = task.score(answers, references)
    for groups in (found.answerable, found.asked):
        assert sum(one.count for one in groups) == 6
        f1 = sum(one.count * one.f1 for one in groups) / 6
        exact = sum(one.count * one.exact for one in groups) / 6
        assert (f1, exact) == pytest.approx((scores["f1"], scores["exact_match"]))
    of = {one.name: one for one in found.answerable}
    assert of["answerable"].f1 == pytest.approx(scores["answerable f1"])
    assert of["unanswerable"].exact == pytest.approx(scores["unanswerable exact_match"])
    assert {one.name: one.count for one in found.asked} == {
        "who": 2, "which": 1, "what": 1, "how many": 1, "other": 1
    }  # fmt: skip
    assert [(one.name, one.count) for one in found.lengths] == [("1–2", 3), ("3–5", 1)]
    assert found.threshold == 1.25
    assert found.wrong == 3
    # Nothing in common first, and of those the surest.
    assert [one.question for one in found.worst] == [asked[at][0] for at in (4, 3, 0)]
    last = found.worst[-1]
    assert len(last.text) < CHARACTERS + 10
    assert {last.text[a:b] for a, b, _, _ in last.marks} == {"The old cat", "cat"}


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("Who sat?", "who"),
        ("How many cats sat?", "how many"),
        ("How old is it?", "how"),
        ("In what year did it begin?", "what"),
        ("Showhow?", "other"),
        ("谁发明了电话？", "谁"),
        ("这是哪一年建成的？", "何时"),
        ("它位于哪里？", "哪里"),
        ("為什麼離開？", "为什么"),
        ("共有多少人？", "多少"),
        ("请列举。", "other"),
        ("", "other"),
    ],
)
def test_what_is_asked_for(question: str, word: str) -> None:
    assert asked_for(question) == word


def test_rankings_by_query_are_the_score_taken_apart() -> None:
    examples, answers, references = [], [], []
    for query in range(40):
        for passage in range(int(RNG.integers(2, 15))):
            examples.append({"text": f"q{query}", "pair": f"p{query}.{passage}"})
            answers.append(Ranked(float(RNG.normal())))
            relevance = float(RNG.integers(0, 3)) if query else 0.0
            references.append(Asked(f"q{query}", relevance))
    task = Rerank()
    found = FoundOfRankings.of(Dev(task, examples, answers, references))
    scores = task.score(answers, references)
    assert found.mean == pytest.approx(scores["ndcg@10"])
    assert sum(found.ndcg) + found.silent == scores["queries"] == 40
    worst = found.worst[0]
    its = [at for at, example in enumerate(examples) if example["text"] == worst.text]
    order = sorted(its, key=lambda at: -answers[at].score)
    assert worst.first.text == examples[order[0]]["pair"]
    assert worst.passages == len(its)
    assert references[order[worst.relevant.rank - 1]].relevance > 0
    assert all(references[at].relevance == 0 for at in order[: worst.relevant.rank - 1])


def test_numbers_and_how_far_off_they_are() -> None:
    gold = RNG.normal(size=1500).tolist()
    answers = [Measured(value + float(RNG.normal()) / 2 + 0.1) for value in gold]
    examples = [{"text": "t", "pair": "p"}] * 1500
    found = FoundOfNumbers.of(Dev(Regress(), examples, answers, gold))
    apart = np.array([answer.value for answer in answers]) - gold
    assert (found.bias, found.deviation) == pytest.approx((apart.mean(), apart.std()))
    assert len(found.gold) == len(found.predicted) == 1000
    assert [abs(one.predicted - one.gold) for one in found.worst] == pytest.approx(
        sorted(np.abs(apart), reverse=True)[:30]
    )
    assert found.worst[0].text == "A: t\nB: p"


def test_choices_by_place() -> None:
    answers, gold = [], []
    for _ in range(60):
        weights = RNG.dirichlet([1, 1, 1])
        best = int(weights.argmax())
        answers.append(Chosen(best, float(weights[best]), tuple(weights.tolist())))
        gold.append(int(RNG.integers(0, 3)))
    examples = [{"text": "t", "choices": ["x", "y", "y"]}] * 60
    found = FoundOfChoices.of(Dev(Choose(), examples, answers, gold))
    assert [one.name for one in found.places] == ["1", "2", "3"]
    right = sum(one.right for one in found.places)
    assert right / 60 == pytest.approx(Choose().score(answers, gold)["accuracy"])
    assert found.wrong == 60 - right
    assert found.worst[0].probabilities[found.worst[0].predicted] == max(
        answer.probability
        for answer, its in zip(answers, gold, strict=True)
        if answer.choice != its
    )


def test_vectors_are_ranked_as_they_are_scored() -> None:
    from scipy.stats import rankdata

    examples: list[dict[str, Any]] = []
    answers, references = [], []
    for at in range(90):
        texts = 2 + at % 3
        vectors = RNG.normal(size=(texts, 4)).astype(np.float32)
        examples.append(
            {
                "text": f"t{at}",
                "pair": f"p{at}",
                "negatives": [f"n{at}.{n}" for n in range(texts - 2)],
            }
        )
        answers.append(Compared(vectors))
        references.append(None if at % 3 else round(float(RNG.random()), 1))
    task = Embed()
    found = FoundOfVectors.of(Dev(task, examples, answers, references))
    scores = task.score(answers, references)
    assert sum(found.ranks) == 60
    assert sum(found.ranks[:3]) / 60 == pytest.approx(scores["recall@10"])
    ranks = [one.rank for one in found.worst_sought]
    assert ranks == sorted(ranks, reverse=True)
    for one in found.worst_sought:
        assert not one.first.startswith(f"p{one.where.number - 1}")
    scored = [at for at in range(90) if references[at] is not None]
    gold = rankdata([references[at] for at in scored])
    cosines = rankdata([answers[at].cosine for at in scored])
    apart = np.abs(gold - cosines) / (len(scored) - 1)
    worst = [abs(one.gold_rank - one.rank) for one in found.worst_pairs]
    assert worst == pytest.approx(sorted(apart[apart > 0], reverse=True)[: len(worst)])
    assert np.corrcoef(gold, cosines)[0, 1] == pytest.approx(scores["spearman"])


def test_without_texts_none_is_kept() -> None:
    secret = "a secret"
    said = Tagged((Entity(2, 8, "PER", 0.9),))
    found = FoundOfEntities.of(Dev(Tag(labels=TAGS), [{"text": secret}], [said], [()], texts=False))
    assert found.worst == ()
    assert found.ways["spurious"] == 1
    labels = FoundOfLabels.of(
        Dev(Classify(labels=LABELS), [{"text": secret, "place": "/home/me/dev.tsv:7"}],
            [classified([1, 0, 0, 0])], ["b"], texts=False)
    )  # fmt: skip
    (worst,) = labels.worst
    assert (worst.text, worst.where.place, worst.gold) == ("", "dev.tsv:7", ("b",))


@given(
    st.text(min_size=0, max_size=3000),
    st.lists(st.tuples(st.integers(0, 2900), st.integers(1, 400)), max_size=6),
)
@settings(max_examples=200, deadline=None)
def test_an_excerpt_is_bounded_and_its_marks_mark_the_same(
    text: str, given_spans: list[tuple[int, int]]
) -> None:
    spans = [(a, min(len(text), a + n)) for a, n in given_spans if a < len(text)]
    found = excerpt(text, spans)
    assert len(found.text) <= CHARACTERS + 250
    for start, end in spans[:1]:
        ((first, last, label, kind),) = found.marks([(start, end, "L", "right")])
        assert (label, kind) == ("L", "right")
        assert text[start:end].startswith(found.text[first:last])
        assert last - first == end - start or len(text) > CHARACTERS
    if len(text) <= CHARACTERS:
        assert found.text == text


@pytest.mark.parametrize(
    ("examples", "language"),
    [
        ([{"text": "今天天气很好。"}] * 3 + [{"text": "OK"}], "zh"),
        ([{"question": "谁是作者？", "context": "鲁迅写了 A Madman's Diary。"}], "zh"),
        ([{"text": "it is fine", "pair": "它很好"}, {"text": "a long English text"}], "en"),
        ([{"text": "これはペンです"}], "en"),
        ([{"text": ""}], None),
        ([], None),
    ],
)
def test_the_language_of_examples(examples: list[dict[str, str]], language: str | None) -> None:
    assert language_of(examples) == language


def test_the_words_are_there_in_both_languages_and_hide_none() -> None:
    assert FOUND_WORDS["en"].keys() == FOUND_WORDS["zh"].keys()
    assert not FOUND_WORDS["en"].keys() & (PAGE_WORDS["en"].keys() | PAGE_WORDS["zh"].keys())
    assert all(math.isfinite(len(text)) and text for text in FOUND_WORDS["zh"].values())
