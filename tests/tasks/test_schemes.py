"""Schemes of tags, held beside seqeval's reading of them; and paths that are never illegal."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from filbert.tasks.lattice import Steps, best_path, marginals
from filbert.tasks.schemes import (
    labels_for,
    legal_steps,
    parted,
    scheme_of,
    spans_of,
    tags_of,
)

KINDS = ("PER", "LOC", "机构")
SCHEMES = ("BIO", "BIOES", "IO")
TAGS = st.sampled_from(["O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in KINDS)])


@st.composite
def spans(draw: st.DrawFn) -> tuple[list[tuple[int, int, str]], int]:
    """Entities that do not lie over one another, in a text of so many words."""
    bounds = sorted(draw(st.sets(st.integers(0, 30), max_size=12)))
    found = [
        (start, stop, draw(st.sampled_from(KINDS)))
        for start, stop in zip(bounds[::2], bounds[1::2], strict=False)
    ]
    return found, max(bounds, default=0) + draw(st.integers(0, 3))


@given(spans())
@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_entities_survive_their_tags(scheme, given_spans):
    found, words = given_spans
    tags = tags_of(found, words, scheme)
    assert spans_of(tags) == found
    assert set(tags) <= set(labels_for(KINDS, scheme))


@given(st.lists(TAGS, max_size=20))
def test_tags_are_read_as_seqeval_reads_them(tags):
    theirs = [(start, end + 1, kind) for kind, start, end in get_entities(tags)]
    assert spans_of(tags) == theirs


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["O", "B-A", "I-A"], "BIO"),
        (["O", "I-A"], "IO"),
        (["O", "B-A", "M-A", "E-A", "S-A"], "BIOES"),
        (["B-A", "L-A", "U-A"], "BIOES"),
        (["NOUN", "VERB"], "plain"),
        (["O", "NOUN"], "plain"),
        (["O"], "plain"),
    ],
)
def test_schemes_are_told_apart(tags, scheme):
    assert scheme_of(tags) == scheme


def test_plain_tags_are_an_entity_a_word():
    assert spans_of(["NOUN", "NOUN", "O", "VERB"]) == [
        (0, 1, "NOUN"),
        (1, 2, "NOUN"),
        (3, 4, "VERB"),
    ]


def test_bmes_and_bilou_are_read():
    assert spans_of(["B-A", "M-A", "E-A", "S-B", "O"]) == [(0, 3, "A"), (3, 4, "B")]
    assert spans_of(["B-A", "L-A", "U-A"]) == [(0, 2, "A"), (2, 3, "A")]


@given(
    st.sampled_from(["BIO", "BIOES"]),
    st.integers(1, 12),
    st.integers(0, 2**32),
    st.sampled_from([1.0, 1e4, 1e30, float("inf"), float("nan")]),
)
def test_the_best_path_is_legal_whatever_the_scores(scheme, words, seed, scale):
    labels = labels_for(KINDS, scheme)
    steps = Steps.allowed(*legal_steps(labels))
    scores = np.random.default_rng(seed).normal(size=(words, len(labels)))
    with np.errstate(all="ignore"):
        scores *= scale
    tags = [labels[number] for number in best_path(scores, steps)]
    assert len(tags) == words
    assert tags_of(spans_of(tags), words, scheme) == tags


@given(
    st.sampled_from(["BIO", "BIOES"]),
    st.integers(1, 8),
    st.integers(0, 2**32),
    st.sampled_from([1.0, 1e4, 1e30, float("inf"), float("nan")]),
)
def test_the_best_path_is_legal_whatever_a_crf_has_learnt(scheme, words, seed, scale):
    labels = labels_for(KINDS, scheme)
    chance, size = np.random.default_rng(seed), len(labels)
    with np.errstate(all="ignore"):
        learnt = [chance.normal(size=shape) * scale for shape in [(size,), (size, size), (size,)]]
        scores = chance.normal(size=(words, size)) * chance.choice([1.0, scale])
    steps = Steps.allowed(*legal_steps(labels)).plus(*learnt)
    tags = [labels[number] for number in best_path(scores, steps)]
    assert tags_of(spans_of(tags), words, scheme) == tags
    found = marginals(scores, steps)
    assert found.sum(axis=1) == pytest.approx(np.ones(words))
    # What may not begin or end a text is never likely there.
    first, _, last = legal_steps(labels)
    assert not found[0, ~first].any()
    assert not found[-1, ~last].any()


def all_paths(labels: int, words: int) -> list[tuple[int, ...]]:
    return [tuple(path) for path in np.ndindex(*[labels] * words)]


def test_path_and_marginals_are_those_of_all_paths_counted():
    labels = labels_for(("A",), "BIOES")
    chance = np.random.default_rng(1)
    learnt = [chance.normal(size=size) for size in [(5,), (5, 5), (5,)]]
    steps = Steps.allowed(*legal_steps(labels)).plus(*learnt)
    scores = chance.normal(size=(4, 5))

    def total(path):
        found = steps.first[path[0]] + steps.last[path[-1]] + sum(scores[range(4), path])
        return found + sum(steps.next[a, b] for a, b in itertools.pairwise(path))

    totals = {path: total(path) for path in all_paths(5, 4)}
    assert tuple(best_path(scores, steps)) == max(totals, key=totals.__getitem__)
    weights = {path: np.exp(value) for path, value in totals.items()}
    whole = sum(weights.values())
    found = marginals(scores, steps)
    for word in range(4):
        for label in range(5):
            share = sum(w for path, w in weights.items() if path[word] == label) / whole
            assert found[word, label] == pytest.approx(share, abs=1e-12)


def test_an_inside_without_a_beginning_is_legal_only_where_there_is_none():
    first, _, _ = legal_steps(["O", "I-A"])
    assert first.all()
    first, step, last = legal_steps(["O", "B-A", "I-A", "B-B", "I-B"])
    assert first.tolist() == [True, True, False, True, False]
    assert step[1].tolist() == [True, True, True, True, False]
    assert last.all()
    assert parted("B-A-b") == ("B", "A-b")
