"""Pose by render and compare, on renders whose camera is known."""

import time

import numpy as np
import pytest
from scenes import box_cloud, photograph

from audio2shape_core.camera import Camera
from audio2shape_core.errors import Cancelled
from audio2shape_core.looking.foreground import find_foreground
from audio2shape_core.refinement.pose import estimate_pose
from audio2shape_core.splatting.gaussians import Gaussians

INTRINSICS = Camera.default(120, 90)
OTHER_THING = (((0, 0, 0), (0.1, 0.1, 0.9), (30, 160, 60)), ((0, 0, 0.8), (0.5, 0.1, 0.1), (30, 160, 60)))


@pytest.fixture(scope="module")
def cloud():
    return box_cloud(count=1024, seed=5)


def view(azimuth: float, elevation: float) -> Camera:
    """The object off-centre, and the camera not quite level."""
    camera = Camera.look_at(azimuth, elevation, 3.0, width=120, height=90, roll=2)
    pose = camera.world_to_camera.copy()
    pose[:2, 3] += (0.35, -0.2)
    return camera.with_pose(pose)


def angle_between(a: Camera, b: Camera) -> float:
    relative = a.world_to_camera[:3, :3].T @ b.world_to_camera[:3, :3]
    return float(np.degrees(np.arccos(np.clip((np.trace(relative) - 1) / 2, -1, 1))))


@pytest.mark.parametrize(("azimuth", "elevation"), [(40, 20), (160, 5), (290, 40)])
def test_the_camera_of_a_render_is_found(cloud, azimuth, elevation):
    true = view(azimuth, elevation)
    image = photograph(*box_cloud(count=4096, seed=6), true)
    found = estimate_pose(Gaussians.from_cloud(*cloud), image[..., :3], find_foreground(image), INTRINSICS)
    assert found.accepted
    assert found.confidence > 0.6
    assert angle_between(found.camera, true) < 8
    assert np.allclose(found.camera.world_to_camera[:3, 3], true.world_to_camera[:3, 3], rtol=0.05, atol=0.05)
    assert (found.camera.fx, found.camera.width) == (INTRINSICS.fx, INTRINSICS.width)


def test_another_thing_is_refused(cloud):
    image = photograph(*box_cloud(OTHER_THING, count=4096), view(40, 20))
    found = estimate_pose(Gaussians.from_cloud(*cloud), image[..., :3], find_foreground(image), INTRINSICS)
    assert not found.accepted
    assert found.confidence < 0.3


def test_progress_counts_up_to_its_total(cloud):
    image = photograph(*cloud, view(40, 20))
    arguments = Gaussians.from_cloud(*cloud), image[..., :3], find_foreground(image), INTRINSICS
    steps = []

    def progress(stage, step, total):
        assert (stage, total) == ("pose", 408)
        steps.append(step)

    estimate_pose(*arguments, progress=progress)
    assert steps == list(range(409))
    steps.clear()
    estimate_pose(*arguments, progress=progress, deadline=time.monotonic())  # one view, and one step for each candidate
    assert steps == sorted(steps)
    assert 3 <= len(steps) <= 10
    assert steps[-1] == 408


def test_progress_may_cancel(cloud):
    image = photograph(*cloud, view(40, 20))
    steps = []

    def progress(stage, step, total):
        steps.append((stage, step))
        if step == 20:
            raise Cancelled

    with pytest.raises(Cancelled):
        estimate_pose(
            Gaussians.from_cloud(*cloud), image[..., :3], find_foreground(image), INTRINSICS, progress=progress
        )
    assert steps == [("pose", step) for step in range(21)]
