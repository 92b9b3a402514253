#!/usr/bin/env python3
"""The whole way through ROS in three processes: replay publishes a sound and an image, the node makes a shape, this one
receives the cloud. Writes ros-demo.png and ros-demo.json. Run it in the workspace:

    .venv/bin/python scripts/ros_workspace.py -- python scripts/ros_demo.py
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import rclpy
from audio2shape_ros.msg import ShapeHypothesis
from matplotlib.figure import Figure
from rclpy.node import Node

import audio2shape_core
from audio2shape_core.cli.arguments import write_json
from audio2shape_core.pictures import read_picture
from audio2shape_ros.outputs.conversions import from_cloud, unpack_rgb
from audio2shape_ros.ros import LATCHED, seconds

ASSETS = Path(audio2shape_core.__file__).parent / "assets"
STARTUP_S = 300.0  # importing torch and compiling the rasteriser on a slow machine


def start(module: str, **parameters: object) -> subprocess.Popen:
    flags = [item for name, value in parameters.items() for item in ("-p", f"{name.replace('__', '.')}:={value}")]
    code = f"from audio2shape_ros.{module} import main; main()"
    return subprocess.Popen([sys.executable, "-c", code, "--ros-args", *flags])


def receive(children: list[subprocess.Popen], *, refined: bool) -> tuple[ShapeHypothesis, float]:
    """Of the first two shapes, refined ones first, the one that heard more; and when it arrived, seconds."""
    received: list[tuple[ShapeHypothesis, float]] = []
    node = Node("ros_demo")

    def keep(message: ShapeHypothesis) -> None:
        received.append((message, node.get_clock().now().nanoseconds * 1e-9))

    node.create_subscription(ShapeHypothesis, "/audio2shape/shape", keep, LATCHED)
    give_up = time.monotonic() + STARTUP_S
    wanted = 2
    while time.monotonic() < give_up and len(received) < wanted:
        rclpy.spin_once(node, timeout_sec=0.2)
        if refined and len(received) == 2 and not any(message.refined for message, _ in received):
            wanted = 3
        if any(child.poll() is not None for child in children):
            sys.exit("ros_demo: a node ended early; its message is above")
    node.destroy_node()
    if not received:
        sys.exit(f"ros_demo: no shape within {STARTUP_S:.0f} s")
    return max(received, key=lambda pair: (pair[0].refined, heard_s(pair[0])))


def heard_s(message: ShapeHypothesis) -> float:
    return seconds(message.audio_end) - seconds(message.audio_start)


def draw(message: ShapeHypothesis, image: str, path: Path) -> None:
    table = from_cloud(message.cloud)
    colors = unpack_rgb(table["rgb"]) / 255
    figure = Figure(figsize=(15 if image else 10, 5), layout="constrained")
    panels = figure.subplots(1, 3 if image else 2)
    if image:
        panels[0].imshow(read_picture(image).pixels)
        panels[0].set_title("image"), panels[0].axis("off")
    views = {"as the camera sees it": ("x", -table["z"]), "from its right": ("z", table["x"])}
    for axes, (title, (right, nearness)) in zip(panels[-2:], views.items()):
        order = np.argsort(nearness)
        axes.scatter(table[right][order], table["y"][order], c=colors[order], s=2)
        axes.set(title=title, xlabel="x" if right == "x" else "z (forward)", ylabel="y (down)", aspect="equal")
        axes.invert_yaxis()
    label = f"{message.labels[0]} ({message.confidence:.0%})"
    figure.suptitle(f"{label}, {len(table)} points in {message.header.frame_id}")
    figure.savefig(path, dpi=100)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", default=ASSETS / "guitar.ogg", help="a sound file")
    parser.add_argument("--image", default=ASSETS / "guitar.png", help="an image file of the same thing; '' for none")
    parser.add_argument("--output", default="out", type=Path, help="folder for ros-demo.png and ros-demo.json")
    parser.add_argument("--weights", default="", help="folder of checkpoints; default: the weights that ship")
    parser.add_argument("--allow-random-weights", action="store_true", help="run untrained, to try the plumbing")
    arguments = parser.parse_args()
    os.environ.setdefault("ROS_DOMAIN_ID", str(os.getpid() % 100))  # do not disturb, or hear, other graphs
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    given = {"audio": arguments.audio, "image": arguments.image}
    files = {name: Path(path).resolve() for name, path in given.items() if path}
    options: dict[str, object] = {
        "allow_random_weights": str(arguments.allow_random_weights).lower(),
        "trigger__mode": "onset",
    }
    if arguments.weights:
        options["weights_dir"] = Path(arguments.weights).resolve()
    rclpy.init()
    children = [start("node", **options), start("replay_node", **files)]
    try:
        message, received = receive(children, refined=bool(arguments.image))
    finally:
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(timeout=20)
            except subprocess.TimeoutExpired:
                child.kill()
        rclpy.try_shutdown()
    stamp = seconds(message.header.stamp)
    report = {
        "label": message.labels[0],
        "confidence": round(message.confidence, 4),
        "points": message.cloud.width,
        "heard_s": round(heard_s(message), 2),
        "fields": [field.name for field in message.cloud.fields],
        "frame_id": message.header.frame_id,
        "stamp": stamp,
        "window_end_to_reception_ms": round(1000 * (received - stamp), 1),
        "refined": message.refined,
        "stage_ms": dict(zip(message.stage_names, [round(ms, 1) for ms in message.stage_ms])),
        "device": message.device,
        "weights_sha256": message.weights_sha256,
        "seed": message.seed,
        "size_m": [round(v, 3) for v in (message.size.x, message.size.y, message.size.z)],
    }
    write_json(str(arguments.output / "ros-demo.json"), report)
    draw(message, arguments.image, arguments.output / "ros-demo.png")
    print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
