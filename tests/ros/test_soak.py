"""The first seconds of benchmarks/ros_soak.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from ros_soak import Soak  # noqa: E402


def test_no_message_is_lost_and_memory_stays(start, client):
    process = start(parameters={"trigger.mode": "onset", "trigger.listen_s": 0.5, "trigger.period_s": 0.2})
    soak = Soak(client.node)
    soak.wait_until_ready()
    result = soak.run(20.0, 5.0, process.process.pid, show=lambda _: None)
    assert result["dropped"] == 0, result
    assert result["shapes"] >= 4, result
    assert result["restarts"] == 0
    assert result["growth_node_mb"] < 20, result
    assert result["growth_model_mb"] < 20, result
