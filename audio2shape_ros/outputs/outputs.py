"""Everything the node publishes about a shape.

    ~/points, ~/shape                       reliable, latched, depth 1: whoever joins late gets the last shape
    ~/gaussians                             the 3D Gaussians of a refined shape (layout: splats.py), empty for another;
                                            latched too
    ~/splat_array, ~/gaussian_array         the same for viewers whose messages are installed, as long as one listens
                                            (splat_viewers.py)
    ~/preview                               the cloud as far as it is, while denoising and before refinement, if someone
                                            listens; best effort
    ~/detections, ~/markers, TF             where vision_msgs, visualization_msgs, tf2_ros are installed
    ~/debug/*                               timings (std_msgs/Float64, ms), the refinement's rendering

Every header.stamp is the end of the audio window. Every frame is the camera's optical frame or output.frame_id.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped, Vector3
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Float64, Header

from audio2shape_core.shape import Shape, Splats
from audio2shape_ros.camera.images import rgb_to_image
from audio2shape_ros.msg import ShapeHypothesis
from audio2shape_ros.outputs import conversions, records, splat_viewers
from audio2shape_ros.outputs.placing import Placing, Transforms
from audio2shape_ros.outputs.records import Made, to_time
from audio2shape_ros.outputs.splats import NONE, carry, to_splats
from audio2shape_ros.parameters import Settings
from audio2shape_ros.ros import LATCHED, optional


class Outputs:
    """Publishers of the node. They are lifecycle publishers: silent unless the node is active."""

    def __init__(self, node: LifecycleNode, settings: Settings) -> None:
        self._node, self._settings = node, settings
        self._name = node.get_fully_qualified_name().lstrip("/")
        self._transforms = Transforms(node)
        self._placing = Placing(settings, self._transforms, own_frame=self._name)
        self._viewers = splat_viewers.installed()
        self._splats: tuple[Header, Splats] | None = None  # of the latest shape,
        self._shown: set[str] = set()  # and the viewers' topics that it was published on
        self._showing = threading.Lock()
        self._vision, self._visual = optional("vision_msgs.msg"), optional("visualization_msgs.msg")
        self._tf2_ros = optional("tf2_ros")
        self._broadcaster: Any = None
        self._previous: float | None = None
        latched = {"points": PointCloud2, "shape": ShapeHypothesis, "gaussians": PointCloud2}
        latched |= {name: kind for name, (kind, _) in self._viewers.items()}
        if self._visual:
            latched["markers"] = self._visual.MarkerArray
        self._publishers = {n: node.create_lifecycle_publisher(t, f"~/{n}", LATCHED) for n, t in latched.items()}
        if self._vision:
            self._add("detections", self._vision.Detection3DArray, 10)
        self._add("preview", PointCloud2, qos_profile_sensor_data)
        self._add("debug/refinement_image", Image, qos_profile_sensor_data)
        for name in ("processing_time_ms", "cyclic_time_ms", "pipeline_latency_ms"):
            self._add(f"debug/{name}", Float64, 1)

    def _add(self, name: str, kind: type, qos: QoSProfile | int) -> None:
        self._publishers[name] = self._node.create_lifecycle_publisher(kind, f"~/{name}", qos)

    def close(self) -> None:
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers = {}
        self._transforms.close()
        if self._broadcaster is not None:
            self._node.destroy_publisher(self._broadcaster.pub_tf)
        self._broadcaster = None

    def _publish(self, name: str, message: Any) -> None:
        if name in self._publishers:
            self._publishers[name].publish(message)

    def listened(self, name: str) -> bool:
        return name in self._publishers and self._publishers[name].get_subscription_count() > 0

    def preview(self, shape: Shape, camera_frame: str, end: float) -> None:
        """An unfinished cloud, at once, for whoever cannot wait."""
        if self.listened("preview"):
            placed = self._placing.place(shape, camera_frame, Time.from_msg(to_time(end)))
            header = Header(stamp=to_time(end), frame_id=placed.frame_id)
            self._publish("preview", conversions.shape_cloud(header, shape, placed.matrix))

    def publish(self, made: Made) -> tuple[ShapeHypothesis, Shape]:
        """Publish a finished shape on every topic.

        Returns the message, and the shape with the placement that was published (for saving).
        """
        shape = made.outcome.shape
        placed = self._placing.place(shape, made.camera_frame, Time.from_msg(to_time(made.end)), made.depth_scale)
        message = records.hypothesis(made, placed)
        self._publish("points", message.cloud)
        self._publish("shape", message)
        if self._vision:
            self._publish("detections", records.detections(self._vision, message))
        if self._visual:
            text = records.verdict(message, made.outcome.known)
            self._publish("markers", records.markers(self._visual, message, text, made.camera_frame))
        if self._settings["output.tf"] and self._tf2_ros and records.is_placed(message):
            self._broadcast(message)
        self._debug(made)
        self._publish_splats(message.header, carry(shape.splats, placed.matrix) if shape.splats else NONE)
        return message, replace(shape, camera_from_shape=placed.matrix)

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
                    failure = f"no splats on ~/{name}: {type(error).__name__}: {error}"
                    self._node.get_logger().error(failure, throttle_duration_sec=10.0)

    def clear(self, camera_frame: str) -> None:
        """An empty cloud, no markers: what RViz and late joiners show from now on."""
        stamp = self._node.get_clock().now().to_msg()
        header = Header(stamp=stamp, frame_id=self._placing.empty_frame(camera_frame))
        nothing = np.zeros((0, 3), np.float32)
        cloud = conversions.to_cloud(header, nothing, nothing, np.zeros(0, np.float32))
        self._publish("points", cloud)
        self._publish("preview", cloud)
        self._publish("shape", ShapeHypothesis(header=header, cloud=cloud, pose_source=ShapeHypothesis.POSE_ASSUMED))
        self._publish_splats(header, NONE)
        if self._visual:
            gone = self._visual.Marker(header=header, action=self._visual.Marker.DELETEALL)
            self._publish("markers", self._visual.MarkerArray(markers=[gone]))

    def _broadcast(self, shape: ShapeHypothesis) -> None:
        if self._broadcaster is None and self._tf2_ros:
            self._broadcaster = self._tf2_ros.TransformBroadcaster(self._node)
        moved = TransformStamped(header=shape.header, child_frame_id=f"{self._name}/shape")
        p = shape.pose.position
        moved.transform.translation = Vector3(x=p.x, y=p.y, z=p.z)
        moved.transform.rotation = shape.pose.orientation
        self._broadcaster.sendTransform(moved)

    def _debug(self, made: Made) -> None:
        now, outcome, view = self._node.get_clock().now().nanoseconds * 1e-9, made.outcome, made.view
        self._publish("debug/processing_time_ms", Float64(data=outcome.timings_ms["total"]))
        self._publish("debug/pipeline_latency_ms", Float64(data=1000 * (now - made.end)))
        if self._previous is not None:
            self._publish("debug/cyclic_time_ms", Float64(data=1000 * (now - self._previous)))
        self._previous = now
        if view is not None and outcome.rendering is not None and self.listened("debug/refinement_image"):
            side_by_side = np.concatenate([view.frame.image[..., :3], outcome.rendering], axis=1)
            header = Header(stamp=Time(nanoseconds=view.stamp_ns).to_msg(), frame_id=view.frame_id)
            self._publish("debug/refinement_image", rgb_to_image(side_by_side, header))
