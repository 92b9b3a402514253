"""Health on /diagnostics. Each part of the node reports on itself; this publishes what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node

from audio2shape_ros.ros import STEADY

CLOCK_S = 5.0  # after which a clock that stands still is worth a word


@dataclass(frozen=True)
class Report:
    """The state of one part. level: of OK, WARN, ERROR, STALE; summary: one line; values: by name."""

    level: bytes
    summary: str
    values: Mapping[str, object] = field(default_factory=dict)


OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE
NOT_ACTIVE, NOT_CONFIGURED = Report(STALE, "not active"), Report(STALE, "not configured")


class Diagnostics:
    """A plain publisher, so it also speaks while the node is not active, and on a steady timer, so also without /clock.

    `tasks` gives the report of each part, by its name.
    """

    def __init__(self, node: Node, period_s: float, tasks: Mapping[str, Callable[[], Report]]) -> None:
        self._node, self._tasks = node, tasks
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._clock_ns, self._moved = 0, STEADY.now().nanoseconds
        node.create_timer(period_s, self._publish, callback_group=MutuallyExclusiveCallbackGroup(), clock=STEADY)

    def _publish(self) -> None:
        name = self._node.get_fully_qualified_name().lstrip("/")
        array = DiagnosticArray()
        array.header.stamp = self._node.get_clock().now().to_msg()
        for task, report in {**self._tasks, "clock": self._clock}.items():
            said = report()
            pairs = [KeyValue(key=key, value=str(value)) for key, value in said.values.items()]
            status = DiagnosticStatus(level=said.level, name=f"{name}: {task}", message=said.summary, hardware_id=name)
            status.values = pairs
            array.status.append(status)
        self._publisher.publish(array)

    def _clock(self) -> Report:
        """Without /clock, a node with use_sim_time has no time, and stamps everything with 0."""
        if not self._node.get_parameter("use_sim_time").value:
            return Report(OK, "system time")
        now_ns, steady_ns = self._node.get_clock().now().nanoseconds, STEADY.now().nanoseconds
        if now_ns != self._clock_ns:
            self._clock_ns, self._moved = now_ns, steady_ns
        still_s = 1e-9 * (steady_ns - self._moved)
        if still_s < CLOCK_S:
            return Report(OK, "simulated time")
        message = f"use_sim_time is true, but /clock stands still for {still_s:.0f} s: is the simulation paused?"
        if not now_ns:
            message = (
                "use_sim_time is true, but nobody publishes /clock: start the simulation or the bag, or set it to false"
            )
        self._node.get_logger().warning(message, throttle_duration_sec=60.0)
        return Report(WARN, message)
