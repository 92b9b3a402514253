"""Refinement end to end, on renders of a known shape."""

import itertools
import time
from types import SimpleNamespace

import numpy as np
import pytest
from scenes import box_cloud, photograph

from audio2shape_core.camera import Camera
from audio2shape_core.errors import Cancelled, InputError
from audio2shape_core.frame import Foreground, Frame
from audio2shape_core.looking.foreground import find_foreground
from audio2shape_core.refinement import Refined, refine
from audio2shape_core.refinement.refiner import FINISH_S

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


def refined_from(cloud, image, **options) -> Refined:
    """Refine with the true pose, the object found in the image."""
    return refine(*cloud, Frame(image, CAMERA, pose_known=True), find_foreground(image), **options)


def test_refined_cloud_looks_like_the_image(truth, coarse):
    refined = refined_from(coarse, truth[2], iterations=80, num_points=3000)
    assert refined.accepted
    assert refined.reason == ""
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
    residuals = [refined_from(coarse, truth[2], iterations=n).residual for n in (0, 10, 60)]
    assert residuals[0] > 1.5 * residuals[1] > 3 * residuals[2]
    untouched = refined_from(coarse, truth[2], iterations=0)
    assert np.array_equal(untouched.gaussians.means.numpy(), coarse[0])


def test_same_seed_same_cloud(truth, coarse):
    first, second = (refined_from(coarse, truth[2], iterations=30, seed=3) for _ in range(2))
    assert np.array_equal(first.points, second.points)
    assert np.array_equal(first.colors, second.colors)


def test_cancelling_stops_at_that_step(truth, coarse):
    calls = []

    def progress(stage, step, total):
        calls.append((stage, step, total))
        if (stage, step) == ("refine", 7):
            raise Cancelled

    with pytest.raises(Cancelled):
        refined_from(coarse, truth[2], iterations=40, progress=progress)
    assert calls == [("refine", step, 40) for step in range(8)]


def test_progress_ends_at_its_total(truth, coarse):
    calls = []
    refined_from(coarse, truth[2], iterations=9, progress=lambda *call: calls.append(call))
    assert calls == [("refine", step, 9) for step in range(10)]


def test_a_deadline_ends_the_fit_early_but_usefully(truth, coarse, monkeypatch):
    """With a clock that ticks 10 ms a look, so that the machine's load does not matter."""
    ticks = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: 0.01 * next(ticks))
    for module in ("refiner", "schedule"):
        monkeypatch.setattr(f"audio2shape_core.refinement.{module}.time", clock)
    calls = []
    none = refined_from(coarse, truth[2], iterations=0)
    deadline = clock.monotonic() + FINISH_S + 0.6
    short = refined_from(
        coarse, truth[2], iterations=10**6, deadline=deadline, progress=lambda _, *call: calls.append(call)
    )
    assert 30 < len(calls) < 70
    assert calls[-1] == (10**6, 10**6)
    assert short.residual < 0.7 * none.residual


def test_the_search_of_the_pose_takes_half_of_the_time_at_most(truth, coarse, monkeypatch):
    """With a clock that ticks 10 ms a look, so that the machine's load does not matter."""
    ticks = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: 0.01 * next(ticks))
    for module in ("refiner", "schedule"):
        monkeypatch.setattr(f"audio2shape_core.refinement.{module}.time", clock)
    arguments = *coarse, Frame(truth[2]), find_foreground(truth[2])
    held = refine(*arguments, iterations=1, deadline=clock.monotonic() + 2).seconds["pose"]
    least_steps = 16  # one of every candidate's descent
    assert 0.9 < held < 1.0 + 0.01 * (least_steps + 4)


def test_a_deadline_is_kept(truth, coarse):
    refined_from(coarse, truth[2], iterations=1)  # kernels are compiled or loaded
    frame, found = Frame(truth[2]), find_foreground(truth[2])
    start = time.monotonic()
    refine(*coarse, frame, found, iterations=5000, deadline=start + 2)
    assert time.monotonic() - start < 4  # a deadline of 2 s, on a busy machine


NOTHING = np.full((80, 96, 3), 200, np.uint8)


@pytest.mark.parametrize(
    ("image", "mask", "confidence", "reason"),
    [
        (NOTHING, np.zeros((80, 96), np.float32), 0.0, "the object was not found in the image"),
        (NOTHING, np.zeros((80, 96), np.float32), 1.0, "the object was not found in the image"),
        (None, None, 0.2, "the outline of the object in the image is not clear enough"),
        (NOTHING, np.indices((80, 96))[1] % 95 == 3, 1.0, "the shape does not fit the object in the image: their out"),
    ],
)
def test_a_refusal_gives_the_cloud_back_and_says_why(truth, coarse, image, mask, confidence, reason):
    image = truth[2] if image is None else image
    mask = truth[2][..., 3] / np.float32(255) if mask is None else mask.astype(np.float32)
    refused = refine(*coarse, Frame(image), Foreground(mask, confidence), iterations=1)
    assert not refused.accepted
    assert refused.reason.startswith(reason)
    assert refused.rendering is None
    assert np.array_equal(refused.points, coarse[0])
    assert np.array_equal(refused.colors, coarse[1])


@pytest.mark.parametrize("seed", range(12))
def test_no_picture_makes_it_fail(coarse, seed):
    """Noise, stripes, single pixels and objects at the border, from cameras that may look elsewhere."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 70, 2)
    image = rng.integers(0, 256, (height, width, 3 + seed % 2)).astype(np.uint8)
    mask = np.zeros((height, width), np.float32)
    top, left = rng.integers(height), rng.integers(width)
    mask[top : top + rng.integers(1, 40), left : left + rng.integers(1, 40)] = 1
    camera = Camera.look_at(*rng.uniform(-60, 60, 2), rng.choice([0.3, 3.0, 60.0]), width=width, height=height)
    frame = Frame(image, camera, pose_known=seed % 3 != 0)
    cloud = coarse[0][:256], coarse[1][:256]
    refined = refine(*cloud, frame, Foreground(mask, 1.0), iterations=3, num_points=500)
    assert np.isfinite(refined.points).all()
    assert refined.accepted == (refined.reason == "")
    assert len(refined.points) == len(refined.confidence) == (500 if refined.accepted else 256)


def test_a_large_frame_is_fitted_like_a_small_one(truth, coarse):
    large = np.kron(truth[2], np.ones((16, 16, 1), np.uint8))  # 1536 x 1280
    frame = Frame(large, CAMERA.scaled(16), pose_known=True)
    refined = refine(*coarse, frame, find_foreground(large), iterations=30)
    assert refined.rendering.shape == (1280, 1536, 3)
    assert refined.camera.width == 1536
    assert refined.residual < 1.2 * refined_from(coarse, truth[2], iterations=30).residual


@pytest.mark.parametrize(
    "change",
    [
        {"points": np.full((10, 3), np.nan, np.float32), "colors": np.zeros((10, 3), np.uint8)},
        {"points": np.zeros((3, 3), np.float32), "colors": np.zeros((3, 3), np.uint8)},
        {"colors": np.zeros((1024, 3), np.float32)},
        {"iterations": -1},
        {"num_points": 0},
    ],
)
def test_bad_input_is_refused(truth, coarse, change):
    arguments = {"points": coarse[0], "colors": coarse[1], "frame": Frame(truth[2], CAMERA, pose_known=True)}
    with pytest.raises(InputError, match="expected"):
        refine(**(arguments | change), foreground=find_foreground(truth[2]))
