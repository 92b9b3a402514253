"""Shapes in the canonical frame: normalisation, and the search for the heading."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial import cKDTree

from audio2shape_core.data.canonical import COMPARED, YAWS, canonicalize, heading, normalize, templates, turn
from audio2shape_core.errors import InputError
from audio2shape_core.synthetic.shapes import procedural_shape


def apart(first: float, second: float) -> float:
    """Angle between two headings, in degrees."""
    return abs((first - second + 180) % 360 - 180)


@settings(max_examples=50, deadline=None)
@given(arrays(np.float32, st.tuples(st.integers(1, 30), st.just(3)), elements=st.floats(-1e6, 1e6, width=32)))
def test_normalized_clouds_are_centred_and_touch_the_unit_sphere(points):
    result = normalize(points)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.max(0) + result.min(0), 0, atol=1e-5)
    radius = np.linalg.norm(result, axis=1).max()
    assert radius == pytest.approx(1, abs=1e-5) or (points == points[0]).all()


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.zeros((4, 2)), np.zeros(3), [[0, 0, np.nan]], [[np.inf, 0, 0]]])
def test_unusable_points_are_refused(bad):
    with pytest.raises(InputError):
        normalize(bad)
    with pytest.raises(InputError):
        canonicalize(bad, "dog")


def test_turning_is_counter_clockwise_seen_from_above():
    quarter = turn(np.array([[1.0, 0, 0], [-1, 0, 0], [0, 0.5, 0], [0, -0.5, 0]]), 90)
    np.testing.assert_allclose(quarter, [[0, 1, 0], [0, -1, 0], [-0.5, 0, 0], [0.5, 0, 0]], atol=1e-6)


@pytest.mark.parametrize("label", ["airplane", "car", "dog", "cow", "toilet"])
@pytest.mark.parametrize("yaw", [30, 90, 180, 300])
def test_a_turned_shape_comes_back(label, yaw):
    shape, _ = procedural_shape(label, 300_000 + yaw, 1024)
    turned = turn(shape, yaw)
    assert apart(heading(turned, label), -yaw) <= 20
    np.testing.assert_allclose(canonicalize(turned, label), turn(turned, heading(turned, label)), atol=1e-6)


def test_the_score_is_the_symmetric_nearest_distance():
    shape = turn(procedural_shape("dog", 5, 1024)[0], 75)
    chosen = np.random.default_rng(0).choice(1024, COMPARED, replace=False)

    def score(yaw: float) -> float:
        cloud = turn(shape, yaw)[chosen]
        return min(cKDTree(t).query(cloud)[0].mean() + cKDTree(cloud).query(t)[0].mean() for t in templates("dog"))

    assert heading(shape, "dog") == min(YAWS, key=score)


@pytest.mark.parametrize("yaw", [0, 90, -90, 33.5])
def test_known_headings_need_no_search(yaw):
    points = np.random.default_rng(0).normal(size=(50, 3))
    np.testing.assert_array_equal(canonicalize(points, "dog", yaw_deg=yaw), turn(normalize(points), yaw))


def test_unknown_and_round_classes_keep_their_heading():
    points = np.random.default_rng(0).normal(size=(50, 3))
    for label in ("nothing we know", "bottle", "bell", "bowl", "cup"):
        np.testing.assert_array_equal(canonicalize(points, label), normalize(points))


def test_clouds_of_any_size_are_aligned_alike_each_time():
    few = procedural_shape("dog", 1, 40)[0]
    np.testing.assert_array_equal(canonicalize(few, "dog"), canonicalize(few, "dog"))
    assert canonicalize(few[:1], "dog").shape == (1, 3)


@pytest.mark.parametrize("yaw", [0, 45, 200])
def test_a_guitar_that_stands_is_laid_on_its_back_with_its_head_to_the_front(yaw):
    lying = procedural_shape("guitar", 70, 2000)[0]
    # Head up, then turned: what some collections store.
    standing = turn(lying @ np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]]), yaw)
    assert np.ptp(standing[:, 2]) > np.ptp(standing[:, :2], axis=0).max()
    back = canonicalize(standing, "guitar")
    assert cKDTree(normalize(lying)).query(back)[0].mean() < 0.02
