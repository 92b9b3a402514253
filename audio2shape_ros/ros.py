"""What the node needs of ROS besides messages: optional packages, stamps, byte fields, and spinning that goes on."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.callback_groups import CallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.executors import Executor, ExternalShutdownException, MultiThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from audio2shape_core.errors import InputError

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

# rclpy gives these two no public name.
RCLError: type[Exception] = rclpy_implementation.RCLError
InvalidHandle: type[Exception] = rclpy_implementation.InvalidHandle
# For timers that must run where use_sim_time is set and nobody publishes /clock.
STEADY = Clock(clock_type=ClockType.STEADY_TIME)
AHEAD_S = 5.0  # two machines' clocks may differ by this
Y2000 = 946_684_800.0  # a stamp before that counts from when a machine was switched on
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def optional(module: str, name: str = "") -> Any | None:
    """A module of another ROS package, or what it calls `name`; None where either is missing."""
    try:
        found = importlib.import_module(module)
    except ImportError:
        return None
    return getattr(found, name, None) if name else found


def subscribe_latched(
    node: Node, kind: type, topic: str, callback: Callable[[Any], None], group: CallbackGroup
) -> Subscription:
    """A subscription to what was published once and is kept for latecomers, to stand beside an ordinary one.

    It does not match publishers that keep nothing. The ordinary one does, so rclpy's warning of that is switched off.
    """
    silent = SubscriptionEventCallbacks(use_default_callbacks=False)
    return node.create_subscription(kind, topic, callback, LATCHED, callback_group=group, event_callbacks=silent)


def seconds(stamp: Time) -> float:
    """A stamp in seconds of its clock. Raises InputError for one that no clock gives."""
    if stamp.sec < 0 or stamp.nanosec >= 10**9:
        raise InputError(
            f"stamp of {stamp.sec} s and {stamp.nanosec} ns, expected seconds from 0 and fewer than 10^9 nanoseconds: "
            "mend the sender's clock"
        )
    return stamp.sec + stamp.nanosec * 1e-9


def span(seconds: float) -> str:
    """A length of time, in the largest unit of which there are two."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if abs(seconds) >= 2 * size:
            return f"{abs(seconds) / size:.0f} {unit}"
    return f"{abs(seconds):.0f} seconds"


def stamp_fault(stamp: float, now: float) -> str:
    """Why a stamp cannot be the time of what has just arrived, in seconds of the node's clock; empty if it can.

    Older stamps than `now` are allowed: those of a recording are. So is every stamp while the node's clock has no time.
    """
    if now > 0 and stamp - now > AHEAD_S:
        return f"{span(stamp - now)} ahead of the node's clock"
    if stamp < Y2000 < now:
        return f"counted from a start {span(stamp)} ago, expected seconds since 1970"
    return ""


def octets(data: Any) -> np.ndarray:
    """A field of type uint8[] as (N,) uint8, whether rclpy gives an array, bytes, a buffer or a list."""
    try:
        return np.frombuffer(data, np.uint8)
    except (TypeError, ValueError, BufferError):  # a list has no buffer, an empty one is refused
        return np.array(data, np.uint8).reshape(-1)


class SteadyExecutor(MultiThreadedExecutor):
    """Outlives what is destroyed, or cannot be read, between being found ready and being taken.

    rclpy locks the callback group, takes, and releases the group after the callback, but not when the taking itself
    fails: no callback of that group ever runs again. A node whose subscriptions come and go with their publishers would
    stop hearing without a word.
    """

    def _make_handler(self, entity: Any, node: Any, take_from_wait_list: Callable[[Any], Any], *rest: Any) -> Any:
        def take(entity: Any) -> Any:
            try:
                return take_from_wait_list(entity)
            except InvalidHandle:
                return None
            except Exception as error:
                node.get_logger().error(f"a message was not taken: {type(error).__name__}: {error}")
                return None

        return super()._make_handler(entity, node, take, *rest)


def spin(executor: Executor, logger: RcutilsLogger) -> None:
    """Like executor.spin(), but no callback's exception ends it.

    rclpy raises InvalidHandle when one thread destroys an entity while another gathers what to wait for. A node that
    changes its subscriptions meets that now and then, and it means nothing.
    """
    while executor.context.ok():
        try:
            executor.spin()
            return
        except InvalidHandle:
            continue
        except ExternalShutdownException:
            return
        except Exception as error:
            logger.error(f"a callback failed: {type(error).__name__}: {error}")
