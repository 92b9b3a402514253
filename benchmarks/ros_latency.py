#!/usr/bin/env python3
"""How long the node takes, over DDS, seen from another process. Run it in the workspace (`make ros-benchmark`):

    .venv/bin/python scripts/ros_workspace.py -- python benchmarks/ros_latency.py --json out/ros-latency.json

Three phases: sounds that begin (onset to PointCloud2 received), a model that never rests (what that does to the audio
callback), and clouds of 32768 points (what publishing one costs). The node runs without refinement on the weights that
ship. Wall-clock times depend on what else the machine does; the load is reported beside them.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from audio2shape_ros.msg import ShapeHypothesis
from audio_common_msgs.msg import AudioDataStamped
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import Trigger

import audio2shape_core
from audio2shape_core.audio import SAMPLE_RATE, load_audio
from audio2shape_core.cli.arguments import write_json
from audio2shape_ros import node as shape_node
from audio2shape_ros.audio.audio_input import AudioInput
from audio2shape_ros.outputs.outputs import Outputs
from audio2shape_ros.ros import LATCHED, seconds

CHUNK_S = 0.02
LISTEN_S = 2.0
BUSY_S = 15.0
LARGE = 32_768
GIVE_UP_S = 1200.0  # importing torch and compiling on a busy machine


def run_node(report: str, arguments: list[str]) -> None:
    """The node as it ships, with two methods timed. The times are written when it ends."""
    times: dict[str, list] = {"audio": [], "publish": []}
    on_message, publish = AudioInput._on_message, Outputs.publish

    def timed_message(self: AudioInput, kind: str, message: Any) -> None:
        began, wall, cpu = time.time(), time.perf_counter(), time.thread_time()
        on_message(self, kind, message)
        wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
        times["audio"].append((began, 1000 * wall, 1000 * cpu, 1000 * (began - seconds(message.header.stamp))))

    def timed_publish(self: Outputs, *given: Any) -> Any:
        wall, cpu = time.perf_counter(), time.thread_time()
        result = publish(self, *given)
        wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
        times["publish"].append((result[0].cloud.width, 1000 * wall, 1000 * cpu))
        return result

    AudioInput._on_message, Outputs.publish = timed_message, timed_publish
    atexit.register(lambda: Path(report).write_text(json.dumps(times)))
    shape_node.main(["shape_node", *arguments])


class Robot:
    """Plays a microphone to the node and receives what it publishes."""

    def __init__(self, sound: np.ndarray, process: subprocess.Popen) -> None:
        self.node = rclpy.create_node("robot")
        self.publisher = self.node.create_publisher(AudioDataStamped, "audio", 10)
        self.clouds: list[tuple[float, float]] = []  # stamp, reception
        self.shapes: list[ShapeHypothesis] = []
        self.node.create_subscription(PointCloud2, "audio2shape/points", self._receive, LATCHED)
        self.node.create_subscription(ShapeHypothesis, "audio2shape/shape", self.shapes.append, LATCHED)
        self.node.create_timer(CHUNK_S, self._speak)
        self.sound, self.process = sound, process
        self.noise = np.random.default_rng(0).normal(0, 1e-4, SAMPLE_RATE).astype(np.float32)
        self.playing: np.ndarray | None = None
        self.position, self.began = 0, 0.0
        self.sent: list[float] = []
        self.asking = self.node.create_client(GetState, "audio2shape/get_state")

    def _receive(self, cloud: PointCloud2) -> None:
        self.clouds.append((seconds(cloud.header.stamp), time.time()))

    def _speak(self) -> None:
        size = round(CHUNK_S * SAMPLE_RATE)
        source = self.noise if self.playing is None else self.playing
        chunk = np.take(source, np.arange(self.position, self.position + size), mode="wrap")
        message = AudioDataStamped()
        message.header.stamp = self.node.get_clock().now().to_msg()
        self.sent.append(seconds(message.header.stamp))
        if self.position == 0:
            self.began = time.time()
        self.position += size
        message.audio.data = np.round(chunk * 32767).astype("<i2").tobytes()
        self.publisher.publish(message)

    def play(self, sound: np.ndarray | None) -> None:
        self.playing, self.position, self.began = sound, 0, float("inf")

    def fresh(self) -> list[tuple[float, float]]:
        """Clouds of the sound that is playing, not of one before."""
        return [cloud for cloud in self.clouds if cloud[0] > self.began]

    def spin(self, limit_s: float, until: Callable[[], Any] = lambda: False) -> bool:
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if until():
                return True
            if self.process.poll() is not None:
                sys.exit("ros_latency: the node ended; its log is above")
            rclpy.spin_once(self.node, timeout_sec=0.05)
        return False

    def set(self, **changes: object) -> None:
        client = self.node.create_client(SetParameters, "audio2shape/set_parameters")
        client.wait_for_service()
        request = SetParameters.Request()
        request.parameters = [Parameter(n.replace("__", "."), value=v).to_parameter_msg() for n, v in changes.items()]
        future = client.call_async(request)
        assert self.spin(GIVE_UP_S, future.done), "the node does not answer"
        assert all(result.successful for result in future.result().results), future.result()

    def warm_up(self) -> None:
        """Until the node has made a shape on request."""
        client = self.node.create_client(Trigger, "audio2shape/generate")
        client.wait_for_service()
        end = time.monotonic() + GIVE_UP_S
        while time.monotonic() < end:
            self.spin(1.0)
            future = client.call_async(Trigger.Request())
            if self.spin(GIVE_UP_S, future.done) and future.result().success:
                return
        sys.exit("ros_latency: the node makes no shape; its log is above")

    def active(self) -> bool:
        if not self.asking.service_is_ready():
            return False
        future = self.asking.call_async(GetState.Request())
        return self.spin(2, future.done) and future.result().current_state.label == "active"


def summary(values: list[float], *percentiles: int) -> dict[str, float]:
    found = {f"p{p}": round(float(np.percentile(values, p)), 2) for p in percentiles}
    return {"median": round(float(np.median(values)), 2), **found, "max": round(max(values), 2), "count": len(values)}


def measure(robot: Robot, runs: int) -> tuple[dict, tuple[float, float]]:
    if not robot.spin(GIVE_UP_S, robot.active):
        sys.exit("ros_latency: the node did not become active; its log is above")
    robot.play(robot.sound)
    robot.warm_up()
    after_onset, after_window, stages = [], [], []
    for _ in range(runs):
        robot.play(None)
        robot.spin(2.0)
        robot.clouds.clear(), robot.shapes.clear()
        robot.play(robot.sound)
        if not robot.spin(120, lambda: robot.fresh() and robot.shapes):
            sys.exit("ros_latency: no cloud within 120 s of an onset")
        stamp, received = robot.fresh()[0]
        after_onset.append(received - robot.began)
        after_window.append(1000 * (received - stamp))
        stages.append(dict(zip(robot.shapes[-1].stage_names, robot.shapes[-1].stage_ms)))
    robot.set(trigger__mode="continuous", trigger__period_s=0.1)
    robot.play(robot.sound)
    start = time.time()
    robot.spin(BUSY_S)
    busy = (start + 1, time.time())
    robot.set(shape__num_points=LARGE)
    made = len(robot.clouds)
    robot.spin(60, lambda: len(robot.clouds) >= made + 12)
    result = {
        "onset_to_cloud_s": summary(after_onset, 95),
        "window_end_to_cloud_ms": summary(after_window, 95),
        "stage_ms": {name: round(float(np.median([s.get(name, 0) for s in stages])), 1) for name in stages[0]},
        "device": robot.shapes[0].device,
    }
    return result, busy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", help="also write the figures here")
    parser.add_argument("--runs", type=int, default=10, help="sounds of the first phase")
    parser.add_argument("--node", metavar="REPORT", help=argparse.SUPPRESS)
    arguments, rest = parser.parse_known_args()
    if arguments.node:
        return run_node(arguments.node, rest)
    os.environ.setdefault("ROS_DOMAIN_ID", str(os.getpid() % 100))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    rclpy.init()
    report = Path(f"/tmp/ros-latency-{os.getpid()}.json")
    parameters = {"refine.enabled": "false", "trigger.mode": "onset", "trigger.listen_s": LISTEN_S}
    flags = [item for name, value in parameters.items() for item in ("-p", f"{name}:={value}")]
    command = [sys.executable, __file__, "--node", str(report), "--ros-args", *flags]
    process = subprocess.Popen(command)
    try:
        robot = Robot(load_audio(Path(audio2shape_core.__file__).parent / "assets" / "guitar.ogg"), process)
        result, (start, end) = measure(robot, arguments.runs)
    finally:
        process.send_signal(2)
        process.wait(120)
        rclpy.try_shutdown()
    times = json.loads(report.read_text())
    report.unlink()
    audio = [row for row in times["audio"] if start <= row[0] - row[3] / 1000 <= end]  # by stamp
    large = [row for row in times["publish"] if row[0] == LARGE][1:]  # the first fills pools
    result |= {
        "audio_callback_ms_while_busy": summary([row[1] for row in audio], 99),
        "audio_callback_cpu_ms_while_busy": summary([row[2] for row in audio], 99),
        "audio_delivery_ms_while_busy": summary([row[3] for row in audio], 99),
        "audio_lost_while_busy": sum(start <= stamp <= end for stamp in robot.sent) - len(audio),
        "publish_32k_points_ms": summary([row[1] for row in large], 95),
        "publish_32k_points_cpu_ms": summary([row[2] for row in large], 95),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": os.getloadavg()[0],
    }
    print(json.dumps(result, indent=2))
    write_json(arguments.json, result)


if __name__ == "__main__":
    main()
