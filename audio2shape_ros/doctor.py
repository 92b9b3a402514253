"""Checks an installation and, where a graph runs, its topics: ros2 run audio2shape_ros doctor

Prints one line a finding and ends with 1 if something must be mended first.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator

import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from audio2shape_core.errors import InputError
from audio2shape_ros.audio_input import TYPES, message_type, ros_drivers_family

OPTIONAL = {
    "vision_msgs": "~/detections", "visualization_msgs": "~/markers", "tf2_ros": "output.frame_id and output.tf",
    "sensor_msgs_py": "reading clouds in Python (not needed by the node)", "launch_ros": "ros2 launch",
}  # fmt: skip
DISCOVERY_S = 2.0
Finding = tuple[str, str]  # "ok", "note" or "MEND", and what it is about


def check_installation() -> Iterator[Finding]:
    try:
        from audio2shape_ros.msg import ShapeHypothesis  # noqa: F401
    except ImportError:
        yield "MEND", "the package's messages are not built: run colcon build and source install/setup.bash"
    found = [TYPES[kind] for kind in TYPES if message_type(kind)]
    if not found:
        yield "MEND", "audio_common_msgs is missing: sudo apt install ros-$ROS_DISTRO-audio-common-msgs"
    else:
        yield "ok", f"audio_common_msgs of {'ros-drivers' if ros_drivers_family() else 'mgonzs13'}: {', '.join(found)}"
    for module, use in OPTIONAL.items():
        if importlib.util.find_spec(module) is None:
            yield "note", f"{module} is not installed; it gives {use}"


def check_model() -> Iterator[Finding]:
    try:
        import torch

        from audio2shape_ros.generation import load_model
        from audio2shape_ros.requests import ModelOptions
    except ImportError as error:
        yield "MEND", f"{error}: run `{sys.executable} -m pip install -c constraints.txt .`"
        return
    if torch.cuda.is_available():
        yield "ok", f"CUDA: {torch.cuda.get_device_name()}"
    else:
        yield "note", "no CUDA device: the model runs on the CPU"
    try:
        model = load_model(ModelOptions("", "auto", cpu_threads=1, allow_random=False))
        yield "ok", f"weights {model.weights_sha256[:12]} load on {model.device}"
    except InputError as error:
        yield "MEND", str(error)


def check_graph(node: Node) -> Iterator[Finding]:
    """Publishers of the input topics as the node would find them under its default names."""
    time.sleep(DISCOVERY_S)
    audio = node.get_publishers_info_by_topic("audio")
    if not audio:
        topics = node.get_topic_names_and_types()
        offers = [name for name, kinds in topics if any("audio_common_msgs/msg/Audio" in kind for kind in kinds)]
        hint = f"; remap audio to one of {', '.join(offers)}" if offers else ""
        yield "note", f"nothing publishes {node.resolve_topic_name('audio')}{hint}"
    for publisher in audio:
        qos = publisher.qos_profile
        if publisher.topic_type not in {f"audio_common_msgs/msg/{name}" for name in TYPES.values()}:
            yield "MEND", f"audio carries {publisher.topic_type}, expected one of {', '.join(TYPES.values())}"
        else:
            yield "ok", f"audio: {publisher.topic_type} from {publisher.node_name}, {qos.reliability.name.lower()}"
    for topic in ("image", "camera_info"):
        for publisher in node.get_publishers_info_by_topic(topic):
            yield "ok", f"{topic}: {publisher.topic_type} from {publisher.node_name}"
    for subscriber in node.get_subscriptions_info_by_topic("audio2shape/points"):
        qos = subscriber.qos_profile
        late = qos.durability == DurabilityPolicy.VOLATILE and qos.reliability == ReliabilityPolicy.RELIABLE
        note = "; being volatile, it sees no shape made before it joined" if late else ""
        yield "ok", f"audio2shape/points is read by {subscriber.node_name}{note}"


def main(arguments: list[str] | None = None) -> None:
    rclpy.init(args=arguments)
    node = Node("audio2shape_doctor")
    broken = False
    for check in (check_installation(), check_model(), check_graph(node)):
        for level, text in check:
            broken |= level == "MEND"
            print(f"{level:>4}  {text}", flush=True)
    node.destroy_node()
    rclpy.try_shutdown()
    sys.exit(1 if broken else 0)
