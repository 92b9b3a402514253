"""A finished shape as messages: the record, detections, markers."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from builtin_interfaces.msg import Time as TimeMessage
from geometry_msgs.msg import Point, Pose, Vector3
from rclpy.time import Time
from std_msgs.msg import Header

from audio2shape_ros.camera.camera_input import View
from audio2shape_ros.model.messages import Outcome
from audio2shape_ros.msg import ShapeHypothesis
from audio2shape_ros.outputs import conversions
from audio2shape_ros.outputs.placing import Placed


@dataclass(frozen=True)
class Made:
    """A finished shape and what it was made of. start, end: of the sound, seconds of the node's clock. view: what the
    camera saw, where it was looked at; camera_frame: empty without a camera. depth_scale: how many times as far depth
    shows the fitted shape. notice: what had to be given up before the model was asked."""

    outcome: Outcome
    start: float
    end: float
    camera_frame: str = ""
    view: View | None = None
    depth_scale: float | None = None
    notice: str = ""


def to_time(seconds: float) -> TimeMessage:
    return Time(nanoseconds=max(0, round(seconds * 1e9))).to_msg()


def verdict(message: ShapeHypothesis, known: bool) -> str:
    """What was heard, in words for people."""
    what = f"{message.labels[0]} ({message.confidence:.0%})"
    return what if known else f"unknown, most like {what}"


def hypothesis(made: Made, placed: Placed) -> ShapeHypothesis:
    outcome, shape = made.outcome, made.outcome.shape
    ranked = sorted(shape.scores.items(), key=lambda item: -item[1])
    message = ShapeHypothesis(
        header=Header(stamp=to_time(made.end), frame_id=placed.frame_id),
        id=uuid.uuid4().hex[:12],
        audio_start=to_time(made.start),
        audio_end=to_time(made.end),
        labels=[name for name, _ in ranked],
        scores=[float(score) for _, score in ranked],
        confidence=outcome.confidence,
        refined=outcome.refined,
        scale_source=placed.scale_source,
        pose_source=outcome.pose_source,
        notice="; ".join(filter(None, (outcome.notice, made.notice, placed.notice))),
        seed=outcome.seed,
        weights_sha256=outcome.weights_sha256,
        device=outcome.device,
        stage_names=list(outcome.timings_ms),
        stage_ms=[float(ms) for ms in outcome.timings_ms.values()],
    )
    if made.view is not None and outcome.refined:
        message.image_stamp = Time(nanoseconds=made.view.stamp_ns).to_msg()
    message.pose, message.size = conversions.box(placed.matrix, shape.points)
    message.cloud = conversions.shape_cloud(message.header, shape, placed.matrix)
    return message


def is_placed(shape: ShapeHypothesis) -> bool:
    """Whether it says where the thing is. An assumed place is only where shapes are shown."""
    return bool(shape.pose_source != ShapeHypothesis.POSE_ASSUMED)


def detections(vision: Any, shape: ShapeHypothesis) -> Any:
    """vision_msgs/Detection3DArray with one detection, joined to the cloud by header and id.

    Where the place is assumed, the box is empty (size 0) and covariance[0] is -1, which means unknown: only labels.
    """
    detection, placed = vision.Detection3D(header=shape.header, id=shape.id), is_placed(shape)
    if placed:
        detection.bbox.center, detection.bbox.size = shape.pose, shape.size
    for label, score in zip(shape.labels, shape.scores):
        result = vision.ObjectHypothesisWithPose()
        result.hypothesis.class_id, result.hypothesis.score = label, float(score)
        if placed:
            result.pose.pose = shape.pose
        else:
            result.pose.covariance[0] = -1.0
        detection.results.append(result)
    return vision.Detection3DArray(header=shape.header, detections=[detection])


def markers(visual: Any, shape: ShapeHypothesis, text: str, camera_frame: str) -> Any:
    """visualization_msgs/MarkerArray: the box, above it `text`, and an arrow to it from the camera, where the frame is
    the camera's and the place is not assumed."""
    m = visual.Marker
    box = m(header=shape.header, ns="box", id=0, type=m.CUBE, action=m.ADD, pose=shape.pose, scale=shape.size)
    box.color.r, box.color.g, box.color.b, box.color.a = 0.2, 0.6, 1.0, 0.15
    height = max(shape.size.x, shape.size.y, shape.size.z)
    label = m(header=shape.header, ns="label", id=0, type=m.TEXT_VIEW_FACING, action=m.ADD, scale=Vector3())
    label.pose = Pose(position=shape.pose.position)
    label.scale.z, label.color.a = height / 8, 1.0
    label.color.r = label.color.g = label.color.b = 1.0
    label.text = text if is_placed(shape) else f"{text}, place assumed"
    ray = m(header=shape.header, ns="ray", id=0, type=m.ARROW, action=m.DELETE)
    if camera_frame and shape.header.frame_id == camera_frame and is_placed(shape):
        ray.action, ray.points = m.ADD, [Point(), shape.pose.position]
        ray.scale = Vector3(x=height / 50, y=height / 20)
        ray.color.r, ray.color.g, ray.color.b, ray.color.a = 1.0, 0.8, 0.2, 0.6
    return visual.MarkerArray(markers=[box, label, ray])
