"""The launch files: started where launch_ros is installed, read as they are where it is not."""

import ast
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.skipif(importlib.util.find_spec("launch_ros") is None, reason="launch_ros is on no Python index")
def test_the_launch_file_starts_the_node(client, tmp_path):
    parameters = tmp_path / "parameters.yaml"
    parameters.write_text("/**:\n  ros__parameters:\n    allow_random_weights: true\n    weights_dir: /nonexistent\n")
    code = "import sys; from launch import LaunchService, LaunchDescription as D; from launch.actions import *; "
    code += "from launch.launch_description_sources import PythonLaunchDescriptionSource as S; s = LaunchService(); "
    code += "s.include_launch_description(D([IncludeLaunchDescription(S(sys.argv[1]), launch_arguments=[a.split(':=') "
    code += "for a in sys.argv[2:]])])); sys.exit(s.run())"
    arguments = [str(LAUNCH / "generate.launch.py"), "namespace:=launched", f"params_file:={parameters}"]
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], start_new_session=True)
    try:
        client.wait_for(lambda: client.state("/launched/audio2shape") == "active", "the launched node")
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)
