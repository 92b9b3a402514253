"""The camera: the newest images, their calibration and depth, decoded only when a shape needs them."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from rclpy.qos import qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from audio2shape_core.errors import InputError
from audio2shape_ros.camera.depth import depth_scale, image_to_depth
from audio2shape_ros.camera.images import compressed_to_rgb, image_to_rgb, pinhole
from audio2shape_ros.outputs.conversions import seconds
from audio2shape_ros.parameters import Settings
from audio2shape_ros.requests.requests import View

KEPT = 8  # recent images, so that the one nearest the sound can be taken


@dataclass(frozen=True)
class Snapshot:
    """Messages that belong together: image (or compressed), calibration and depth image where there are."""

    image: Image | CompressedImage
    info: CameraInfo | None
    depth: Image | None


@dataclass
class CameraStatus:
    images: int = 0
    depth_images: int = 0
    infos: int = 0
    last_image: float = 0.0  # time.monotonic()
    calibrated: bool = False
    frame_id: str = ""
    error: str = ""
    last_error: float = 0.0  # time.monotonic()
    arrivals: deque = field(default_factory=lambda: deque(maxlen=30), repr=False)


class CameraInput:
    """Subscribes to `image` (or `image/compressed`), `camera_info` and `depth`; callbacks store, nothing else."""

    def __init__(self, node, settings: Settings, group) -> None:
        self._node, self._settings = node, settings
        self._compressed = settings["camera.transport"] == "compressed"
        self._topic = node.resolve_topic_name("image/compressed" if self._compressed else "image")
        self._images: deque = deque(maxlen=KEPT)
        self._depths: deque = deque(maxlen=KEPT)
        self._info: CameraInfo | None = None
        self._lock = threading.Lock()
        self.status = CameraStatus()
        overridable = QoSOverridingOptions.with_default_policies()
        inputs = (
            (CompressedImage if self._compressed else Image, self._topic, self._on_image),
            (CameraInfo, "camera_info", self._on_info),
            (Image, "depth", self._on_depth),
        )
        self._subscriptions = []
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
        except Exception:  # of an override that is none
            self.close()
            raise

    def close(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def _on_image(self, message) -> None:
        if not self._stamped(message):
            return
        with self._lock:
            self._images.append(message)
            self.status.images += 1
            self.status.last_image = time.monotonic()
            self.status.arrivals.append(self.status.last_image)
            self.status.frame_id = message.header.frame_id or self.status.frame_id

    def _on_info(self, message: CameraInfo) -> None:
        with self._lock:
            self._info = message
            self.status.infos += 1
            self.status.calibrated = message.k[0] > 0
            self.status.frame_id = message.header.frame_id or self.status.frame_id

    def _on_depth(self, message: Image) -> None:
        if not self._stamped(message):
            return
        with self._lock:
            self._depths.append(message)
            self.status.depth_images += 1

    def _stamped(self, message) -> bool:
        try:
            seconds(message.header.stamp)
        except InputError as error:
            self._complain(str(error))
            return False
        return True

    def snapshot(self, when: float) -> Snapshot | None:
        """The messages nearest to `when` (seconds, node clock), still encoded: taking them costs an audio callback
        nothing. None if there is no image within sync.max_slop_s."""
        with self._lock:
            images, depths, info = list(self._images), list(self._depths), self._info
        image = self._nearest(images, when, "image")
        if image is None:
            return None
        depth = self._nearest(depths, seconds(image.header.stamp), "depth")
        return Snapshot(image, info, depth)

    def _nearest(self, messages: list, when: float, what: str):
        stamped = [(abs(seconds(m.header.stamp) - when), m) for m in messages]
        if not stamped:
            return None
        distance, message = min(stamped, key=lambda pair: pair[0])
        if distance > self._settings["sync.max_slop_s"]:
            self._complain(f"nearest {what} image is {distance:.2f} s away, beyond sync.max_slop_s: not used")
            return None
        return message

    def view(self, taken: Snapshot) -> View | None:
        """What a snapshot shows, or None where it cannot be used."""
        message, info = taken.image, taken.info
        try:
            pixels = compressed_to_rgb(message) if self._compressed else image_to_rgb(message)
            camera = None
            if info is not None:
                choice = self._settings["camera.rectified"]
                rectified = "rect" in self._topic if choice == "auto" else choice == "yes"
                pixels, camera = pinhole(pixels, info, rectified=rectified)
            self.status.error = ""
        except InputError as error:
            self._complain(str(error))
            return None
        except Exception as error:  # OpenCV has exceptions of its own
            self._complain(f"image not understood: {type(error).__name__}: {error}")
            return None
        frame = message.header.frame_id or (info.header.frame_id if info else "")
        stamp = message.header.stamp
        return View(pixels, camera, frame, stamp.sec * 10**9 + stamp.nanosec)

    def depth_scale(self, taken: Snapshot, view: View, points: np.ndarray) -> float | None:
        """The factor that depth tells for points (N, 3) fitted to the view, metres in the camera's frame, if any."""
        if taken.depth is None or view.camera is None:
            return None
        try:
            return depth_scale(points, view.camera, image_to_depth(taken.depth))
        except InputError as error:
            self._complain(str(error))
            return None

    def _complain(self, problem: str) -> None:
        self.status.error, self.status.last_error = problem, time.monotonic()
        self._node.get_logger().warning(problem, throttle_duration_sec=10.0)
