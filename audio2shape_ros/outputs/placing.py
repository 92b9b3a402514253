"""Where a shape stands, how large it is, and in which frame it is published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from audio2shape_core.shape import Shape
from audio2shape_ros.msg import ShapeHypothesis
from audio2shape_ros.outputs import conversions
from audio2shape_ros.parameters import Settings
from audio2shape_ros.ros import optional

TF_WAIT_S = 0.05


@dataclass(frozen=True)
class Placed:
    """matrix: (4, 4) similarity from the shape's canonical frame to `frame_id`, metres. scale_source: one of
    ShapeHypothesis.SCALE_*. notice: why the frame is not the one that was asked for; else empty."""

    frame_id: str
    matrix: np.ndarray
    scale_source: int
    notice: str = ""


class Transforms:
    """What TF says, where tf2_ros is installed. It is only listened to once it was asked: every message on /tf wakes
    the node."""

    def __init__(self, node: Node) -> None:
        self._node, self._tf2_ros = node, optional("tf2_ros")
        self._buffer: Any = None
        self._listener: Any = None

    def listen(self) -> None:
        if self._tf2_ros is not None and self._buffer is None:
            self._buffer = self._tf2_ros.Buffer()
            self._listener = self._tf2_ros.TransformListener(self._buffer, self._node)

    def look_up(self, target: str, source: str, stamp: Time) -> np.ndarray | None:
        """(4, 4) from `source` to `target` at the stamp, else the latest; None where there is none."""
        self.listen()
        if self._buffer is None:
            return None
        for when in (stamp, Time()):
            try:
                found = self._buffer.lookup_transform(target, source, when, timeout=Duration(seconds=TF_WAIT_S))
                return conversions.matrix_from_transform(found.transform)
            except Exception:  # tf2 raises four kinds
                continue
        return None

    def close(self) -> None:
        if self._listener is not None:
            self._listener.unregister()
        self._buffer = self._listener = None


def sized(shape: Shape, size_m: float, depth_scale: float | None) -> tuple[np.ndarray, int]:
    """(4, 4) from canonical to the camera, metres, and what the metres follow: the parameter shape.size_m if above 0,
    else the depth image, else the usual size of the label. Distance grows with size, so that the picture stays the
    same."""
    matrix = np.array(shape.camera_from_shape, float)
    if size_m > 0:
        extent = float(np.ptp(shape.points, axis=0).max()) * conversions.split_similarity(matrix)[0]
        matrix[:3] *= size_m / max(extent, 1e-9)
        return matrix, ShapeHypothesis.SCALE_PARAMETER
    if depth_scale is None:
        return matrix, ShapeHypothesis.SCALE_TYPICAL
    matrix[:3] *= depth_scale
    return matrix, ShapeHypothesis.SCALE_DEPTH


class Placing:
    """Shapes to the output frame. own_frame: where they stand without any camera."""

    def __init__(self, settings: Settings, transforms: Transforms, own_frame: str) -> None:
        self._settings, self._transforms, self._own_frame = settings, transforms, own_frame
        if settings["output.frame_id"]:
            transforms.listen()

    def empty_frame(self, camera_frame: str) -> str:
        """The frame of what shows no shape."""
        return self._settings["output.frame_id"] or camera_frame or self._own_frame

    def place(self, shape: Shape, camera_frame: str, stamp: Time, depth_scale: float | None = None) -> Placed:
        """In the camera's optical frame; from there to output.frame_id where TF knows the way. Without a camera the
        shape stands upright (REP-103: x front, z up) at the origin of output.frame_id, or else of `own_frame`."""
        matrix, source = sized(shape, self._settings["shape.size_m"], depth_scale)
        target = self._settings["output.frame_id"]
        if not camera_frame:
            upright = np.diag([conversions.split_similarity(matrix)[0]] * 3 + [1.0])
            return Placed(target or self._own_frame, upright, source)
        if target in ("", camera_frame):
            return Placed(camera_frame, matrix, source)
        to_target = self._transforms.look_up(target, camera_frame, stamp)
        if to_target is not None:
            return Placed(target, to_target @ matrix, source)
        notice = (
            f"no transform from {camera_frame} to {target}, so the shape is in {camera_frame}: publish that transform, "
            "or leave output.frame_id empty"
        )
        return Placed(camera_frame, matrix, source, notice)
