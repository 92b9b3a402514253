"""Checks an installation and, where a graph runs, its topics: ros2 run audio2shape_ros doctor

Prints one line a finding and ends with 1 if something must be mended first. `--ros-args -r __ns:=/robot` looks there.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy

from audio2shape_core.doctor import examine
from audio2shape_ros.audio.types import TYPES, message_type, ros_drivers_family

OPTIONAL = {
    "vision_msgs": "~/detections",
    "visualization_msgs": "~/markers",
    "tf2_ros": "output.frame_id and output.tf",
    "sensor_msgs_py": "reading clouds in Python (not needed by the node)",
    "launch_ros": "ros2 launch",
}
LISTEN_S = 3.0  # to meet the others, and to hear one /diagnostics
INPUTS = {
    "audio": [f"audio_common_msgs/msg/{name}" for name in TYPES.values()],
    "image": ["sensor_msgs/msg/Image"],
    "image/compressed": ["sensor_msgs/msg/CompressedImage"],
    "camera_info": ["sensor_msgs/msg/CameraInfo"],
    "depth": ["sensor_msgs/msg/Image"],
}
Finding = tuple[str, str]  # "ok", "note" or "MEND", and what it is about
MACHINE = {"ok": "ok", "note": "note", "mend": "MEND"}
RUNNING = {
    DiagnosticStatus.OK: "ok",
    DiagnosticStatus.WARN: "note",
    DiagnosticStatus.STALE: "note",
    DiagnosticStatus.ERROR: "MEND",
}


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


def check_machine() -> Iterator[Finding]:
    """What `audio2shape doctor` finds: packages, device, weights, memory."""
    for finding in examine(weights=None):
        if finding.what != "rclpy":
            yield MACHINE[finding.level], f"{finding.what}: {finding.text}"


def check_graph(node: Node) -> Iterator[Finding]:
    """What a node audio2shape in this namespace would meet, and what it says itself if it runs."""
    told: dict[str, DiagnosticStatus] = {}
    node.create_subscription(
        DiagnosticArray, "/diagnostics", lambda array: told.update({s.name: s for s in array.status}), 10
    )
    end = time.monotonic() + LISTEN_S
    while time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.1)
    for topic, known in INPUTS.items():
        publishers = node.get_publishers_info_by_topic(topic)
        for publisher in publishers:
            kind, qos = publisher.topic_type, publisher.qos_profile
            if kind in known:
                yield "ok", f"{topic}: {kind} from {publisher.node_name}, {qos.reliability.name.lower()}"
            else:
                yield "MEND", f"{topic} carries {kind}, expected {' or '.join(known)}: remap it"
        if not publishers and topic == "audio":
            topics = node.get_topic_names_and_types()
            offers = [name for name, kinds in topics if set(kinds) & set(known)]
            hint = f"; remap audio to one of {', '.join(offers)}" if offers else ""
            yield "note", f"nothing publishes {node.resolve_topic_name('audio')}{hint}"
    for subscriber in node.get_subscriptions_info_by_topic("audio2shape/points"):
        late = subscriber.qos_profile.durability == DurabilityPolicy.VOLATILE
        note = "; being volatile, it sees no shape made before it joined" if late else ""
        yield "ok", f"audio2shape/points is read by {subscriber.node_name}{note}"
    ours = f"{node.get_namespace().rstrip('/')}/audio2shape: ".lstrip("/")
    running = [status for name, status in told.items() if name.startswith(ours)]
    if not running:
        yield "note", "no node audio2shape runs here: ros2 launch audio2shape_ros generate.launch.py"
    for status in running:
        yield RUNNING[status.level], f"{status.name}: {status.message}"


def main(arguments: list[str] | None = None) -> None:
    rclpy.init(args=arguments)
    node = Node("audio2shape_doctor")
    broken = False
    for check in (check_installation(), check_machine(), check_graph(node)):
        for level, text in check:
            broken |= level == "MEND"
            print(f"{level:>4}  {text}", flush=True)
    node.destroy_node()
    rclpy.try_shutdown()
    sys.exit(1 if broken else 0)
