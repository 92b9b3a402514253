"""An executor that what cannot be taken does not deafen."""

import threading

import pytest
import rclpy
from audio2shape_ros.action import GenerateShape
from rclpy.action import ActionClient, ActionServer

from audio2shape_ros.ros import InvalidHandle, RCLError, SteadyExecutor, spin


@pytest.fixture
def node(client):
    """A node, spun by an executor of its own."""
    made, executor = rclpy.create_node("spun"), SteadyExecutor(2)
    executor.add_node(made)
    threading.Thread(target=spin, args=(executor, made.get_logger()), daemon=True).start()
    yield made
    executor.shutdown()
    made.destroy_node()


@pytest.mark.parametrize("error", [InvalidHandle, RCLError])
def test_the_callback_group_goes_on(client, node, error):
    """What rclpy raises where an action client is destroyed between being found ready and being taken."""

    def succeed(goal):
        goal.succeed()
        return GenerateShape.Result()

    server = ActionServer(client.node, GenerateShape, "gone", succeed)
    action, failed, ticks = ActionClient(node, GenerateShape, "gone"), threading.Event(), []
    assert action.wait_for_server(10)

    def take_too_late():
        action.destroy()
        failed.set()
        raise error("destroyed")

    action.take_data = take_too_late
    action.send_goal_async(GenerateShape.Goal())
    assert failed.wait(10)
    node.create_timer(0.01, lambda: ticks.append(None))  # in the same callback group
    client.wait_for(lambda: len(ticks) > 3, "another callback of the group", 10)
    server.destroy()
