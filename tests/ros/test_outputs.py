"""Frames, boxes, detections and markers of a shape whose placement is known."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from audio2shape_ros.msg import ShapeHypothesis
from geometry_msgs.msg import Point, TransformStamped
from rclpy.lifecycle import LifecycleNode
from rclpy.time import Time
from std_msgs.msg import Header

from audio2shape_core.shape import Shape, Splats
from audio2shape_ros.outputs import conversions
from audio2shape_ros.outputs.outputs import OWN_FRAME, Outputs
from audio2shape_ros.outputs.splats import NONE
from audio2shape_ros.parameters import TABLE, Settings
from audio2shape_ros.requests.requests import Outcome, Request

CAMERA = "camera_optical_frame"
# Two metres before a level camera, facing it, half a metre a unit: canonical x (front) is -z, z (up) is -y.
BEFORE_CAMERA = np.array([[0, 0.5, 0, 0], [0, 0, -0.5, 0], [-0.5, 0, 0, 2], [0, 0, 0, 1.0]])
POINTS = np.array([[-1, -0.4, -0.2], [1, 0.4, 0.2], [0, 0, 0]], np.float32)
SHAPE = Shape(
    POINTS, np.zeros((3, 3), np.uint8), np.ones(3, np.float32), "dog", {"dog": 0.9, "cat": 0.1}, BEFORE_CAMERA
)


@pytest.fixture
def outputs():
    rclpy.init()
    node = LifecycleNode("outputs")
    settings = Settings({p.name: p.default for p in TABLE})
    made = Outputs(node, settings)
    made.settings = settings
    yield made
    made.close()
    node.destroy_node()
    rclpy.try_shutdown()


def place(outputs, camera_frame=CAMERA, **settings):
    outputs.settings.update({name.replace("__", "."): value for name, value in settings.items()})
    frame, matrix, _ = outputs.frame_of(outputs.sized(SHAPE, None)[0], camera_frame, Time())
    return frame, conversions.transform(matrix, POINTS)


def test_in_the_cameras_frame_by_default(outputs):
    frame, points = place(outputs)
    assert frame == CAMERA
    np.testing.assert_allclose(points[1], [0.2, -0.1, 1.5], atol=1e-6)


def test_without_a_camera_it_stands_upright_in_a_frame_of_its_own(outputs):
    frame, points = place(outputs, camera_frame="")
    assert frame == OWN_FRAME
    np.testing.assert_allclose(points, 0.5 * POINTS, atol=1e-6)


def test_known_size_keeps_the_picture(outputs):
    _, usual = place(outputs)
    _, twice = place(outputs, shape__size_m=2.0)
    assert np.ptp(twice, axis=0).max() == pytest.approx(2.0, rel=1e-5)
    np.testing.assert_allclose(twice[:, :2] / twice[:, 2:], usual[:, :2] / usual[:, 2:], atol=1e-6)


def test_without_a_camera_it_stands_at_the_origin_of_the_target_frame(outputs):
    frame, points = place(outputs, camera_frame="", output__frame_id="map")
    assert frame == "map"
    np.testing.assert_allclose(points, 0.5 * POINTS, atol=1e-6)


def test_no_way_to_the_target_frame_leaves_it_where_the_camera_sees_it_and_says_so(outputs):
    frame, points = place(outputs, output__frame_id="map")
    assert frame == CAMERA
    np.testing.assert_allclose(points[1], [0.2, -0.1, 1.5], atol=1e-6)
    assert "no transform from camera_optical_frame to map" in outputs.frame_of(BEFORE_CAMERA, CAMERA, Time())[2]


def test_tf_carries_it_to_the_target_frame_and_falls_back_to_the_latest(outputs):
    """tf2_ros is on no Python index, so its buffer is stood in for by the one method that is called."""
    asked = []

    def lookup_transform(target, source, when, timeout):
        asked.append((target, source, when.nanoseconds))
        if when.nanoseconds:
            raise LookupError("extrapolation into the future")
        found = TransformStamped()
        found.transform.translation.x = 10.0
        return found

    outputs._buffer = SimpleNamespace(lookup_transform=lookup_transform)
    outputs._listener = SimpleNamespace(unregister=lambda: None)
    outputs.settings.update({"output.frame_id": "map"})
    frame, matrix, notice = outputs.frame_of(BEFORE_CAMERA, CAMERA, Time(nanoseconds=5))
    assert (frame, notice) == ("map", "")
    assert asked == [("map", CAMERA, 5), ("map", CAMERA, 0)]
    np.testing.assert_allclose(matrix[:3, 3], [10, 0, 2])


def record() -> ShapeHypothesis:
    header = Header(frame_id=CAMERA)
    pose, size = conversions.box(BEFORE_CAMERA, POINTS)
    return ShapeHypothesis(
        header=header, id="abc", labels=["dog", "cat"], scores=[0.9, 0.1], confidence=0.9, pose=pose, size=size
    )


def test_detection_is_joined_to_the_cloud_by_header_and_id(outputs):
    pytest.importorskip("vision_msgs")
    shape = record()
    (detection,) = outputs._detections(shape).detections
    assert (detection.header, detection.id) == (shape.header, "abc")
    scores = {result.hypothesis.class_id: result.hypothesis.score for result in detection.results}
    assert scores == {"dog": pytest.approx(0.9), "cat": pytest.approx(0.1)}
    assert detection.bbox.center == shape.pose
    size = detection.bbox.size
    np.testing.assert_allclose([size.x, size.y, size.z], [1.0, 0.4, 0.2], rtol=1e-5)


def test_markers_show_box_and_label(outputs):
    pytest.importorskip("visualization_msgs")
    box, label, ray = outputs._markers(record(), CAMERA).markers
    assert box.type == box.CUBE
    assert (box.scale.x, box.color.a) == (pytest.approx(1.0), pytest.approx(0.15))
    assert label.text == "dog 90%"
    assert (ray.action, ray.points) == (ray.ADD, [Point(), box.pose.position])
    assert outputs._markers(record(), "").markers[2].action == ray.DELETE  # no camera, no line of sight


def test_viewers_get_splats_when_they_listen(outputs):
    published, listening = [], set()
    outputs._publish = lambda name, message: published.append((name, message))
    outputs.listened = listening.__contains__
    outputs._viewers = {"viewer": (object, lambda header, gaussians: len(gaussians.means))}
    outputs.serve_viewers()  # before there is any shape
    gaussians = Splats(*(np.ones(size, np.float32) for size in ((3, 3), (3, 4), (3, 3), (3,), (3, 3))))
    outputs._publish_splats(Header(), gaussians)
    assert [name for name, _ in published] == ["gaussians"]
    listening.add("viewer")  # late
    outputs.serve_viewers()
    outputs.serve_viewers()
    assert published[1:] == [("viewer", 3)]
    outputs._publish_splats(Header(), NONE)
    assert published[3:] == [("viewer", 0)]


def test_splats_are_those_of_the_latest_shape(outputs):
    published = {}
    outputs._publish = published.__setitem__
    ones = (np.ones(size, np.float32) for size in ((3, 3), (3, 4), (3, 3), (3,), (3, 3)))
    request = Request(np.zeros(1), 1, start=0, end=1, seed=0, steps=None, guidance=None, num_points=3)
    outcome = Outcome(replace(SHAPE, splats=Splats(*ones)), 0.9, True, 0, "cpu", "fake", {"total": 1.0}, None, "")
    for shown, count in ((outcome, 3), (replace(outcome, shape=SHAPE), 0)):
        message, _ = outputs.publish(request, shown, CAMERA)
        assert published["gaussians"].width == count
        assert published["gaussians"].header == message.header
