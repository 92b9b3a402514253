import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio2shape_core.errors import InputError
from audio2shape_core.synthetic.shapes import procedural_labels, procedural_shape
from audio2shape_core.synthetic.shapes import surfaces as s
from audio2shape_core.vocabulary import Vocabulary

RNG = np.random.default_rng(0)


def test_every_class_has_a_shape():
    assert {*Vocabulary.default().names, *Vocabulary.default().zero_shot} <= set(procedural_labels())


@pytest.mark.parametrize("label", procedural_labels())
def test_shapes_are_canonical_and_repeatable(label):
    for seed in range(6):
        points, colors = procedural_shape(label, seed, 600)
        assert points.shape == colors.shape == (600, 3)
        assert (points.dtype, colors.dtype) == (np.float32, np.uint8)
        assert np.abs(points.max(0) + points.min(0)).max() < 1e-5
        assert np.linalg.norm(points, axis=1).max() == pytest.approx(1.0, abs=1e-5)
        again = procedural_shape(label, seed, 600)
        assert np.array_equal(points, again[0])
    assert not np.array_equal(points, procedural_shape(label, 99, 600)[0])


def extents(label, seed):
    return np.ptp(procedural_shape(label, seed, 800)[0], axis=0)


@pytest.mark.parametrize(
    ("label", "axis"),
    [
        ("flute", 1),
        ("keyboard", 1),
        ("guitar", 0),
        ("trombone", 0),
        ("train", 0),
        ("car", 0),
        ("violin", 2),
        ("cello", 2),
        ("clarinet", 2),
        ("harp", 2),
        ("door", 2),
        ("bottle", 2),
        ("person", 2),
    ],
)
def test_the_longest_side_lies_as_the_conventions_say(label, axis):
    assert all(extents(label, seed).argmax() == axis for seed in range(8))


@pytest.mark.parametrize("label", ["guitar", "keyboard", "clock", "door"])
def test_what_lies_or_hangs_is_thin_where_its_user_looks(label):
    thin = {"guitar": 2, "keyboard": 2, "clock": 0, "door": 0}[label]
    assert all(extents(label, seed).argmin() == thin for seed in range(8))


@pytest.mark.parametrize(
    ("label", "high"), [("dog", 0), ("toilet", -1), ("stairs", -1), ("airplane", -1), ("saxophone", -1)]
)
def test_fronts_and_backs_differ_as_they_should(label, high):
    """Tanks, tail fins, crooks and upper steps are behind; the muzzle of a dog is in front and above its feet."""
    for seed in range(1, 6):
        points = procedural_shape(label, seed, 2048)[0]
        nose, tail = points[points[:, 0] > 0.8 * points[:, 0].max()], points[points[:, 0] < 0.8 * points[:, 0].min()]
        if high:
            assert tail[:, 2].max() > nose[:, 2].max()
        else:
            assert nose[:, 2].min() > points[:, 2].min() + 0.1


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(procedural_labels()), st.integers(0, 2**31), st.integers(300, 900))
def test_any_seed_and_size_gives_finite_points(label, seed, size):
    points, _ = procedural_shape(label, seed, size)
    assert points.shape == (size, 3)
    assert np.isfinite(points).all()


def test_an_unknown_label_is_refused():
    with pytest.raises(InputError, match="unicorn"):
        procedural_shape("unicorn", 0)


def test_areas_are_the_known_ones():
    assert s.box((0, 0, 0), (1, 2, 3)).area == pytest.approx(22)
    assert s.ellipsoid((0, 0, 0), (1, 1, 1)).area == pytest.approx(4 * np.pi, rel=0.05)
    assert s.disc((0, 0, 0), 1.0).area == pytest.approx(np.pi, rel=0.02)
    assert s.tube([(0, 0, 0), (0, 0, 2)], 0.5, sides=40).area == pytest.approx(2.5 * np.pi, rel=0.02)


def test_points_are_spread_evenly_over_a_surface():
    points = s.box((0, 0, 0), (2, 1, 1)).draw(4000, RNG)
    large = np.isclose(np.abs(points[:, 2]), 0.5).mean()  # two of the 2 x 1 faces, of an area of 10 together
    assert large == pytest.approx(0.4, abs=0.03)
    sphere = s.ellipsoid((1, 2, 3), (0.5, 0.5, 0.5)).draw(500, RNG)
    assert np.linalg.norm(sphere - (1, 2, 3), axis=1) == pytest.approx(0.5, abs=0.02)


def test_a_turned_nose_rises_and_points_left():
    nose = s.rotation(yaw=90, pitch=30) @ np.array([1.0, 0, 0])
    assert nose == pytest.approx((0, np.cos(np.pi / 6), 0.5), abs=1e-9)
