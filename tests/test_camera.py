"""The pinhole camera against OpenCV, and lens distortion there and back."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio2shape_core.camera import Camera, undistort
from audio2shape_core.errors import InputError

MATRIX = np.array([[90.0, 0, 63.5], [0, 92.0, 47.5], [0, 0, 1]])


def test_projection_matches_opencv():
    camera = Camera.from_matrix(MATRIX, 128, 96).with_pose(
        Camera.look_at(35, 20, 3, width=128, height=96).world_to_camera
    )
    points = np.random.default_rng(0).uniform(-1, 1, (50, 3))
    pixels, depth = camera.project(points)
    rotation, _ = cv2.Rodrigues(camera.world_to_camera[:3, :3])
    expected, _ = cv2.projectPoints(points, rotation, camera.world_to_camera[:3, 3], MATRIX, None)
    assert np.allclose(pixels, expected[:, 0] + 0.5)  # OpenCV puts pixel centres at whole numbers
    assert (depth > 0).all()


def test_points_behind_have_no_pixel():
    pixels, depth = Camera.look_at(0, 0, 2, width=10, height=10).project([[5.0, 0, 0], [0, 0, 0]])
    assert depth[0] < 0
    assert np.isnan(pixels[0]).all()
    assert np.isfinite(pixels[1]).all()


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (90, 30), (200, -40)])
def test_look_at_sees_the_origin_upright(azimuth, elevation):
    camera = Camera.look_at(azimuth, elevation, 4, width=64, height=48)
    pixels, depth = camera.project(np.array([[0, 0, 0], [0, 0, 0.5]]))
    assert np.allclose(pixels[0], (32, 24))
    assert depth[0] == pytest.approx(4)
    assert pixels[1, 1] < pixels[0, 1]
    assert pixels[1, 0] == pytest.approx(32)
    a, e = np.radians((azimuth, elevation))
    assert np.allclose(camera.position, 4 * np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)]))


def test_camera_in_front_sees_left_side_on_the_right():
    """Facing the shape's front (+x), its left side (+y) is on the viewer's right."""
    pixels, _ = Camera.look_at(0, 0, 4, width=64, height=48).project(np.array([[0, 1.0, 0]]))
    assert pixels[0, 0] > 32


@pytest.mark.parametrize(("width", "height"), [(128, 128), (320, 240), (90, 160)])
def test_default_view_fills_the_frame_and_cuts_nothing(width, height):
    sphere = np.random.default_rng(0).normal(size=(4000, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    pixels, _ = Camera.default(width, height).project(sphere)
    assert (pixels > 0).all()
    assert (pixels < (width, height)).all()
    assert np.ptp(pixels, axis=0).min() > 0.85 * min(width, height)


def test_scaling_and_cropping_keep_the_view():
    camera = Camera.default(300, 200)
    points = np.random.default_rng(1).uniform(-0.5, 0.5, (20, 3))
    pixels, _ = camera.project(points)
    small = camera.scaled(0.33)
    assert (small.width, small.height) == (99, 66)
    assert np.allclose(small.project(points)[0], pixels * (99 / 300, 66 / 200))
    assert np.allclose(camera.cropped(10, -5, 50, 60).project(points)[0], pixels - (10, -5))


@pytest.mark.parametrize(
    ("model", "distortion"),
    [
        ("plumb_bob", [-0.25, 0.08, 0.001, -0.002, 0.0]),
        ("rational_polynomial", [0.2, -0.1, 0.001, 0.0, 0.02, 0.4, -0.1, 0.01]),
        ("equidistant", [0.05, -0.01, 0.002, 0.0]),
    ],
)
def test_undistort_moves_a_dot_to_its_pinhole_pixel(model, distortion):
    point = np.array([[[0.45, -0.3, 1.0]]])
    if model == "equidistant":
        bent, _ = cv2.fisheye.projectPoints(point, np.zeros(3), np.zeros(3), MATRIX, np.array(distortion))
    else:
        bent, _ = cv2.projectPoints(point, np.zeros(3), np.zeros(3), MATRIX, np.array(distortion))
    column, row = bent.ravel()
    y, x = np.mgrid[:96, :128]
    image = (255 * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 8)).astype(np.uint8)
    straight, camera = undistort(image, MATRIX.ravel(), distortion, model)
    weight = straight.astype(float)
    found = np.array([(weight * (x + 0.5)).sum(), (weight * (y + 0.5)).sum()]) / weight.sum()
    expected, _ = camera.project(point[0])
    assert np.linalg.norm(bent.ravel() + 0.5 - expected[0]) > 1  # the lens did bend it
    assert np.allclose(found, expected[0], atol=0.3)


def test_no_distortion_returns_the_image_itself():
    image = np.zeros((96, 128, 3), np.uint8)
    assert undistort(image, MATRIX, [], "")[0] is image
    assert undistort(image, MATRIX, np.zeros(5))[0] is image


@pytest.mark.parametrize(
    "make",
    [
        lambda: Camera(0, 10, 1, 1, 0, 0),
        lambda: Camera(10, 10, 0, 1, 0, 0),
        lambda: Camera(10, 10, float("nan"), 1, 0, 0),
        lambda: Camera(10, 10, 1, 1, 0, 0, 2 * np.eye(4)),
        lambda: Camera(10, 10, 1, 1, 0, 0, np.diag([1.0, 1, -1, 1])),
        lambda: undistort(np.zeros((9, 9), np.uint8), MATRIX, [0.1] * 5, "thin_prism"),
        lambda: undistort(np.zeros((9, 9), np.uint8), MATRIX, [0.1] * 3, "plumb_bob"),
    ],
)
def test_bad_cameras_are_refused(make):
    with pytest.raises(InputError, match="expected"):
        make()


@given(st.floats(-179, 179), st.floats(-85, 85), st.floats(-179, 179))
def test_the_view_of_a_camera_is_what_it_was_placed_by(azimuth, elevation, roll):
    camera = Camera.look_at(azimuth, elevation, width=64, height=48, roll=roll)
    assert camera.view() == pytest.approx((azimuth, elevation, roll), abs=1e-6)


@pytest.mark.parametrize("focal", [0.0, -5.0, 1e-300, 1e300, float("nan"), float("inf")])
def test_focal_lengths_out_of_range_are_refused(focal):
    with pytest.raises(InputError, match="expected 0.1 to 1e[+]06 pixels"):
        Camera(10, 10, focal, 20, 5, 5)
    with pytest.raises(InputError, match="principal point"):
        Camera(10, 10, 20, 20, 5, -abs(focal) if abs(focal) > 1e6 else float("nan"))
