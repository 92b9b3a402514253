"""Unbending clouds of symmetric things, on a toy lorry that is symmetric and one that is not."""

import numpy as np
import pytest
from scenes import BOXES, box_cloud

from audio2shape_core.evaluation.metrics import chamfer
from audio2shape_core.refinement.symmetry import ASKED, MIRROR, SmoothField, symmetrize

FIELD = SmoothField(length=0.5, amplitude=0.05, nodes=64)
SIDECAR = ((0.3, 0.75, -0.1), (0.3, 0.2, 0.2), (90, 90, 90))


def bent(points: np.ndarray) -> np.ndarray:
    """Twisted about the vertical axis and pushed to one side in the middle."""
    x, y, z = points.T.astype(float)
    return np.stack([x + 0.06 * np.sin(3 * y), y + 0.06 * np.cos(2 * x), z + 0.05 * np.sin(2.5 * y)], 1)


@pytest.mark.parametrize("count", [2048, 3 * ASKED])
def test_a_bent_symmetric_thing_is_unbent(count):
    points, _ = box_cloud(count=count)
    truth, _ = box_cloud(count=count, seed=1)
    crooked = bent(points)
    straight, symmetric = symmetrize(crooked, FIELD)
    assert symmetric
    floor = chamfer(points, truth)
    assert chamfer(crooked, truth) > 1.3 * floor
    assert chamfer(straight, truth) < 1.12 * floor


def test_what_is_symmetric_already_stays():
    points, _ = box_cloud(count=2048)
    straight, symmetric = symmetrize(points, FIELD)
    assert symmetric
    assert np.linalg.norm(straight - points, axis=1).mean() < 0.01


def test_a_thing_that_is_not_symmetric_is_left_alone():
    points, _ = box_cloud((*BOXES, SIDECAR), count=2048)
    same, symmetric = symmetrize(points, FIELD)
    assert not symmetric
    assert np.array_equal(same, points.astype(float))


@pytest.mark.parametrize("parity", [1, -1])
def test_modes_are_even_or_odd(parity):
    points, _ = box_cloud(count=300)
    both = np.concatenate([points, points * MIRROR])
    modes = FIELD.modes(both, parity)
    assert np.abs(modes).max() > 0.01
    assert np.allclose(modes[300:], parity * modes[:300], atol=1e-6)


def test_even_and_odd_parts_make_up_the_whole_field():
    """Their variances add up to that of the field, everywhere."""
    points, _ = box_cloud(count=500)
    even, odd = (FIELD.modes(points, parity) for parity in (1, -1))
    variance = np.square(even).sum(1) + np.square(odd).sum(1)
    assert variance == pytest.approx(FIELD.amplitude**2, rel=0.1)


@pytest.mark.parametrize(("symmetric", "sign"), [(True, 1), (False, -1)])
def test_displacements_are_mirrored_or_opposite(symmetric, sign):
    points, _ = box_cloud(count=300)
    both = np.concatenate([points, points * MIRROR])
    modes = FIELD.vector_modes(both, symmetric=symmetric)
    moved = modes @ np.random.default_rng(0).normal(size=modes.shape[2])
    assert np.allclose(moved[300:], sign * moved[:300] * MIRROR, atol=1e-5)
