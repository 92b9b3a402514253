"""The node `replay`: a sound file and an image, published as a microphone and a camera would.

    ros2 run audio2shape_ros replay_node --ros-args -p audio:=guitar.wav -p image:=guitar.jpg

Publishes `audio` and `audio_info` as ros-drivers' audio_capture does (16 kHz mono S16LE; with type:=audio_stamped as
mgonzs13's audio_capturer_node), `image` and `camera_info`. Stamps are the node's clock when the sound began, and from
there on counted in samples, as a sound card does: a machine that pauses sends late, but loses and misdates nothing.
"""

from __future__ import annotations

import array
import sys
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from audio2shape_core.audio import SAMPLE_RATE, load_audio
from audio2shape_core.camera import Camera
from audio2shape_core.errors import InputError
from audio2shape_core.pictures import read_picture
from audio2shape_ros.audio.publishers import TYPES, message_type
from audio2shape_ros.camera.images import rgb_to_image
from audio2shape_ros.ros import LATCHED, RCLError

LATEST_NS = 3 * 10**9  # later than this, the sound begins anew where the clock is
QUEUE = 200  # messages that may be under way after a pause
PARAMETERS = {
    "audio": ("", "The sound file to play; empty for none."),
    "image": ("", "The image file to show; empty for none."),
    "type": ("audio_data_stamped", f"Message of the topic audio: {', '.join(TYPES)}."),
    "loop": (True, "Start again at the end; otherwise silence follows."),
    "chunk_ms": (20, "Milliseconds of sound in a message."),
    "lead_s": (1.0, "Seconds of near silence before the sound, so that its beginning is one."),
    "image_rate": (10.0, "Images per second."),
    "camera_frame": ("camera_optical_frame", "Frame of the image."),
    "fov_deg": (60.0, "Field of view along the longer image side."),
}


class ReplayNode(Node):
    """Raises InputError where a file cannot be used or the message type is not installed."""

    def __init__(self, **options: Any) -> None:
        super().__init__("replay", **options)
        for name, (default, description) in PARAMETERS.items():
            self.declare_parameter(name, default, ParameterDescriptor(description=description))
        self._kind = self._value("type")
        self._message: Any = message_type(self._kind) if self._kind in TYPES else None
        if self._message is None:
            known = ", ".join(kind for kind in TYPES if message_type(kind))
            raise InputError(f"type {self._kind!r} is not in the installed audio_common_msgs; expected one of {known}")
        if self._value("audio"):
            self._open_audio(load_audio(self._value("audio")))
        if self._value("image"):
            self._open_camera(Path(self._value("image")))

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    def _open_audio(self, sound: np.ndarray) -> None:
        lead = np.random.default_rng(0).normal(0, 1e-4, round(self._value("lead_s") * SAMPLE_RATE))
        self._pcm = np.round(np.clip(np.concatenate([lead, sound]), -1, 1) * 32767).astype("<i2")
        self._position = 0
        self._due_ns: int | None = None  # node clock, when the next message begins to sound
        portaudio = self._kind == "audio_stamped"
        reliability = ReliabilityPolicy.BEST_EFFORT if portaudio else ReliabilityPolicy.RELIABLE
        qos = QoSProfile(depth=QUEUE, reliability=reliability)
        self._audio = self.create_publisher(self._message, "audio", qos)
        if not portaudio:
            from audio_common_msgs.msg import AudioInfo

            self._info = self.create_publisher(AudioInfo, "audio_info", LATCHED)
            info = AudioInfo(channels=1, sample_rate=SAMPLE_RATE, sample_format="S16LE", coding_format="wave")
            self._info.publish(info)
        self.create_timer(self._value("chunk_ms") / 1000, self._play)

    def _play(self) -> None:
        """Send what is due; until someone listens, nothing is: nobody would hear the beginning."""
        if not self._audio.get_subscription_count():
            self._due_ns = None
            return
        now, size = self.get_clock().now().nanoseconds, round(self._value("chunk_ms") * SAMPLE_RATE / 1000)
        if self._due_ns is None or abs(now - self._due_ns) > LATEST_NS:
            self._due_ns = now
        while self._due_ns <= now:
            self._send(size, self._due_ns)
            self._due_ns += size * 10**9 // SAMPLE_RATE

    def _send(self, size: int, due_ns: int) -> None:
        """Send the next `size` samples, of which the first sounds at `due_ns`, node clock."""
        chunk = self._pcm[self._position : self._position + size]
        self._position += size
        if len(chunk) < size:
            chunk = np.concatenate([chunk, np.zeros(size - len(chunk), "<i2")])
            if self._value("loop"):
                self._position = 0
        header = Header(stamp=Time(nanoseconds=due_ns).to_msg())
        message = self._message()
        if self._kind == "audio_stamped":
            message.header = header
            message.audio.info.format, message.audio.info.channels = 8, 1
            message.audio.info.rate, message.audio.info.chunk = SAMPLE_RATE, size
            message.audio.audio_data.int16_data = array.array("h", chunk.tobytes())
        elif self._kind == "audio_data_stamped":
            message.header = header
            message.audio.data = array.array("B", chunk.tobytes())
        else:
            message.data = array.array("B", chunk.tobytes())
        self._audio.publish(message)

    def _open_camera(self, path: Path) -> None:
        self._pixels = read_picture(path).pixels[..., :3]
        height, width = self._pixels.shape[:2]
        camera = Camera.look_at(0, 0, width=width, height=height, fov_deg=self._value("fov_deg"))
        cx, cy = camera.cx - 0.5, camera.cy - 0.5  # in ROS pixel centres are at whole numbers
        k = [camera.fx, 0.0, cx, 0.0, camera.fy, cy, 0.0, 0.0, 1.0]
        p = [camera.fx, 0.0, cx, 0.0, 0.0, camera.fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
        self._calibration = CameraInfo(width=width, height=height, distortion_model="plumb_bob", d=[0.0] * 5, k=k, p=p)
        self._calibration.r = np.eye(3).ravel().tolist()
        self._images = self.create_publisher(Image, "image", qos_profile_sensor_data)
        self._calibrations = self.create_publisher(CameraInfo, "camera_info", qos_profile_sensor_data)
        self.create_timer(1 / self._value("image_rate"), self._show)

    def _show(self) -> None:
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self._value("camera_frame"))
        self._calibration.header = header
        self._calibrations.publish(self._calibration)
        self._images.publish(rgb_to_image(self._pixels, header))


def main(arguments: list[str] | None = None) -> None:
    rclpy.init(args=arguments)
    try:
        rclpy.spin(ReplayNode())
    except InputError as error:
        sys.exit(f"replay: {error}")
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RCLError:
        if rclpy.ok():  # otherwise a signal came between two lines of a callback
            raise
    finally:
        rclpy.try_shutdown()
