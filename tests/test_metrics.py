"""Distances between clouds against brute force, SciPy's assignment, and permutations tried one by one."""

import builtins
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from audio2shape_core.errors import InputError
from audio2shape_core.evaluation.metrics import chamfer, emd, fscore, nearest_distances


def cloud(size, seed, scale=1.0):
    return np.random.default_rng(seed).normal(0, scale, (size, 3)).astype(np.float32)


@settings(deadline=None)
@given(n=st.integers(1, 40), m=st.integers(1, 40), seed=st.integers(0, 999))
def test_chamfer_and_fscore_match_brute_force(n, m, seed):
    a, b = cloud(n, seed), cloud(m, seed + 1)
    distances = np.sqrt(((a[:, None].astype(float) - b[None]) ** 2).sum(-1))
    there, back = distances.min(1), distances.min(0)
    assert np.allclose(nearest_distances(a, b), there)
    assert chamfer(a, b) == pytest.approx(there.mean() + back.mean())
    assert chamfer(a, b, squared=True) == pytest.approx((there**2).mean() + (back**2).mean())
    tau = float(np.median(distances))
    precision, recall = (there <= tau).mean(), (back <= tau).mean()
    expected = 2 * precision * recall / (precision + recall) if precision + recall else 0
    assert fscore(a, b, tau) == pytest.approx(expected)


@settings(deadline=None)
@given(n=st.integers(1, 6), seed=st.integers(0, 99))
def test_emd_matches_every_permutation(n, seed):
    a, b = cloud(n, seed), cloud(n, seed + 1)
    distances = cdist(a, b)
    best = min(distances[range(n), order].mean() for order in itertools.permutations(range(n)))
    assert emd(a, b) == pytest.approx(best)


@pytest.mark.parametrize("size", [300, 1024])
def test_emd_with_and_without_pot(monkeypatch, size):
    a, b = cloud(size, 0), cloud(size, 1, 0.5)
    distances = cdist(a, b)
    expected = distances[linear_sum_assignment(distances)].mean()
    assert emd(a, b) == pytest.approx(expected, rel=1e-9)
    real_import = builtins.__import__

    def without_pot(name, *args, **kwargs):
        if name == "ot":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pot)
    assert emd(a, b) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), shift=st.floats(0.5, 3))
def test_known_distances(seed, shift):
    a = cloud(30, seed)
    assert chamfer(a, a) == emd(a, a[::-1]) == 0
    assert fscore(a, a, 1e-6) == 1
    assert emd(a, a + [shift, 0, 0]) == pytest.approx(shift, rel=1e-5)  # translation is the cheapest transport
    assert fscore(a, a + [100, 0, 0], 0.1) == 0
    assert emd(a, a + [shift, 0, 0]) >= nearest_distances(a, a + [shift, 0, 0]).mean()


def test_two_samples_of_a_sphere_score_what_is_known():
    """reference: 2048 points on a unit sphere score CD 0.078, squared 0.0039, EMD 0.079."""
    points = cloud(4096, 0)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    a, b = points[:2048], points[2048:]
    assert chamfer(a, b) == pytest.approx(0.078, rel=0.05)
    assert chamfer(a, b, squared=True) == pytest.approx(0.0039, rel=0.08)
    assert emd(a, b) == pytest.approx(0.079, rel=0.15)
    assert fscore(a, b, 0.02) == pytest.approx(0.19, abs=0.02)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: chamfer(np.zeros((0, 3)), cloud(3, 0)), "at least one point"),
        (lambda: chamfer(np.zeros((4, 2)), cloud(3, 0)), r"\(N, 3\)"),
        (lambda: fscore(cloud(3, 0), np.full((3, 3), np.nan), 0.1), "finite"),
        (lambda: emd(cloud(3, 0), cloud(4, 0)), "equally many"),
    ],
)
def test_bad_clouds_are_refused(call, reason):
    with pytest.raises(InputError, match=reason):
        call()
