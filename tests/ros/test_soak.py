"""The first seconds of benchmarks/ros_soak.py, and a pause of the machine in the middle of them."""

import signal
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from ros_soak import Soak  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def process(start):
    return start(parameters={"trigger.mode": "onset", "trigger.listen_s": 0.5, "trigger.period_s": 0.2})


@pytest.fixture(scope="module")
def soak(client, process):
    talking = Soak(client.node)
    talking.wait_until_ready()
    return talking


def test_no_message_is_lost_and_memory_stays(soak, process):
    result = soak.run(20.0, 5.0, process.process.pid, show=lambda _: None)
    assert result["dropped"] == 0, result
    assert result["shapes"] >= 4, result
    assert result["restarts"] == 0
    assert result["growth_node_mb"] < 20, result
    assert result["growth_model_mb"] < 20, result


def test_what_was_said_while_the_node_stood_still_is_heard(soak, process):
    for seconds, number in ((2.0, signal.SIGSTOP), (7.0, signal.SIGCONT)):
        threading.Timer(seconds, process.process.send_signal, [number]).start()
    result = soak.run(10.0, 0.0, process.process.pid, show=lambda _: None)
    assert result["dropped"] == 0, result
