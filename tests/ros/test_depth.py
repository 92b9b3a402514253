import array

import numpy as np
import pytest
from sensor_msgs.msg import Image

from audio2shape_core.camera import Camera
from audio2shape_core.errors import InputError
from audio2shape_ros.camera.depth import depth_scale, image_to_depth

CAMERA = Camera(160, 120, 150.0, 150.0, 80.0, 60.0, np.eye(4))


def message(values: np.ndarray, encoding: str, *, padding: int = 0, big: bool = False) -> Image:
    rows = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)
    rows = np.concatenate([rows, np.full((len(rows), padding), 9, np.uint8)], axis=1)
    image = Image(height=values.shape[0], width=values.shape[1], encoding=encoding, step=rows.shape[1])
    image.is_bigendian, image.data = int(big), array.array("B", rows.tobytes())
    return image


def test_metres_and_millimetres_are_the_same():
    metres = np.array([[0.5, 1.25], [np.nan, 2.0]], np.float32)
    millimetres = np.array([[500, 1250], [0, 2000]])
    np.testing.assert_array_equal(image_to_depth(message(metres, "32FC1")), metres)
    np.testing.assert_array_equal(image_to_depth(message(metres.astype(">f4"), "32FC1", padding=4, big=True)), metres)
    for order in "<>":
        read = image_to_depth(message(millimetres.astype(f"{order}u2"), "16UC1", padding=3, big=order == ">"))
        np.testing.assert_allclose(read, metres)


def test_what_is_no_depth_is_refused():
    short = message(np.ones((4, 4), np.float32), "32FC1")
    short.data = short.data[:-1]
    for bad in (short, message(np.zeros((2, 2, 3), np.uint8), "rgb8"), Image(encoding="32FC1")):
        with pytest.raises(InputError, match="depth"):
            image_to_depth(bad)


def sphere(distance: float, radius: float) -> np.ndarray:
    """(N, 3) points all around a ball before the camera: most of them on the side it does not see."""
    points = np.random.default_rng(0).normal(size=(4000, 3))
    return radius * points / np.linalg.norm(points, axis=1, keepdims=True) + (0, 0, distance)


def depth_of_ball(camera: Camera, distance: float, radius: float) -> np.ndarray:
    """What a depth camera measures of it, by intersecting every pixel's ray; NaN beside it."""
    x, y = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    rays = np.stack([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, np.ones_like(x)], axis=-1)
    a, b, c = (rays**2).sum(-1), -2 * rays[..., 2] * distance, distance**2 - radius**2
    discriminant = b**2 - 4 * a * c
    near = (-b - np.sqrt(np.maximum(discriminant, 0))) / (2 * a)
    return np.where(discriminant > 0, near, np.nan).astype(np.float32)


@pytest.mark.parametrize("factor", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("shrink", [1, 2])
def test_the_scale_is_recovered_from_the_visible_side(factor, shrink):
    depth = depth_of_ball(CAMERA, 2.0 * factor, 0.5 * factor)[::shrink, ::shrink]
    assert depth_scale(sphere(2.0, 0.5), CAMERA, depth) == pytest.approx(factor, rel=0.03)


def test_too_little_or_unbelievable_depth_decides_nothing():
    nothing = np.full((120, 160), np.nan, np.float32)
    assert depth_scale(sphere(2.0, 0.5), CAMERA, nothing) is None
    assert depth_scale(sphere(2.0, 0.5), CAMERA, np.full((120, 160), 90.0, np.float32)) is None
    assert depth_scale(sphere(-2.0, 0.5), CAMERA, np.ones((120, 160), np.float32)) is None
