"""The launch files: started where launch_ros is installed, read as they are where it is not."""

import ast
import importlib.util
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from graph import LATCHED
from microphone import Microphone
from rcl_interfaces.srv import GetParameters
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import PointCloud2
from sounds import RATE, tone

from audio2shape_core.checkpoint import WEIGHTS
from audio2shape_ros.parameters import BY_NAME

LAUNCH = Path(__file__).parents[2] / "launch"


def tables(name: str) -> dict:
    """The literal tables at the top of a launch file, without importing launch."""
    found = {}
    for statement in ast.parse((LAUNCH / name).read_text()).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict):
            keys = [ast.literal_eval(key) for key in statement.value.keys]
            found[statement.targets[0].id] = dict(zip(keys, statement.value.values))
    return found


@pytest.mark.parametrize("name", ["generate.launch.py", "demo.launch.py"])
def test_every_argument_is_described(name):
    for argument, value in tables(name)["ARGUMENTS"].items():
        description = ast.literal_eval(value.elts[1])
        assert description.endswith("."), argument


def test_arguments_override_parameters_that_exist():
    found = tables("generate.launch.py")
    for argument, value in found["OVERRIDES"].items():
        assert argument in found["ARGUMENTS"]
        assert ast.literal_eval(value) in BY_NAME
    asked = {"namespace", "params_file", "device", "rviz", "autostart", "log_level", "use_sim_time", "audio_topic"}
    assert asked <= set(found["ARGUMENTS"])


needs_launch_ros = pytest.mark.skipif(
    importlib.util.find_spec("launch_ros") is None, reason="launch_ros is on no Python index"
)
START = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
arguments = [argument.split(":=") for argument in sys.argv[2:]]
included = IncludeLaunchDescription(PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=arguments)
service = LaunchService()
service.include_launch_description(LaunchDescription([included]))
sys.exit(service.run())
"""


@contextmanager
def launched(name: str, *arguments: str) -> Iterator[None]:
    """`ros2 launch`, in few words; interrupted at the end, after which nothing may be left."""
    process = subprocess.Popen([sys.executable, "-c", START, str(LAUNCH / name), *arguments], start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"something of {name} still runs 2 s after it ended")


@needs_launch_ros
def test_generate_starts_the_node_with_its_arguments(client, tmp_path):
    parameters = tmp_path / "parameters.yaml"
    given = {"allow_random_weights": True, "weights_dir": "/nonexistent", "trigger.mode": "continuous"}
    parameters.write_text(yaml.safe_dump({"/**": {"ros__parameters": given}}))
    arguments = ("namespace:=launched", f"params_file:={parameters}", "audio_topic:=/mic", "trigger_mode:=on_demand")
    with launched("generate.launch.py", *arguments):
        client.wait_for(lambda: client.state("/launched/audio2shape") == "active", "the launched node")
        client.wait_for(lambda: client.node.count_subscribers("/launched/image"), "its camera input", 10)
        asked = GetParameters.Request(names=["trigger.mode", "weights_dir"])
        answer = client.call(GetParameters, "/launched/audio2shape/get_parameters", asked)
        assert [value.string_value for value in answer.values] == ["on_demand", "/nonexistent"]
        microphone = Microphone(client, "/mic")
        client.wait_for(lambda: client.node.count_subscribers("/mic"), "its microphone", 20)
        microphone.stop()


@needs_launch_ros
@pytest.mark.skipif(not (WEIGHTS / "denoiser.safetensors").is_file(), reason="the shipped weights are not here")
def test_the_demo_shows_a_shape(client, tmp_path):
    soundfile.write(tmp_path / "tone.wav", tone(3.0), RATE)
    clouds = client.collect(PointCloud2, "/audio2shape/points", LATCHED)
    with launched("demo.launch.py", f"audio:={tmp_path}/tone.wav", "rviz:=false", "device:=cpu"):
        client.wait_for(lambda: clouds and clouds[-1].width, "the cloud")


@needs_launch_ros
@pytest.mark.parametrize(
    ("frame_id", "fixed", "namespace", "own"),
    [("", "lens_optical_frame", "", "audio2shape"), ("map", "map", "/left", "left/audio2shape")],
)
def test_rviz_looks_where_shapes_stand(frame_id, fixed, namespace, own):
    """In the camera's frame, and without a camera upright before where it would be."""
    from launch.utilities import perform_substitutions

    from launch import LaunchContext

    spec = importlib.util.spec_from_file_location("generate_launch", LAUNCH / "generate.launch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    context = LaunchContext()
    context.launch_configurations.update(
        rviz="true",
        camera_frame="lens_optical_frame",
        frame_id=frame_id,
        namespace=namespace,
        image_topic="image",
        use_sim_time="false",
    )

    def words(node) -> list[str]:
        """What the program is given, before what concerns ROS."""
        performed = (perform_substitutions(context, part) for part in node.cmd[1:])
        return list(itertools.takewhile(lambda word: word != "--ros-args", performed))

    viewer, transform = map(words, module.rviz(context))
    assert viewer[viewer.index("-f") + 1] == fixed
    numbers = {name: float(transform[transform.index(f"--{name}") + 1]) for name in ("z", "qx", "qy", "qz", "qw")}
    assert (transform[transform.index("--frame-id") + 1], transform[-1]) == ("lens_optical_frame", own)
    turn = Rotation.from_quat([numbers[f"q{axis}"] for axis in "xyzw"])
    front, up = turn.apply([[1, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose([*front, *up, numbers["z"]], [0, 0, -1, 0, -1, 0, 2], atol=1e-9)
