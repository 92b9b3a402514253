"""What a camera sees of a surface, on shapes where geometry says it."""

import numpy as np
import pytest
from scenes import box_cloud

from audio2shape_core.camera import Camera
from audio2shape_core.evaluation.visibility import seen_points

VIEW = Camera.look_at(30, 20, width=64, height=64)


def sphere(count: int, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@pytest.mark.parametrize("count", [4096, 8192])
def test_of_a_sphere_the_cap_within_its_tangent_cone_is_seen(count):
    """From c, a point p of the unit sphere is seen where its tangent plane has c on the outer side: p . c > 1."""
    points = sphere(count)
    assert (seen_points(points, VIEW) == (points @ VIEW.position > 1)).mean() > 0.975


def test_of_a_box_the_faces_turned_to_the_camera_are_seen():
    points, _ = box_cloud((((0, 0, 0), (0.5, 0.4, 0.3), (90, 90, 90)),), count=4096)
    half = np.abs(points).max(0)
    face = np.argmax(np.abs(points) / half, axis=1)
    outward = np.sign(points[np.arange(len(points)), face])
    facing = outward * VIEW.position[face] > half[face]
    right = seen_points(points, VIEW) == facing
    assert right.mean() > 0.94  # within two spacings of an edge it cannot be decided
    to_edge = np.sort(half - np.abs(points), axis=1)[:, 1]  # the smallest is the distance to its own face: 0
    assert right[to_edge > 0.1].mean() > 0.975


def test_a_plate_behind_another_is_hidden_where_it_is_covered():
    rng = np.random.default_rng(1)
    camera = Camera.look_at(0, 0, 4.0, width=64, height=64)  # at (4, 0, 0)
    front = np.concatenate([np.full((2000, 1), 0.5), rng.uniform(-0.4, 0.4, (2000, 2))], 1)
    back = np.concatenate([np.full((8000, 1), -0.5), rng.uniform(-0.8, 0.8, (8000, 2))], 1)
    shadow = 0.4 * 4.5 / 3.5  # of the front plate on the back one
    seen = seen_points(np.concatenate([front, back]), camera)
    assert seen[:2000].all()
    margin = np.abs(back[:, 1:]).max(1) - shadow
    clear = np.abs(margin) > 0.06
    assert (seen[2000:] == (margin > 0))[clear].mean() > 0.99


def test_more_points_of_the_same_surface_are_judged_alike():
    points = sphere(12_288, 3)
    few, many = seen_points(points[:4096], VIEW), seen_points(points, VIEW)[:4096]
    assert (few == many).mean() > 0.95
