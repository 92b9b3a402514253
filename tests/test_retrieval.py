"""Retrieval and calibration against scikit-learn, brute force, and rankings drawn at random."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from audio2shape_core.errors import InputError
from audio2shape_core.evaluation.calibration import auroc, expected_calibration_error
from audio2shape_core.evaluation.retrieval_metrics import chance_average_precision, first_rank, retrieval_metrics


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 9999), q=st.integers(1, 12), g=st.integers(2, 30), levels=st.sampled_from([2, 5, 10**6]))
def test_map_matches_sklearn_ties_included(seed, q, g, levels):
    rng = np.random.default_rng(seed)
    similarity = rng.integers(levels, size=(q, g)) / levels
    gallery = rng.integers(3, size=g)
    queries = rng.choice(gallery, q)
    expected = [average_precision_score(gallery == label, row) for label, row in zip(queries, similarity)]
    result = retrieval_metrics(similarity, queries, gallery, resamples=10)
    assert result["map"] == pytest.approx(np.mean(expected))
    by_class = [np.mean(np.array(expected)[queries == label]) for label in set(queries)]
    assert result["macro_map"] == pytest.approx(np.mean(by_class))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 9999), q=st.integers(1, 12), g=st.integers(12, 30))
def test_recall_matches_sorting(seed, q, g):
    rng = np.random.default_rng(seed)
    similarity = rng.normal(size=(q, g))
    gallery_ids = rng.permutation(g)
    query_ids = rng.integers(g + 3, size=q)  # some instances are not in the gallery
    labels = np.array(["a", "b", "c"])
    result = retrieval_metrics(
        similarity, labels[query_ids % 3], labels[gallery_ids % 3], query_ids, gallery_ids, resamples=10
    )
    for k in (1, 5, 10):
        top = gallery_ids[np.argsort(-similarity, axis=1)[:, :k]]
        assert result[f"recall@{k}"] == pytest.approx(np.mean([i in row for i, row in zip(query_ids, top)]))
        assert result[f"class_hit@{k}"] == pytest.approx(np.mean([i % 3 in row % 3 for i, row in zip(query_ids, top)]))
    assert result["gallery_size"] == g


def test_without_ids_recall_is_by_class():
    result = retrieval_metrics(np.eye(4), ["a", "b", "a", "c"], ["a", "b", "b", "c"])
    assert result["recall@1"] == result["class_hit@1"] == 0.75
    assert result["recall@5"] == 1


def test_a_collapsed_embedding_gains_nothing():
    labels = np.repeat(["a", "b", "c", "d"], 5)
    result = retrieval_metrics(np.ones((20, 20)), labels, labels)
    assert result["class_hit@1"] == result["class_hit@10"] == 0
    assert result["map"] == pytest.approx(0.25)
    assert (first_rank(np.ones((1, 3)), np.zeros((1, 3), bool)) == np.inf).all()


@pytest.mark.parametrize(("g", "r"), [(1, 1), (2, 1), (10, 3), (40, 8), (15, 15)])
def test_chance_matches_random_rankings(g, r):
    rng = np.random.default_rng(0)
    relevant = np.arange(g) < r
    if r == g:
        assert chance_average_precision(r, g) == pytest.approx(1)
        return
    drawn = [average_precision_score(relevant, rng.random(g)) for _ in range(2000)]
    assert chance_average_precision(r, g) == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / 2000**0.5)


def test_random_similarities_score_chance_within_the_interval():
    rng = np.random.default_rng(1)
    queries, gallery = np.repeat(list("abcde"), 40), np.repeat(list("abcde"), 20)
    result = retrieval_metrics(rng.random((200, 100)), queries, gallery)
    low, high = result["map_interval"]
    assert low < result["chance_map"] < high
    assert low < result["map"] < high
    assert high - low < 0.03
    assert result == retrieval_metrics(np.random.default_rng(1).random((200, 100)), queries, gallery)


def test_queries_of_absent_classes_are_left_out():
    result = retrieval_metrics([[1, 0, 0], [0, 1, 1], [1, 0, 0]], ["a", "b", "zebra"], ["a", "b", "b"])
    assert result["queries"] == 2
    assert result["map"] == 1


@pytest.mark.parametrize(
    ("similarity", "reason"),
    [(np.ones((2, 2)), "expected finite"), (np.full((1, 2), np.nan), "expected finite"), (np.ones((1, 2)), "no query")],
)
def test_bad_retrieval_is_refused(similarity, reason):
    with pytest.raises(InputError, match=reason):
        retrieval_metrics(similarity, ["a"], ["b", "c"])


@settings(deadline=None)
@given(seed=st.integers(0, 999), n=st.integers(1, 40), m=st.integers(1, 40), levels=st.sampled_from([3, 10**6]))
def test_auroc_matches_sklearn(seed, n, m, levels):
    rng = np.random.default_rng(seed)
    known, unknown = rng.integers(levels, size=n) / levels + 0.1, rng.integers(levels, size=m) / levels
    truth = np.r_[np.ones(n), np.zeros(m)]
    assert auroc(known, unknown) == pytest.approx(roc_auc_score(truth, np.r_[known, unknown]))


@settings(deadline=None)
@given(seed=st.integers(0, 999), n=st.integers(1, 60), bins=st.integers(1, 15))
def test_calibration_matches_a_loop_over_bins(seed, n, bins):
    rng = np.random.default_rng(seed)
    confidence, correct = rng.random(n), rng.random(n) < 0.5
    total = 0.0
    for i in range(bins):
        inside = (confidence > i / bins) & (confidence <= (i + 1) / bins)
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    assert expected_calibration_error(confidence, correct, bins) == pytest.approx(total)


def test_calibration_of_the_extremes():
    assert expected_calibration_error(np.array([0.0, 1.0]), np.array([False, True])) == 0
    assert expected_calibration_error(np.ones(4), np.zeros(4, bool)) == 1
    for bad in ((np.array([1.2]), np.array([True])), (np.zeros(0), np.zeros(0)), (np.ones(2), np.ones(3))):
        with pytest.raises(InputError, match="calibration"):
            expected_calibration_error(*bad)
    with pytest.raises(InputError, match="some of both"):
        auroc(np.ones(3), np.zeros(0))
