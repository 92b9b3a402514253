"""Set metrics against loops written from their definitions and scikit-learn's nearest-neighbour classifier."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from audio2shape_core.errors import InputError
from audio2shape_core.evaluation import set_metrics as sets
from audio2shape_core.evaluation.metrics import chamfer, emd


def matrices(seed, s, r, shift=0.0):
    """Distances among S and R points of the plane, which stand for shapes."""
    rng = np.random.default_rng(seed)
    samples, references = rng.normal(shift, 1, (s, 2)), rng.normal(0, 1, (r, 2))
    return samples, references, (cdist(samples, samples), cdist(samples, references), cdist(references, references))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), s=st.integers(4, 15), r=st.integers(4, 15))
def test_definitions(seed, s, r):
    samples, references, (ss, sr, rr) = matrices(seed, s, r)
    result = sets.set_metrics(ss, sr, rr, k=2)
    nearest = {min(range(r), key=lambda j, i=i: sr[i, j]) for i in range(s)}
    assert result["coverage"] == len(nearest) / r
    assert result["mmd"] == pytest.approx(np.mean([min(sr[i, j] for i in range(s)) for j in range(r)]))
    assert result["nn_distance"] == pytest.approx(np.mean([min(sr[i, j] for j in range(r)) for i in range(s)]))
    radius = [sorted(rr[j, i] for i in range(r) if i != j)[1] for j in range(r)]
    assert result["precision"] == np.mean([any(sr[i, j] <= radius[j] for j in range(r)) for i in range(s)])
    radius = [sorted(ss[i, j] for j in range(s) if j != i)[1] for i in range(s)]
    assert result["recall"] == np.mean([any(sr[i, j] <= radius[i] for i in range(s)) for j in range(r)])
    together, truth = np.r_[samples, references], np.r_[np.ones(s), np.zeros(r)]
    scores = cross_val_score(KNeighborsClassifier(1), together, truth, cv=LeaveOneOut())
    assert result["one_nna"] == pytest.approx(scores.mean())


def test_sets_that_are_alike_apart_and_copied():
    *_, alike = matrices(0, 300, 300)
    *_, apart = matrices(0, 50, 50, shift=100)
    assert sets.one_nna(*alike) == pytest.approx(0.5, abs=0.06)
    assert sets.manifold_precision(alike[1], alike[2]) > 0.9
    far = sets.set_metrics(*apart)
    assert far["one_nna"] == 1
    assert far["precision"] == far["recall"] == 0
    _, references, (_, _, rr) = matrices(1, 5, 20)
    copied = sets.set_metrics(rr, rr, rr)
    assert copied["one_nna"] == 0
    assert copied["coverage"] == copied["precision"] == 1
    assert copied["mmd"] == copied["nn_distance"] == 0
    one_mode = np.tile(rr[:1], (20, 1))
    assert sets.coverage(one_mode) == 1 / 20


def test_the_spread_of_a_set_leaves_out_each_with_itself():
    assert sets.spread(np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 3.0], [2.0, 3.0, 0.0]])) == pytest.approx(2.0)


def test_pairwise_distances_match_one_by_one():
    rng = np.random.default_rng(2)
    a, b = [rng.normal(size=(60, 3)) for _ in range(3)], [rng.normal(size=(60, 3)) for _ in range(2)]
    assert np.allclose(sets.pairwise_chamfer(a, b), [[chamfer(x, y, squared=True) for y in b] for x in a])
    assert np.allclose(sets.pairwise_chamfer(a, b, squared=False), [[chamfer(x, y) for y in b] for x in a])
    assert np.allclose(sets.pairwise_emd(a, b), [[emd(x, y) for y in b] for x in a])


def test_subsampling_draws_without_replacement():
    cloud = np.arange(300.0).reshape(100, 3)
    (part,) = sets.subsample([cloud], 40)
    assert len(np.unique(part[:, 0])) == 40
    assert np.isin(part, cloud).all()
    assert np.array_equal(part, sets.subsample([cloud], 40)[0])
    with pytest.raises(InputError, match="only 100"):
        sets.subsample([cloud], 101)


def test_too_few_references_for_a_manifold():
    with pytest.raises(InputError, match="expected more"):
        sets.manifold_precision(np.ones((3, 3)), np.ones((3, 3)), k=3)
