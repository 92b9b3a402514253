"""Spinning that outlives the failure of a callback."""

from __future__ import annotations

from rclpy.executors import Executor, ExternalShutdownException
from rclpy.impl.implementation_singleton import rclpy_implementation

InvalidHandle = rclpy_implementation.InvalidHandle


def spin(executor: Executor, logger) -> None:
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
