"""Tests against the real rclpy: nodes run in processes of their own, the test is one more participant of the graph.

They need the built workspace: `make test`, or .venv/bin/python scripts/ros_workspace.py -- python -m pytest tests/ros
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# A graph of our own, set before rclpy is imported: nobody else's nodes are heard or disturbed.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

SCRIPTS = Path(__file__).parents[2] / "scripts"
START_S = 180.0  # importing torch on a busy machine
MATCH_S = 0.5  # until a publisher knows of a new subscription: it sends what is not latched to those it knows
BUILT = importlib.util.find_spec("rclpy") is not None and importlib.util.find_spec("audio_common_msgs") is not None
if not BUILT:
    collect_ignore = [path for path in Path(__file__).parent.glob("test_*.py") if path.name != "test_built.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.ros)


FAST = {
    "allow_random_weights": True,
    "trigger.min_confidence": 0.0,  # untrained weights are sure of nothing
    "device": "cpu",
    "cpu_threads": 1,
    "diffusion.steps": 2,
    "shape.num_points": 256,
    "refine.iterations": 3,
    "trigger.mode": "on_demand",
    "weights_dir": "/nonexistent",
    "diagnostics.period_s": 0.2,
    "sync.max_slop_s": 60.0,  # images are late on a busy machine
}


class Process:
    """A node in a process of its own, its output kept. `shape_node` gets the model of `load`, a function of fakes.py;
    for None it is the installed script with the real model."""

    def __init__(
        self,
        module: str,
        log: Path,
        parameters: dict,
        remaps: dict[str, str] | None,
        load: str | None,
        extra: list[str],
    ) -> None:
        self.log = log
        arguments = ["--ros-args", *extra]
        for name, value in parameters.items():
            arguments += ["-p", f"{name}:={str(value).lower() if isinstance(value, bool) else value}"]
        for source, target in (remaps or {}).items():
            arguments += ["-r", f"{source}:={target}"]
        given = f"load=fakes.{load}" if module == "shape_node" else ""
        python = {"shape_node": "node"}.get(module, module)
        code = f"import fakes; from audio2shape_ros.{python} import main; main({given})"
        command = ["-c", code] if load else [str(SCRIPTS / module)]
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, *command, *arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, "RCUTILS_LOGGING_BUFFERED_STREAM": "0", "PYTHONPATH": path},
            )

    def said(self) -> str:
        return self.log.read_text()

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> int:
        if self.alive():
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Iterator[Callable[..., Process]]:
    """start(module="shape_node", parameters, remaps, load) -> Process; all are stopped after the module's tests."""
    running: list[Process] = []

    def starter(
        module: str = "shape_node",
        parameters: dict | None = None,
        remaps: dict | None = None,
        load: str | None = "load",
        arguments: list[str] | None = None,
    ) -> Process:
        log = tmp_path_factory.mktemp("log") / f"{module}.txt"
        every = {**(FAST if module == "shape_node" else {}), **(parameters or {})}
        running.append(Process(module, log, every, remaps, load, arguments or []))
        return running[-1]

    yield starter
    for process in running:
        process.stop()


class Client:
    """The test's own node, spinning in a thread."""

    def __init__(self) -> None:
        import rclpy

        from audio2shape_ros.ros import SteadyExecutor, spin

        rclpy.init()
        self.node = rclpy.create_node("tester")
        self._executor = SteadyExecutor(2)
        self._executor.add_node(self.node)

        self._thread = threading.Thread(target=spin, args=(self._executor, self.node.get_logger()), daemon=True)
        self._thread.start()

    def close(self) -> None:
        import rclpy

        self._executor.shutdown()
        rclpy.try_shutdown()
        self._thread.join(5)

    def wait_for(self, condition: Callable[[], object], what: str, seconds: float = START_S):
        """The first true value of `condition`; fails the test after `seconds`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.02)
        pytest.fail(f"{what}: not within {seconds} s")

    def when_idle(self, ask: Callable[[], object]):
        """What `ask` gives, called when no other callback of the node runs: rclpy's action client loses an answer that
        is taken before the question was noted."""
        asked: list = []
        timer = self.node.create_timer(0.01, lambda: asked or asked.append(ask()))
        given = self.wait_for(lambda: asked, "the node's turn")[0]
        self.node.destroy_timer(timer)
        return given

    def in_turn(self, ask: Callable[[], object], what: str):
        """The result of the future that `ask` gives, called in its turn."""
        future = self.when_idle(ask)
        return self.wait_for(future.done, what) and future.result()

    def collect(self, kind: type, topic: str, qos) -> list:
        """A list that fills with the messages of a topic."""
        messages: list = []
        self.node.create_subscription(kind, topic, messages.append, qos)
        time.sleep(MATCH_S)
        return messages

    def call(self, kind: type, name: str, request, seconds: float = START_S):
        client = self.node.create_client(kind, name)
        assert client.wait_for_service(seconds), f"service {name} did not appear"
        future = client.call_async(request)
        response = self.wait_for(future.done, f"answer of {name}", seconds) and future.result()
        self.node.destroy_client(client)
        return response

    def state(self, node: str = "/audio2shape") -> str:
        from lifecycle_msgs.srv import GetState

        return self.call(GetState, f"{node}/get_state", GetState.Request()).current_state.label

    def change_state(self, transition: int, node: str = "/audio2shape") -> bool:
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        return self.call(
            ChangeState, f"{node}/change_state", ChangeState.Request(transition=Transition(id=transition))
        ).success


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    participant = Client()
    yield participant
    participant.close()


@pytest.fixture(scope="module")
def export_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def process(request, start, client, export_dir):
    """The node of a module's tests; with the real, untrained model where the module says LOAD = None."""
    started = start(parameters={"export_dir": export_dir}, load=getattr(request.module, "LOAD", "load"))
    client.wait_for(lambda: "audio2shape" in client.node.get_node_names() or not started.alive(), "the node")
    client.wait_for(lambda: client.state() == "active", "the active state")
    return started


@pytest.fixture(scope="module")
def microphone(client, process):
    from graph import hearing
    from microphone import Microphone

    speaking = Microphone(client)
    client.wait_for(lambda: hearing(client), "audio in diagnostics")
    time.sleep(0.5)  # enough sound for a window
    yield speaking
    speaking.stop()
