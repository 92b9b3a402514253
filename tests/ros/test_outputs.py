"""Frames, boxes, detections and markers of a shape whose placement is known."""

from dataclasses import replace

import numpy as np
import pytest
from audio2shape_ros.msg import ShapeHypothesis
from geometry_msgs.msg import Point
from rclpy.time import Time

from audio2shape_core.shape import Shape
from audio2shape_ros.model.messages import Outcome
from audio2shape_ros.outputs import conversions, records
from audio2shape_ros.outputs.placing import Placing
from audio2shape_ros.parameters import TABLE, Settings

CAMERA, OWN = "camera_optical_frame", "left/audio2shape"
# Two metres before a level camera, facing it, half a metre a unit: canonical x (front) is -z, z (up) is -y.
BEFORE_CAMERA = np.array([[0, 0.5, 0, 0], [0, 0, -0.5, 0], [-0.5, 0, 0, 2], [0, 0, 0, 1.0]])
POINTS = np.array([[-1, -0.4, -0.2], [1, 0.4, 0.2], [0, 0, 0]], np.float32)
SHAPE = Shape(
    POINTS, np.zeros((3, 3), np.uint8), np.ones(3, np.float32), "dog", {"dog": 0.9, "cat": 0.1}, BEFORE_CAMERA
)
OUTCOME = Outcome(SHAPE, 0.9, True, True, "fitted", 0, "cpu", "fake", {"total": 1.0})


class Transforms:
    """Stands in for TF, which is on no Python index: one translation by 10 m, or none."""

    def __init__(self, known: bool = False) -> None:
        self.known, self.asked = known, []

    def listen(self) -> None: ...

    def look_up(self, target: str, source: str, stamp: Time) -> np.ndarray | None:
        self.asked.append((target, source, stamp.nanoseconds))
        matrix = np.eye(4)
        matrix[0, 3] = 10
        return matrix if self.known else None


def place(camera_frame=CAMERA, transforms=None, **settings):
    given = {name.replace("__", "."): value for name, value in settings.items()}
    placing = Placing(Settings({**{p.name: p.default for p in TABLE}, **given}), transforms or Transforms(), OWN)
    placed = placing.place(SHAPE, camera_frame, Time(nanoseconds=5))
    return placed, conversions.transform(placed.matrix, POINTS)


def test_in_the_cameras_frame_by_default():
    placed, points = place()
    assert placed.frame_id == CAMERA
    np.testing.assert_allclose(points[1], [0.2, -0.1, 1.5], atol=1e-6)


def test_without_a_camera_it_stands_upright_in_a_frame_that_carries_the_nodes_full_name():
    placed, points = place(camera_frame="")
    assert placed.frame_id == OWN
    np.testing.assert_allclose(points, 0.5 * POINTS, atol=1e-6)


def test_known_size_keeps_the_picture():
    _, usual = place()
    _, twice = place(shape__size_m=2.0)
    assert np.ptp(twice, axis=0).max() == pytest.approx(2.0, rel=1e-5)
    np.testing.assert_allclose(twice[:, :2] / twice[:, 2:], usual[:, :2] / usual[:, 2:], atol=1e-6)


def test_without_a_camera_it_stands_at_the_origin_of_the_target_frame():
    placed, points = place(camera_frame="", output__frame_id="map")
    assert placed.frame_id == "map"
    np.testing.assert_allclose(points, 0.5 * POINTS, atol=1e-6)


def test_no_way_to_the_target_frame_leaves_it_where_the_camera_sees_it_and_says_so():
    placed, points = place(output__frame_id="map")
    assert placed.frame_id == CAMERA
    np.testing.assert_allclose(points[1], [0.2, -0.1, 1.5], atol=1e-6)
    assert "no transform from camera_optical_frame to map" in placed.notice


def test_tf_carries_it_to_the_target_frame():
    transforms = Transforms(known=True)
    placed, _ = place(transforms=transforms, output__frame_id="map")
    assert (placed.frame_id, placed.notice, transforms.asked) == ("map", "", [("map", CAMERA, 5)])
    np.testing.assert_allclose(placed.matrix[:3, 3], [10, 0, 2])


def record(pose_source: str = "fitted", notice: str = "") -> ShapeHypothesis:
    made = records.Made(replace(OUTCOME, pose_source=pose_source, notice=notice), 1.0, 3.0, CAMERA)
    return records.hypothesis(made, place()[0])


def test_the_record_says_what_the_place_rests_on():
    shape = record("assumed", "image not used")
    assert (shape.pose_source, shape.notice) == (ShapeHypothesis.POSE_ASSUMED, "image not used")
    assert (shape.audio_start.sec, shape.header.stamp.sec) == (1, 3)


def test_a_sound_that_began_before_the_clock_did_is_stamped_all_the_same():
    made = records.Made(OUTCOME, -3.9, 0.1, CAMERA)
    shape = records.hypothesis(made, place()[0])
    assert (shape.audio_start.sec, shape.audio_start.nanosec) == (0, 0)


def test_unknown_is_said():
    assert records.verdict(record(), known=True) == "dog (90%)"
    assert records.verdict(record(), known=False) == "unknown, most like dog (90%)"


def test_detection_is_joined_to_the_cloud_by_header_and_id():
    vision = pytest.importorskip("vision_msgs.msg")
    shape = record()
    (detection,) = records.detections(vision, shape).detections
    assert (detection.header, detection.id) == (shape.header, shape.id)
    scores = {result.hypothesis.class_id: result.hypothesis.score for result in detection.results}
    assert scores == {"dog": pytest.approx(0.9), "cat": pytest.approx(0.1)}
    assert detection.bbox.center == shape.pose
    size = detection.bbox.size
    np.testing.assert_allclose([size.x, size.y, size.z], [1.0, 0.4, 0.2], rtol=1e-5)


def test_an_assumed_place_is_no_detection_of_one():
    vision = pytest.importorskip("vision_msgs.msg")
    (detection,) = records.detections(vision, record("assumed")).detections
    assert [r.hypothesis.class_id for r in detection.results] == ["dog", "cat"]
    size, centre = detection.bbox.size, detection.bbox.center.position
    assert (size.x, size.y, size.z, centre.x, centre.y, centre.z) == (0,) * 6
    assert all(result.pose.covariance[0] == -1 for result in detection.results)


def test_markers_show_box_and_label_and_where_it_is_unless_that_is_assumed():
    visual = pytest.importorskip("visualization_msgs.msg")
    box, label, ray = records.markers(visual, record(), "dog 90%", CAMERA).markers
    assert box.type == box.CUBE
    assert (box.scale.x, box.color.a) == (pytest.approx(1.0), pytest.approx(0.15))
    assert label.text == "dog 90%"
    assert (ray.action, ray.points) == (ray.ADD, [Point(), box.pose.position])
    assert records.markers(visual, record(), "", "").markers[2].action == ray.DELETE  # no camera, no line of sight
    _, label, ray = records.markers(visual, record("assumed"), "dog 90%", CAMERA).markers
    assert ray.action == ray.DELETE
    assert label.text == "dog 90%, place assumed"
