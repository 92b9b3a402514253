"""Spinning that outlives the failure of a callback."""

from __future__ import annotations

from rclpy.executors import Executor, ExternalShutdownException, MultiThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation

InvalidHandle = rclpy_implementation.InvalidHandle


class SteadyExecutor(MultiThreadedExecutor):
    """Outlives what is destroyed, or cannot be read, between being found ready and being taken.

    rclpy locks the callback group, takes, and releases the group after the callback, but not when the taking itself
    fails: no callback of that group ever runs again. For the node, whose subscriptions come and go with their
    publishers, that would be deafness without a word.
    """

    def _make_handler(self, entity, node, take_from_wait_list, *rest):
        def take(entity):
            try:
                return take_from_wait_list(entity)
            except InvalidHandle:
                return None
            except Exception as error:
                node.get_logger().error(f"what had arrived was not taken: {type(error).__name__}: {error}")
                return None

        return super()._make_handler(entity, node, take, *rest)


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
