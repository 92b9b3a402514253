import array
import math

import numpy as np
import pytest
from geometry_msgs.msg import Transform
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import PointField
from std_msgs.msg import Header

from audio2shape_ros.outputs import conversions


def cloud(n: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, 3)).astype(np.float32)
    colors = rng.integers(0, 256, (n, 3)).astype(np.uint8)
    confidence = rng.random(n).astype(np.float32)
    return points, colors, confidence


@pytest.mark.parametrize("n", [0, 1, 1000])
def test_cloud_layout_is_what_rviz_accepts(n):
    message = conversions.to_cloud(Header(frame_id="camera_optical_frame"), *cloud(n))
    assert [(f.name, f.offset, f.datatype, f.count) for f in message.fields] == [
        (name, 4 * i, PointField.FLOAT32, 1) for i, name in enumerate(["x", "y", "z", "rgb", "confidence"])
    ]
    assert (message.height, message.width, message.point_step, message.row_step) == (1, n, 20, 20 * n)
    assert isinstance(message.data, array.array)
    assert len(message.data) == message.width * message.height * message.point_step
    assert message.is_dense


def test_cloud_round_trip():
    points, colors, confidence = cloud(500)
    table = conversions.from_cloud(conversions.to_cloud(Header(), points, colors, confidence))
    np.testing.assert_array_equal(np.stack([table["x"], table["y"], table["z"]], 1), points)
    np.testing.assert_array_equal(conversions.unpack_rgb(table["rgb"]), colors)
    np.testing.assert_array_equal(table["confidence"], confidence)


def test_no_colour_is_nan():
    corners = np.array(np.meshgrid([0, 1, 127, 128, 254, 255], [0, 127, 128, 255], [0, 1, 255])).reshape(3, -1).T
    assert np.isfinite(conversions.pack_rgb(corners.astype(np.uint8))).all()


def test_same_bytes_as_sensor_msgs_py():
    point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2", reason="needs a ROS 2 distribution")
    points, colors, confidence = cloud(100)
    ours = conversions.to_cloud(Header(), points, colors, confidence)
    theirs = point_cloud2.create_cloud(Header(), conversions.FIELDS, conversions.from_cloud(ours))
    assert theirs.data == ours.data
    assert (theirs.point_step, theirs.row_step) == (ours.point_step, ours.row_step)


@settings(deadline=None)
@given(st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1), st.floats(0.01, 50))
def test_box_pose_agrees_with_scipy(q, scale):
    rotation = Rotation.from_quat(q)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = scale * rotation.as_matrix(), (1, 2, 3)
    points = np.array([[-1, -0.5, -0.25], [1, 0.5, 0.75]], np.float32)
    pose, size = conversions.box(matrix, points)
    o = pose.orientation
    assert (rotation.inv() * Rotation.from_quat([o.x, o.y, o.z, o.w])).magnitude() < 1e-6
    np.testing.assert_allclose([size.x, size.y, size.z], scale * np.array([2, 1, 1]), rtol=1e-5)
    centre = matrix[:3, :3] @ [0, 0, 0.25] + matrix[:3, 3]
    np.testing.assert_allclose([pose.position.x, pose.position.y, pose.position.z], centre, rtol=1e-4, atol=1e-5)


def test_transform_message_to_matrix():
    message = Transform()
    message.translation.x = 2.0
    message.rotation.z = message.rotation.w = math.sqrt(0.5)
    np.testing.assert_allclose(conversions.matrix_from_transform(message) @ [1, 0, 0, 1], [2, 1, 0, 1], atol=1e-12)
