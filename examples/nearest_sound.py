#!/usr/bin/env python3
"""Where is the thing that was just heard? What a node does with audio2shape's messages."""

import contextlib
import math

import rclpy
from audio2shape_ros.msg import ShapeHypothesis
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile


class NearestSound(Node):
    def __init__(self) -> None:
        super().__init__("nearest_sound")
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)  # also what was before us
        self.create_subscription(ShapeHypothesis, "audio2shape/shape", self.on_shape, latched)

    def on_shape(self, shape: ShapeHypothesis) -> None:
        if not shape.labels or shape.confidence < 0.5:
            return  # cleared, or not sure enough to act on
        p = shape.pose.position
        metric = shape.scale_source == ShapeHypothesis.SCALE_DEPTH  # else the distance follows the label's usual size
        where = f"{'' if metric else 'about '}{math.hypot(p.x, p.y, p.z):.1f} m away in {shape.header.frame_id}"
        if shape.pose_source == ShapeHypothesis.POSE_ASSUMED:  # no camera showed it: the cloud stands just anywhere
            where = "direction unknown"
        self.get_logger().info(f"{shape.labels[0]} ({shape.confidence:.0%}), {where}")


def main() -> None:
    rclpy.init()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):  # Ctrl-C
        rclpy.spin(NearestSound())


if __name__ == "__main__":
    main()
