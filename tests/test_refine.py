"""Refinement end to end, on renders of a known shape."""

import itertools
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from scenes import box_cloud, photograph

from audio2shape_core.camera import Camera
from audio2shape_core.errors import Cancelled, InputError
from audio2shape_core.refinement import refine
from audio2shape_core.refinement.fit import fit

fit_module = sys.modules[fit.__module__]

CAMERA = Camera.look_at(40, 20, width=96, height=80)


@pytest.fixture(scope="module")
def truth():
    points, colors = box_cloud(count=4096, seed=1)
    return points, colors, photograph(points, colors, CAMERA)


@pytest.fixture(scope="module")
def coarse():
    """The same shape seen by the generator: fewer points, blurred, grey."""
    points, colors = box_cloud(count=1024, seed=2)
    points = points + 0.02 * np.random.default_rng(0).normal(size=points.shape)
    return points.astype(np.float32), np.full_like(colors, 128)


def test_refined_cloud_looks_like_the_image(truth, coarse):
    refined = refine(*coarse, truth[2], camera=CAMERA, pose_known=True, iterations=80, num_points=3000)
    assert refined.accepted
    assert refined.pose_confidence == 1
    assert refined.points.shape == (3000, 3)
    assert refined.points.dtype == np.float32
    assert refined.colors.shape == (3000, 3)
    assert refined.colors.dtype == np.uint8
    assert refined.confidence.shape == (3000,)
    assert refined.confidence.dtype == np.float32
    assert 0 <= refined.confidence.min() < 0.35
    assert 0.6 < refined.confidence.max() <= 1
    assert refined.rendering.shape == (80, 96, 3)
    mask = truth[2][..., 3:] / 255
    wanted = truth[2][..., :3] * mask + 255 * (1 - mask)
    assert np.abs(refined.rendering - wanted).mean() / 255 < 0.01
    assert refined.residual < 0.01


def test_more_steps_fit_better_and_none_changes_no_gaussian(truth, coarse):
    residuals = [refine(*coarse, truth[2], camera=CAMERA, pose_known=True, iterations=n).residual for n in (0, 10, 60)]
    assert residuals[0] > 1.5 * residuals[1] > 3 * residuals[2]
    untouched = refine(*coarse, truth[2], camera=CAMERA, pose_known=True, iterations=0)
    assert np.array_equal(untouched.gaussians.means.numpy(), coarse[0])


def test_same_seed_same_cloud(truth, coarse):
    first, second = (refine(*coarse, truth[2], camera=CAMERA, pose_known=True, iterations=30, seed=3) for _ in range(2))
    assert np.array_equal(first.points, second.points)
    assert np.array_equal(first.colors, second.colors)


def test_cancelling_stops_at_that_step(truth, coarse):
    calls = []

    def progress(stage, step, total):
        calls.append((stage, step, total))
        if (stage, step) == ("refine", 7):
            raise Cancelled

    with pytest.raises(Cancelled):
        refine(*coarse, truth[2], camera=CAMERA, pose_known=True, iterations=40, progress=progress)
    assert calls == [("refine", step, 40) for step in range(8)]


def test_time_budget_ends_the_fit_early_but_usefully(truth, coarse, monkeypatch):
    """With a clock that ticks 10 ms a look, so that the machine's load does not matter."""
    ticks = itertools.count()
    monkeypatch.setattr(fit_module, "time", SimpleNamespace(monotonic=lambda: 0.01 * next(ticks)))
    steps = []
    arguments = {"camera": CAMERA, "pose_known": True, "progress": lambda stage, step, total: steps.append(step)}
    none = refine(*coarse, truth[2], **arguments, iterations=0)
    steps.clear()
    short = refine(*coarse, truth[2], **arguments, iterations=10**6, time_budget_s=0.6)
    assert 30 < len(steps) < 70
    assert short.residual < 0.7 * none.residual


@pytest.mark.parametrize(
    "change",
    [
        {"image": np.zeros((80, 96), np.uint8)},
        {"image": np.zeros((80, 96, 3), np.float32)},
        {"image": np.zeros((0, 96, 3), np.uint8)},
        {"image": np.zeros((80, 96, 4), np.uint8)},
        {"mask": np.zeros((80, 96), bool)},
        {"mask": np.ones((8, 9), bool)},
        {"camera": Camera.default(64, 64)},
        {"camera": None},
        {"points": np.full((10, 3), np.nan, np.float32), "colors": np.zeros((10, 3), np.uint8)},
        {"points": np.zeros((3, 3), np.float32), "colors": np.zeros((3, 3), np.uint8)},
        {"colors": np.zeros((1024, 3), np.float32)},
        {"iterations": -1},
        {"num_points": 0},
    ],
)
def test_bad_input_is_refused(truth, coarse, change):
    arguments = {"points": coarse[0], "colors": coarse[1], "image": truth[2], "camera": CAMERA, "pose_known": True}
    with pytest.raises(InputError, match="expected"):
        refine(**(arguments | change))
