#!/usr/bin/env python3
"""Minutes of sound, in real time: does the node keep its memory, and does it hear every message?

    .venv/bin/python scripts/ros_workspace.py -- python benchmarks/ros_soak.py --minutes 10 --json out/ros-soak.json

Real-time audio in 20 ms messages, a sound every few seconds, on the weights that ship. Memory is the resident set of
the node's process and of the model's; growth is counted from the end of the warm-up. Where the machine paused, the
messages that are late go out at once, stamped with the times they should have had.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rclpy
from audio_common_msgs.msg import AudioDataStamped
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from audio2shape_core.cli.arguments import write_json

RATE, CHUNK_S = 16_000, 0.02
QUEUE = 1000  # messages: after a pause of this process or of the node, none may be lost on this side
SOUND_S, PAUSE_S = 3.0, 3.0
START_S = 1200.0  # importing torch and compiling on a busy machine


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Soak:
    """A microphone and a listener to /diagnostics on a node that something else spins."""

    def __init__(self, node: Node, watched: str = "audio2shape") -> None:
        self._node, self._watched = node, watched
        self._publisher = node.create_publisher(AudioDataStamped, "/audio", QUEUE)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._listen, 10)
        self._latest: dict[str, dict[str, str]] = {}
        self._counted = threading.Event()
        times = np.arange(round(SOUND_S * RATE)) / RATE
        tone = 0.3 * np.sin(2 * np.pi * 440 * times) * np.exp(-times)
        noise = np.random.default_rng(0).normal(0, 3e-4, round(PAUSE_S * RATE))
        self._pcm = np.round(np.concatenate([noise, tone]) * 32767).astype("<i2")
        self._position = 0

    def _listen(self, array: DiagnosticArray) -> None:
        for status in array.status:
            name, _, task = status.name.partition(": ")
            if name == self._watched:
                self._latest[task] = {pair.key: pair.value for pair in status.values}
        self._counted.set()

    def reported(self, task: str, key: str) -> int:
        """A number of the latest diagnostics."""
        return int(self._latest.get(task, {}).get(key) or 0)

    def tell(self, task: str, key: str) -> int:
        """A number of the next diagnostics."""
        self._counted.clear()
        if not self._counted.wait(START_S):
            raise TimeoutError("no diagnostics: the node is gone")
        return self.reported(task, key)

    def wait_until_ready(self) -> None:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self.tell("model", "process") and self._publisher.get_subscription_count():
                return
        raise TimeoutError(f"the node was not ready within {START_S:.0f} s")

    def _speak(self, stamp: Time) -> None:
        size = round(CHUNK_S * RATE)
        message = AudioDataStamped()
        message.header.stamp = stamp.to_msg()
        chunk = np.take(self._pcm, np.arange(self._position, self._position + size), mode="wrap")
        message.audio.data = chunk.tobytes()
        self._position = (self._position + size) % len(self._pcm)
        self._publisher.publish(message)

    def run(self, seconds: float, warm_up_s: float, node_pid: int, show: Callable[[str], None] = print) -> dict:
        """Talk for `seconds`; the figures as a dict."""
        before, shapes = self.tell("audio input", "messages"), self.tell("pipeline", "shapes")
        rows: list[tuple[float, float, float]] = []
        sent, longest_pause = 0, 0
        began, clock = time.monotonic(), self._node.get_clock().now()
        while (elapsed := time.monotonic() - began) < seconds:
            due = round(elapsed / CHUNK_S)
            longest_pause = max(longest_pause, due - sent)
            for number in range(sent, due):
                self._speak(clock + Duration(seconds=number * CHUNK_S))
            sent = due
            if elapsed >= len(rows) * max(1.0, seconds / 40):
                rows.append((elapsed, resident_mb(node_pid), resident_mb(self.reported("model", "process"))))
                unheard = sent - self.reported("audio input", "messages") + before  # most of them still under way
                show("{:7.0f} s  node {:7.1f} MB  model {:7.1f} MB  {} not yet heard".format(*rows[-1], unheard))
            time.sleep(CHUNK_S / 4)
        time.sleep(2)
        heard = self.tell("audio input", "messages") - before
        after = [row for row in rows if row[0] >= warm_up_s]
        quarter = max(1, len(after) // 4)

        def growth(column: int) -> float:
            ends = [statistics.median(row[column] for row in part) for part in (after[:quarter], after[-quarter:])]
            return round(ends[1] - ends[0], 2)

        return {
            "seconds": round(seconds),
            "sent": sent,
            "heard": heard,
            "dropped": sent - heard,
            "longest_pause_s": round(longest_pause * CHUNK_S, 2),
            "shapes": self.tell("pipeline", "shapes") - shapes,
            "restarts": self.tell("model", "restarts"),
            "growth_node_mb": growth(1),
            "growth_model_mb": growth(2),
            "node_mb": round(rows[-1][1], 1),
            "model_mb": round(rows[-1][2], 1),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--json", help="also write the figures here")
    arguments = parser.parse_args()
    os.environ.setdefault("ROS_DOMAIN_ID", str(os.getpid() % 100))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    code = "from audio2shape_ros.node import main; main()"
    process = subprocess.Popen([sys.executable, "-c", code])
    rclpy.init()
    node = rclpy.create_node("soak")
    threading.Thread(target=rclpy.spin, args=(node,), daemon=True).start()
    try:
        soak = Soak(node)
        soak.wait_until_ready()
        seconds = 60 * arguments.minutes
        result = soak.run(seconds, min(60.0, seconds / 4), process.pid)
    finally:
        process.send_signal(2)
        process.wait(30)
        rclpy.try_shutdown()
    print(json.dumps(result, indent=2))
    write_json(arguments.json, result)


if __name__ == "__main__":
    main()
