"""The camera: the newest images, their calibration and depth, decoded only when a shape needs them."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from audio2shape_core.errors import InputError
from audio2shape_core.frame import Frame
from audio2shape_ros.camera.depth import depth_scale, image_to_depth
from audio2shape_ros.camera.images import compressed_to_rgb, image_to_rgb, pinhole
from audio2shape_ros.diagnostics import OK, WARN, Report
from audio2shape_ros.errors import NoImage
from audio2shape_ros.parameters import Settings
from audio2shape_ros.ros import seconds, stamp_fault, subscribe_latched

KEPT = 8  # recent images, so that the one nearest the sound can be taken
QUIET_S = 3.0  # without an image this long, the camera is off
ERROR_S = 10.0  # how long an unusable image is talked about


@dataclass(frozen=True)
class Snapshot:
    """Messages that belong together: image (or compressed), calibration and depth image where there are."""

    image: Image | CompressedImage
    info: CameraInfo | None
    depth: Image | None


@dataclass(frozen=True)
class View:
    """What a snapshot shows. frame_id: of the camera; stamp_ns: of the image, as its header says."""

    frame: Frame
    frame_id: str
    stamp_ns: int


@dataclass
class CameraStatus:
    images: int = 0
    depth_images: int = 0
    infos: int = 0
    last_image: float = float("-inf")  # time.monotonic()
    frame_id: str = ""
    info_frame_id: str = ""
    uncalibrated: str = ""  # why images cannot be used, though there is a camera_info
    stamps: str = ""  # why the images' stamps are not believed
    error: str = ""
    last_error: float = float("-inf")  # time.monotonic()
    arrivals: deque[float] = field(default_factory=lambda: deque(maxlen=30), repr=False)


class CameraInput:
    """Subscribes to `image` (or `image/compressed`), `camera_info` and `depth`; callbacks store, nothing else."""

    def __init__(self, node: Node, settings: Settings, group: CallbackGroup) -> None:
        self._node, self._settings = node, settings
        self._compressed = settings["camera.transport"] == "compressed"
        self._topic = node.resolve_topic_name("image/compressed" if self._compressed else "image")
        self._images: deque[tuple[float, Any]] = deque(maxlen=KEPT)  # each with its time on the node's clock
        self._depths: deque[tuple[float, Any]] = deque(maxlen=KEPT)
        self._info: CameraInfo | None = None
        self._lock = threading.Lock()
        self.status = CameraStatus()
        self._subscriptions: list[Any] = []
        overridable = QoSOverridingOptions.with_default_policies()
        inputs: tuple[tuple[type, str, Callable[[Any], None]], ...] = (
            (CompressedImage if self._compressed else Image, self._topic, self._on_image),
            (CameraInfo, "camera_info", self._on_info),
            (Image, "depth", self._on_depth),
        )
        try:
            for kind, topic, callback in inputs:
                subscription = node.create_subscription(
                    kind,
                    topic,
                    callback,
                    qos_profile_sensor_data,
                    callback_group=group,
                    qos_overriding_options=overridable,
                )
                self._subscriptions.append(subscription)
            # Some drivers send it once and latch it, perhaps before this node started.
            latched = subscribe_latched(node, CameraInfo, "camera_info", self._on_info, group)
            self._subscriptions.append(latched)
        except Exception:  # of an override that is none
            self.close()
            raise

    @property
    def seeing(self) -> bool:
        """Whether images arrive."""
        return time.monotonic() - self.status.last_image < QUIET_S

    def close(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def _on_image(self, message: Any) -> None:
        when = self._time_of(message)
        with self._lock:
            self.status.images += 1
            self.status.last_image = time.monotonic()
            self.status.arrivals.append(self.status.last_image)
            self.status.frame_id = message.header.frame_id or self.status.info_frame_id
            if when is not None:
                self._images.append((when, message))

    def _on_info(self, message: CameraInfo) -> None:
        focal = message.k[0]
        with self._lock:
            self._info = message
            self.status.infos += 1
            self.status.info_frame_id = message.header.frame_id
            self.status.frame_id = self.status.frame_id or message.header.frame_id
            self.status.uncalibrated = ""
            if not (math.isfinite(focal) and focal > 0):
                self.status.uncalibrated = (
                    f"camera_info is not calibrated (K[0] is {focal:g}), images are not used: set camera_info_url"
                )

    def _on_depth(self, message: Image) -> None:
        when = self._time_of(message)
        with self._lock:
            self.status.depth_images += 1
            if when is not None:
                self._depths.append((when, message))

    def _time_of(self, message: Any) -> float | None:
        """When a picture was taken, seconds of the node's clock: its stamp, or its arrival where that is wrong."""
        now = self._node.get_clock().now().nanoseconds * 1e-9
        try:
            stamp = seconds(message.header.stamp)
        except InputError as error:
            self._complain(str(error))
            return None
        fault = stamp_fault(stamp, now) if stamp else "zero"
        self.status.stamps = f"stamps of the images are {fault}: the time of arrival is used" if fault else ""
        return now if fault else stamp

    def snapshot(self, when: float) -> Snapshot:
        """The messages nearest to `when` (seconds, node clock), still encoded: taking them costs an audio callback
        nothing. Raises NoImage if there is no image within sync.max_slop_s."""
        with self._lock:
            images, depths, info = list(self._images), list(self._depths), self._info
        if not images:
            raise NoImage(f"no image has arrived on {self._topic}")
        taken, image = min(images, key=lambda pair: abs(pair[0] - when))
        slop, distance = self._settings["sync.max_slop_s"], abs(taken - when)
        if distance > slop:
            problem = f"the nearest image is {distance:.2f} s from the end of the sound, beyond sync.max_slop_s"
            if self.seeing:  # a camera that is off is no fault
                self._complain(problem)
            raise NoImage(problem)
        near = [pair for pair in depths if abs(pair[0] - taken) <= slop]
        depth = min(near, key=lambda pair: abs(pair[0] - taken))[1] if near else None
        return Snapshot(image, info, depth)

    def look(self, taken: Snapshot) -> View:
        """Decode a snapshot. Raises InputError where it cannot be used."""
        message, info = taken.image, taken.info
        try:
            pixels = compressed_to_rgb(message) if self._compressed else image_to_rgb(message)
            camera = None
            if info is not None:
                choice = self._settings["camera.rectified"]
                rectified = "rect" in self._topic if choice == "auto" else choice == "yes"
                pixels, camera = pinhole(pixels, info, rectified=rectified)
            frame = Frame(pixels, camera)
        except InputError as error:
            self._complain(str(error))
            raise
        except Exception as error:  # OpenCV has exceptions of its own
            self._complain(f"image not understood: {type(error).__name__}: {error}")
            raise InputError(self.status.error) from error
        self.status.error = ""
        stamp = message.header.stamp
        return View(frame, self._frame_id(taken), stamp.sec * 10**9 + stamp.nanosec)

    @staticmethod
    def _frame_id(taken: Snapshot) -> str:
        return taken.image.header.frame_id or (taken.info.header.frame_id if taken.info else "")

    def depth_scale(self, taken: Snapshot, view: View, points: np.ndarray) -> float | None:
        """How many times as far the depth image shows points (N, 3), fitted to the view, metres in the camera's frame.

        None where there is no depth image, or none that can be used.
        """
        depth, camera = taken.depth, view.frame.camera
        if depth is None or camera is None:
            return None
        try:
            if depth.header.frame_id not in ("", view.frame_id):
                raise InputError(
                    f"depth is in frame {depth.header.frame_id}, the image in {view.frame_id}: expected depth that is "
                    "registered to the image"
                )
            return depth_scale(points, camera, image_to_depth(depth))
        except InputError as error:
            self._complain(str(error))
            return None

    def _complain(self, problem: str) -> None:
        self.status.error, self.status.last_error = problem, time.monotonic()
        self._node.get_logger().warning(problem, throttle_duration_sec=10.0)

    def report(self) -> Report:
        s = self.status
        arrivals = list(s.arrivals)
        rate = (len(arrivals) - 1) / (arrivals[-1] - arrivals[0]) if len(arrivals) > 1 else 0.0
        calibrated = bool(s.infos) and not s.uncalibrated
        values: dict[str, object] = {"images": s.images, "depth images": s.depth_images, "rate Hz": f"{rate:.1f}"}
        values |= {"calibrated": calibrated, "frame": s.frame_id}
        if s.error and time.monotonic() - s.last_error < ERROR_S:
            return Report(WARN, s.error, values)
        if not self.seeing:
            return Report(OK, "no camera: shapes stay as imagined", values)
        if not s.infos:
            return Report(WARN, "no camera_info: a usual field of view is assumed", values)
        if s.uncalibrated:
            return Report(WARN, s.uncalibrated, values)
        if s.stamps:
            return Report(WARN, s.stamps, values)
        if s.info_frame_id not in ("", s.frame_id):
            summary = f"the image is in frame {s.frame_id}, its camera_info in {s.info_frame_id}: expected one frame"
            return Report(WARN, summary, values)
        if "optical" not in s.frame_id:
            summary = f"frame {s.frame_id!r} is not named *_optical: expected z forward, x right, y down"
            return Report(WARN, summary, values)
        return Report(OK, "seeing", values)
