"""Everything the node publishes about a shape, and in which frame.

    ~/points, ~/shape                       reliable, latched, depth 1: whoever joins late gets the last shape
    ~/gaussians                             the 3D Gaussians of a refined shape (layout: splats.py), empty for another;
                                            latched too
    ~/splat_array, ~/gaussian_array         the same for viewers whose messages are installed, as long as one listens
                                            (splat_viewers.py)
    ~/preview                               the cloud as far as it is, while denoising and before refinement, if someone
                                            listens
    ~/detections, ~/markers, TF             where vision_msgs, visualization_msgs, tf2_ros are installed
    ~/debug/*                               timings (std_msgs/Float64, ms), the refinement's rendering

Every header.stamp is the end of the audio window. Every frame is the camera's optical frame or output.frame_id.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace

import numpy as np
from geometry_msgs.msg import Point, Pose, TransformStamped, Vector3
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Float64, Header

from audio2shape_core.shape import Shape, Splats
from audio2shape_ros.camera.images import rgb_to_image
from audio2shape_ros.msg import ShapeHypothesis
from audio2shape_ros.optional import optional
from audio2shape_ros.outputs import conversions, splat_viewers
from audio2shape_ros.outputs.splats import NONE, carry, to_splats
from audio2shape_ros.parameters import Settings
from audio2shape_ros.requests.requests import Outcome, Request

OWN_FRAME = "audio2shape"  # without any camera: upright at the origin of a frame of its own
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def to_time(seconds: float):
    return Time(nanoseconds=round(seconds * 1e9)).to_msg()


class Outputs:
    """Publishers of the node. They are lifecycle publishers: silent unless the node is active."""

    def __init__(self, node, settings: Settings) -> None:
        self._node, self._settings = node, settings
        self._viewers = splat_viewers.installed()
        self._splats: tuple[Header, Splats] | None = None  # of the latest shape,
        self._shown: set[str] = set()  # and the viewers' topics that it was published on
        self._showing = threading.Lock()
        latched = {"points": PointCloud2, "shape": ShapeHypothesis, "gaussians": PointCloud2}
        latched |= {name: kind for name, (kind, _) in self._viewers.items()}
        vision, visual = optional("vision_msgs.msg"), optional("visualization_msgs.msg")
        if visual:
            latched["markers"] = visual.MarkerArray
        self._publishers = {n: node.create_lifecycle_publisher(t, f"~/{n}", LATCHED) for n, t in latched.items()}
        if vision:
            self._add("detections", vision.Detection3DArray, 10)
        self._add("preview", PointCloud2, qos_profile_sensor_data)
        self._add("debug/refinement_image", Image, qos_profile_sensor_data)
        for name in ("processing_time_ms", "cyclic_time_ms", "pipeline_latency_ms"):
            self._add(f"debug/{name}", Float64, 1)
        self._vision, self._visual = vision, visual
        self._previous: float | None = None
        self._tf2_ros = optional("tf2_ros")
        self._buffer = self._listener = self._broadcaster = None
        if settings["output.frame_id"]:
            self._listen_to_tf()

    def _add(self, name: str, kind: type, qos) -> None:
        self._publishers[name] = self._node.create_lifecycle_publisher(kind, f"~/{name}", qos)

    def close(self) -> None:
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers = {}
        if self._listener is not None:
            self._listener.unregister()
        if self._broadcaster is not None:
            self._node.destroy_publisher(self._broadcaster.pub_tf)
        self._buffer = self._listener = self._broadcaster = None

    def _publish(self, name: str, message) -> None:
        if name in self._publishers:
            self._publishers[name].publish(message)

    def listened(self, name: str) -> bool:
        return name in self._publishers and self._publishers[name].get_subscription_count() > 0

    def sized(self, shape: Shape, depth_scale: float | None) -> tuple[np.ndarray, int]:
        """(4, 4) from canonical to the camera, metres, and whence the metres: shape.size_m before a depth image before
        the usual size of the label. Distance grows with size, so that the picture stays the same."""
        matrix, size = np.array(shape.camera_from_shape, float), self._settings["shape.size_m"]
        if size > 0:
            extent = float(np.ptp(shape.points, axis=0).max()) * conversions.split_similarity(matrix)[0]
            matrix[:3] *= size / max(extent, 1e-9)
            return matrix, ShapeHypothesis.SCALE_PARAMETER
        if depth_scale is None:
            return matrix, ShapeHypothesis.SCALE_TYPICAL
        matrix[:3] *= depth_scale
        return matrix, ShapeHypothesis.SCALE_DEPTH

    def frame_of(self, matrix: np.ndarray, camera_frame: str, stamp: Time) -> tuple[str, np.ndarray, str]:
        """The output frame, (4, 4) from canonical to it given (4, 4) from canonical to the camera, and a notice where
        the frame is not the one that was asked for.

        In the camera's optical frame; from there to output.frame_id where TF knows the way. Without a camera the shape
        stands upright (REP-103: x front, z up) at the origin of output.frame_id.
        """
        target = self._settings["output.frame_id"]
        if not camera_frame:
            return target or OWN_FRAME, np.diag([conversions.split_similarity(matrix)[0]] * 3 + [1.0]), ""
        if target in ("", camera_frame):
            return camera_frame, matrix, ""
        if (to_target := self._look_up(target, camera_frame, stamp)) is not None:
            return target, to_target @ matrix, ""
        notice = (
            f"no transform from {camera_frame} to {target}, so the shape is in {camera_frame}: publish that transform, "
            "or leave output.frame_id empty"
        )
        self._node.get_logger().warning(notice, throttle_duration_sec=10.0)
        return camera_frame, matrix, notice

    def _listen_to_tf(self) -> None:
        """Only where it is needed: every message on /tf wakes the node."""
        if self._tf2_ros and self._buffer is None:
            self._buffer = self._tf2_ros.Buffer()
            self._listener = self._tf2_ros.TransformListener(self._buffer, self._node)

    def _look_up(self, target: str, source: str, stamp: Time) -> np.ndarray | None:
        """TF at the stamp, else the latest; None where there is none."""
        self._listen_to_tf()
        for when in (stamp, Time()):
            try:
                found = self._buffer.lookup_transform(target, source, when, timeout=Duration(seconds=0.05))
                return conversions.matrix_from_transform(found.transform)
            except Exception:  # tf2 raises four kinds, and without tf2_ros there is no buffer
                continue
        return None

    def preview(self, shape: Shape, camera_frame: str, end: float) -> None:
        """An unfinished cloud, at once, for whoever cannot wait."""
        if self.listened("preview"):
            stamp = Time(nanoseconds=round(end * 1e9))
            frame, matrix, _ = self.frame_of(self.sized(shape, None)[0], camera_frame, stamp)
            self._publish("preview", self._cloud(Header(stamp=stamp.to_msg(), frame_id=frame), shape, matrix))

    @staticmethod
    def _cloud(header: Header, shape: Shape, matrix: np.ndarray) -> PointCloud2:
        points = conversions.transform(matrix, shape.points)
        return conversions.to_cloud(header, points, shape.colors, shape.confidence)

    def publish(
        self, request: Request, outcome: Outcome, camera_frame: str, depth_scale: float | None = None
    ) -> tuple[ShapeHypothesis, Shape]:
        """Publish a finished shape on every topic, `depth_scale` times as large and far as the model placed it.

        Returns the message, and the shape with the placement that was published (for saving).
        """
        message, matrix = self.hypothesis(request, outcome, camera_frame, depth_scale)
        self._publish("points", message.cloud)
        self._publish("shape", message)
        if self._vision:
            self._publish("detections", self._detections(message))
        if self._visual:
            self._publish("markers", self._markers(message, camera_frame))
        if self._settings["output.tf"] and self._tf2_ros:
            self._broadcast(message)
        self._debug(request, outcome)
        splats = outcome.shape.splats
        self._publish_splats(message.header, NONE if splats is None else carry(splats, matrix))
        return message, replace(outcome.shape, camera_from_shape=matrix)

    def _publish_splats(self, header: Header, splats: Splats) -> None:
        """Gaussians of the header's frame; none of them too, or viewers would show those of an earlier shape."""
        self._publish("gaussians", to_splats(header, splats))
        with self._showing:
            self._splats, self._shown = (header, splats), set()
        self.serve_viewers()

    def serve_viewers(self) -> None:
        """Publish the latest splats for viewers that listen and have not had them. To be called now and then: their
        messages take too long to make (a tenth of a second for 8000 Gaussians) to make them for nobody."""
        with self._showing:
            for name, (_, convert) in self._viewers.items():
                if self._splats is None or name in self._shown or not self.listened(name):
                    continue
                self._shown.add(name)
                try:
                    self._publish(name, convert(*self._splats))
                except Exception as error:  # its messages are not those known here
                    told = f"no splats on ~/{name}: {type(error).__name__}: {error}"
                    self._node.get_logger().error(told, throttle_duration_sec=10.0)

    def hypothesis(
        self, request: Request, outcome: Outcome, camera_frame: str, depth_scale: float | None
    ) -> tuple[ShapeHypothesis, np.ndarray]:
        shape, stamp = outcome.shape, Time(nanoseconds=round(request.end * 1e9))
        matrix, scale_source = self.sized(shape, depth_scale)
        frame, matrix, notice = self.frame_of(matrix, camera_frame, stamp)
        ranked = sorted(shape.scores.items(), key=lambda item: -item[1])
        message = ShapeHypothesis(
            header=Header(stamp=stamp.to_msg(), frame_id=frame),
            id=uuid.uuid4().hex[:12],
            audio_start=to_time(request.start),
            audio_end=stamp.to_msg(),
            labels=[name for name, _ in ranked],
            scores=[float(score) for _, score in ranked],
            confidence=outcome.confidence,
            refined=outcome.refined,
            scale_source=scale_source,
            notice="; ".join(filter(None, (outcome.notice, notice))),
            seed=outcome.seed,
            weights_sha256=outcome.weights_sha256,
            device=outcome.device,
            stage_names=list(outcome.timings_ms),
            stage_ms=[float(ms) for ms in outcome.timings_ms.values()],
        )
        if request.view is not None and outcome.refined:
            message.image_stamp = Time(nanoseconds=request.view.stamp_ns).to_msg()
        message.pose, message.size = conversions.box(matrix, shape.points)
        message.cloud = self._cloud(message.header, shape, matrix)
        return message, matrix

    def clear(self, frame_id: str) -> None:
        """An empty cloud, no markers: what RViz and late joiners show from now on."""
        header = Header(stamp=self._node.get_clock().now().to_msg(), frame_id=frame_id or OWN_FRAME)
        nothing = np.zeros((0, 3), np.float32)
        cloud = conversions.to_cloud(header, nothing, nothing, np.zeros(0, np.float32))
        self._publish("points", cloud)
        self._publish("preview", cloud)
        self._publish("shape", ShapeHypothesis(header=header, cloud=cloud))
        self._publish_splats(header, NONE)
        if self._visual:
            gone = self._visual.Marker(header=header, action=self._visual.Marker.DELETEALL)
            self._publish("markers", self._visual.MarkerArray(markers=[gone]))

    def _detections(self, shape: ShapeHypothesis):
        """vision_msgs/Detection3DArray with one detection, joined to the cloud by header and id."""
        v = self._vision
        detection = v.Detection3D(header=shape.header, id=shape.id)
        detection.bbox.center, detection.bbox.size = shape.pose, shape.size
        for label, score in zip(shape.labels, shape.scores):
            result = v.ObjectHypothesisWithPose()
            result.hypothesis.class_id, result.hypothesis.score = label, float(score)
            result.pose.pose = shape.pose
            detection.results.append(result)
        return v.Detection3DArray(header=shape.header, detections=[detection])

    def _markers(self, shape: ShapeHypothesis, camera_frame: str):
        """visualization_msgs/MarkerArray: the box, above it the label with its probability, and where the frame is the
        camera's, an arrow from there to it."""
        m = self._visual.Marker
        box = m(header=shape.header, ns="box", id=0, type=m.CUBE, action=m.ADD, pose=shape.pose, scale=shape.size)
        box.color.r, box.color.g, box.color.b, box.color.a = 0.2, 0.6, 1.0, 0.15
        height = max(shape.size.x, shape.size.y, shape.size.z)
        text = m(header=shape.header, ns="label", id=0, type=m.TEXT_VIEW_FACING, action=m.ADD, scale=Vector3())
        text.pose = Pose(position=shape.pose.position)
        text.scale.z, text.color.a = height / 8, 1.0
        text.color.r = text.color.g = text.color.b = 1.0
        text.text = f"{shape.labels[0]} {shape.confidence:.0%}"
        ray = m(header=shape.header, ns="ray", id=0, type=m.ARROW, action=m.DELETE)
        if camera_frame and shape.header.frame_id == camera_frame:
            ray.action, ray.points = m.ADD, [Point(), shape.pose.position]
            ray.scale = Vector3(x=height / 50, y=height / 20)
            ray.color.r, ray.color.g, ray.color.b, ray.color.a = 1.0, 0.8, 0.2, 0.6
        return self._visual.MarkerArray(markers=[box, text, ray])

    def _broadcast(self, shape: ShapeHypothesis) -> None:
        if self._broadcaster is None:
            self._broadcaster = self._tf2_ros.TransformBroadcaster(self._node)
        moved = TransformStamped(header=shape.header, child_frame_id=f"{self._node.get_name()}/shape")
        p = shape.pose.position
        moved.transform.translation = Vector3(x=p.x, y=p.y, z=p.z)
        moved.transform.rotation = shape.pose.orientation
        self._broadcaster.sendTransform(moved)

    def _debug(self, request: Request, outcome: Outcome) -> None:
        now = self._node.get_clock().now().nanoseconds * 1e-9
        self._publish("debug/processing_time_ms", Float64(data=outcome.timings_ms["total"]))
        self._publish("debug/pipeline_latency_ms", Float64(data=1000 * (now - request.end)))
        if self._previous is not None:
            self._publish("debug/cyclic_time_ms", Float64(data=1000 * (now - self._previous)))
        self._previous = now
        if outcome.rendering is not None and self.listened("debug/refinement_image"):
            side_by_side = np.concatenate([request.view.pixels, outcome.rendering], axis=1)
            header = Header(stamp=Time(nanoseconds=request.view.stamp_ns).to_msg(), frame_id=request.view.frame_id)
            self._publish("debug/refinement_image", rgb_to_image(side_by_side, header))
