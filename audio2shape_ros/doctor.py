"""Checks an installation and, where a graph runs, its topics: ros2 run audio2shape_ros doctor

Prints one line a finding and ends with 1 if something must be mended first. Nodes are found in every namespace.
"""

from __future__ import annotations

import argparse
import importlib.util
import signal
import sys
import time
from collections.abc import Iterator

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy
from rclpy.utilities import remove_ros_args

from audio2shape_core.doctor import examine
from audio2shape_ros.audio.publishers import TYPES, message_type, ros_drivers_family

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
SAVE = ("/save_shape", "audio2shape_ros/srv/SaveShape")  # only a node audio2shape has this service


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


def check_machine(weights: str | None, device: str, load: bool) -> Iterator[Finding]:
    """What `audio2shape doctor` finds: packages, device, weights, memory."""
    for finding in examine(weights, device, load=load):
        if finding.what != "rclpy":
            yield MACHINE[finding.level], f"{finding.what}: {finding.text}"


def check_graph(node: Node) -> Iterator[Finding]:
    """What the nodes audio2shape say themselves, and what they meet; where none runs, what one would meet here."""
    statuses: dict[str, DiagnosticStatus] = {}
    node.create_subscription(
        DiagnosticArray, "/diagnostics", lambda array: statuses.update({s.name: s for s in array.status}), 10
    )
    end = time.monotonic() + LISTEN_S
    while time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.1)
    services = node.get_service_names_and_types()
    names = sorted(name[: -len(SAVE[0])] for name, kinds in services if name.endswith(SAVE[0]) and SAVE[1] in kinds)
    here, spaces = node.get_namespace().rstrip("/"), {name.rpartition("/")[0] for name in names}
    for space in sorted(spaces | {here} if here or not spaces else spaces):
        yield from check_topics(node, space)
    if not any(name.startswith(f"{here}/") for name in names):
        yield "note", "no node audio2shape runs here: ros2 launch audio2shape_ros generate.launch.py"
    for name in names:
        running = [status for task, status in statuses.items() if task.startswith(f"{name.lstrip('/')}: ")]
        if not running:
            yield "MEND", f"{name} says nothing on /diagnostics: does it hang? start it again"
        for status in running:
            yield RUNNING[status.level], f"{status.name}: {status.message}"


def check_topics(node: Node, space: str) -> Iterator[Finding]:
    """The inputs and outputs of a node audio2shape in the namespace `space`, under their usual names."""
    for topic, known in INPUTS.items():
        publishers = node.get_publishers_info_by_topic(f"{space}/{topic}")
        name = f"{space}/{topic}" if space else topic
        for publisher in publishers:
            kind, qos = publisher.topic_type, publisher.qos_profile
            if kind in known:
                yield "ok", f"{name}: {kind} from {publisher.node_name}, {qos.reliability.name.lower()}"
            else:
                yield "MEND", f"{name} carries {kind}, expected {' or '.join(known)}: remap it"
        if not publishers and topic == "audio":
            topics = node.get_topic_names_and_types()
            offers = [other for other, kinds in topics if set(kinds) & set(known)]
            hint = f"; remap audio to one of {', '.join(offers)}" if offers else ""
            yield "note", f"nothing publishes {space}/{topic}{hint}"
    for subscriber in node.get_subscriptions_info_by_topic(f"{space}/audio2shape/points"):
        late = subscriber.qos_profile.durability == DurabilityPolicy.VOLATILE
        note = "; being volatile, it sees no shape made before it joined" if late else ""
        yield "ok", f"{space}/audio2shape/points is read by {subscriber.node_name}{note}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="doctor", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", help="folder of the checkpoints; default: those that ship")
    parser.add_argument("--device", default="auto", help="where the model is to run: auto, cpu, cuda or cuda:N")
    parser.add_argument("--load", action="store_true", help="load the model as well, which takes some seconds")
    options = parser.parse_args(remove_ros_args(arguments)[1:])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    broken = False
    try:
        rclpy.init(args=arguments)
        node = Node("audio2shape_doctor")
        checks = check_installation(), check_machine(options.weights, options.device, options.load), check_graph(node)
        for check in checks:
            for level, text in check:
                broken |= level == "MEND"
                print(f"{level:>4}  {text}", flush=True)
    except (KeyboardInterrupt, ExternalShutdownException):
        sys.exit(130)
    finally:
        rclpy.try_shutdown()
    sys.exit(1 if broken else 0)
