"""Scores, held beside scikit-learn's, scipy's and ir-measures'."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from filbert.tasks.calibration import fitted_temperature
from filbert.tasks.ranking import mean_ndcg, mean_recall, mean_reciprocal_rank
from filbert.tasks.scores import calibration_error, matthews, pearson, set_f1, spearman

PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=30)
NUMBERS = st.lists(
    st.tuples(st.integers(-5, 5).map(float), st.integers(-5, 5).map(float)), min_size=2, max_size=30
)


@pytest.mark.filterwarnings("ignore:A single label")
@given(PAIRS)
def test_matthews_is_sklearns(pairs):
    mine, theirs = zip(*pairs, strict=True)
    assert matthews(mine, theirs) == pytest.approx(metrics.matthews_corrcoef(theirs, mine))


@given(NUMBERS)
def test_correlations_are_scipys(pairs):
    mine, theirs = (list(part) for part in zip(*pairs, strict=True))
    if len(set(mine)) < 2 or len(set(theirs)) < 2:
        assert pearson(mine, theirs) == spearman(mine, theirs) == 0
        return
    assert pearson(mine, theirs) == pytest.approx(stats.pearsonr(mine, theirs)[0], abs=1e-9)
    assert spearman(mine, theirs) == pytest.approx(stats.spearmanr(mine, theirs)[0], abs=1e-9)


@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from("abc")), st.sets(st.sampled_from("abc"))), min_size=1
    )
)
def test_f1_of_sets_is_sklearns(pairs):
    mine, theirs = zip(*pairs, strict=True)
    names = sorted(set().union(*mine, *theirs))
    found = set_f1(mine, theirs)
    if len(names) < 2:  # sklearn takes one column for two labels
        assert found["micro_f1"] == found["macro_f1"]
        return
    table = [[[name in row for name in names] for row in part] for part in (theirs, mine)]
    for average in ("micro", "macro"):
        expected = metrics.f1_score(*map(np.array, table), average=average, zero_division=0)
        assert found[f"{average}_f1"] == pytest.approx(expected)


def test_calibration_error_of_what_holds_as_often_as_it_says():
    assert calibration_error([0.75] * 4, [True, True, True, False]) == pytest.approx(0)
    assert calibration_error([1.0, 1.0], [True, False]) == pytest.approx(0.5)


def test_the_temperature_that_was_put_in_is_found():
    chance = np.random.default_rng(0)
    logits = chance.normal(size=(4000, 3)) * 2
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wanted = np.array([chance.choice(3, p=row) for row in honest])
    sharp = np.exp(3 * logits) / np.exp(3 * logits).sum(axis=1, keepdims=True)
    assert fitted_temperature(sharp, wanted) == pytest.approx(3, rel=0.1)
    both = 1 / (1 + np.exp(-3 * logits))
    held = chance.random(logits.shape) < 1 / (1 + np.exp(-logits))
    assert fitted_temperature(both, held) == pytest.approx(3, rel=0.1)
    # All right: the more of them, the surer.
    few, many = (fitted_temperature(part, part.argmax(axis=1)) for part in (honest[:20], honest))
    assert 0.05 < many < few < 1


def test_rankings_are_scored_as_ir_measures_scores_them():
    ir_measures = pytest.importorskip("ir_measures")
    chance = np.random.default_rng(2)
    rankings, qrels, run = [], [], []
    for query in range(20):
        scores, grades = chance.random(15), chance.integers(0, 3, 15) * (query % 7 > 0)
        rankings.append(list(zip(scores.tolist(), grades.tolist(), strict=True)))
        for number, (score, grade) in enumerate(rankings[-1]):
            qrels.append(ir_measures.Qrel(str(query), str(number), int(grade)))
            run.append(ir_measures.ScoredDoc(str(query), str(number), score))
    asked = {str(query) for query in range(20) if query % 7}
    measures = [ir_measures.RR @ 10, ir_measures.nDCG @ 10, ir_measures.R @ 10]
    found = {str(measure): [] for measure in measures}
    for metric in ir_measures.iter_calc(measures, qrels, run):
        if metric.query_id in asked:
            found[str(metric.measure)].append(metric.value)
    theirs = [np.mean(found[str(measure)]) for measure in measures]
    ours = [
        mean_reciprocal_rank(rankings, 10),
        mean_ndcg(rankings, 10),
        mean_recall(rankings, 10),
    ]
    assert ours == pytest.approx(theirs)
