"""What the tests of a running node share."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from audio2shape_ros.camera.images import rgb_to_image

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
NODE = "/audio2shape"


class Camera:
    """Publishes an image, its calibration and a depth image of a wall."""

    DISTANCE_M = 3.0
    K = (110.0, 0.0, 63.5, 0.0, 110.0, 47.5, 0.0, 0.0, 1.0)

    def __init__(self, client, k: Sequence[float] = K) -> None:
        self._node, self._k = client.node, k
        qos = qos_profile_sensor_data
        self._publishers = [
            client.node.create_publisher(kind, topic, qos)
            for kind, topic in ((Image, "/image"), (CameraInfo, "/camera_info"), (Image, "/depth"))
        ]
        self._pixels = np.full((96, 128, 3), 200, np.uint8)
        self._depth = np.full((96, 128), 1000 * self.DISTANCE_M, "<u2").tobytes()
        self._timer = client.node.create_timer(0.1, self._show)

    def _show(self) -> None:
        header = Header(stamp=self._node.get_clock().now().to_msg(), frame_id="camera_optical_frame")
        images, infos, depths = self._publishers
        images.publish(rgb_to_image(self._pixels, header))
        infos.publish(CameraInfo(header=header, width=128, height=96, k=self._k, distortion_model="plumb_bob"))
        depths.publish(Image(header=header, width=128, height=96, encoding="16UC1", step=256, data=self._depth))

    def stop(self) -> None:
        self._node.destroy_timer(self._timer)
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)


def diagnostics(client, node: str = NODE) -> dict[str, DiagnosticStatus]:
    """The next /diagnostics of a node, by task."""
    arrays, name = [], node.lstrip("/")

    def keep(array: DiagnosticArray) -> None:
        if array.status[0].name.startswith(f"{name}: "):
            arrays.append(array)

    subscription = client.node.create_subscription(DiagnosticArray, "/diagnostics", keep, 10)
    client.wait_for(lambda: arrays, f"diagnostics of {node}")
    client.node.destroy_subscription(subscription)
    return {status.name.split(": ")[1]: status for status in arrays[-1].status}


def values(status: DiagnosticStatus) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def model_pid(client, node: str = NODE) -> int:
    """The model's process, once it runs."""
    pid = client.wait_for(lambda: values(diagnostics(client, node)["model"]).get("process"), "the model's process")
    return int(pid)


def gone(pid: int, seconds: float = 10.0) -> bool:
    """Whether a process ends in time; one that waits to be reaped has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def hearing(client, node: str = NODE) -> bool:
    return diagnostics(client, node)["audio input"].level == DiagnosticStatus.OK


def generate(client, node: str = NODE) -> Trigger.Response:
    return client.call(Trigger, f"{node}/generate", Trigger.Request())


def stamp_s(stamp: Time) -> float:
    return stamp.sec + stamp.nanosec * 1e-9


def set_parameters(client, **changes):
    """All or none of them, __ for a dot. Returns the node's answer: successful, reason."""
    request = SetParametersAtomically.Request()
    request.parameters = [Parameter(n.replace("__", "."), value=v).to_parameter_msg() for n, v in changes.items()]
    return client.call(SetParametersAtomically, f"{NODE}/set_parameters_atomically", request).result
