import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rcl_interfaces.srv import GetParameters

from audio2shape_ros import parameters
from audio2shape_ros.parameters import BY_NAME, TABLE

ROOT = Path(__file__).parents[2]


def test_yaml_file_is_the_table():
    text = (ROOT / "config/generate.yaml").read_text()
    assert text == parameters.to_yaml(), "run: python -m audio2shape_ros.parameters yaml > config/generate.yaml"
    flat = {}

    def walk(node, prefix=""):
        for key, value in node.items():
            walk(value, f"{prefix}{key}.") if isinstance(value, dict) else flat.__setitem__(prefix + key, value)

    walk(yaml.safe_load(text)["/**"]["ros__parameters"])
    assert flat == {p.name: p.default for p in TABLE}


def test_readme_shows_the_table():
    assert parameters.to_markdown() in (ROOT / "README.md").read_text(), "python -m audio2shape_ros.parameters markdown"


def test_every_parameter_is_described_and_its_default_allowed():
    for p in TABLE:
        assert p.description.endswith("."), p.name
        assert not p.problem(p.default), p.name
        assert p.low is None or isinstance(p.default, int | float), p.name


@pytest.mark.parametrize(
    ("name", "value"), [("audio.window_s", 11.0), ("audio.window_s", float("nan")), ("trigger.mode", "often")]
)
def test_values_out_of_range_are_named(name, value):
    assert name in BY_NAME[name].problem(value)


def test_an_empty_export_dir_is_refused():
    assert "is empty" in BY_NAME["export_dir"].problem(" ")


def run_node(tmp_path: Path, text: str) -> subprocess.CompletedProcess:
    """The node with a parameter file, until it ends."""
    file = tmp_path / "given.yaml"
    file.write_text(text)
    command = [sys.executable, ROOT / "scripts/shape_node", "--ros-args", "--params-file", file]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ('audio.window_s: "long"', "audio.window_s: 'long', expected a number"),
        ("audio.window_s: 99.0", "audio.window_s: 99.0, expected 0.5 to 10.0"),
        ("audio.window_s: .nan", "audio.window_s: nan, expected 0.5 to 10.0"),
        ("autostart: 1", "autostart: 1, expected true or false"),
        ("cpu_threads: 1.5", "cpu_threads: 1.5, expected a whole number"),
        ("diffusion.steps: [1, 2]", "diffusion.steps: [1, 2], expected a whole number"),
        ('trigger.mode: "often"', "trigger.mode: 'often', expected one of continuous, onset, on_demand"),
        ('export_dir: ""', "export_dir is empty, expected text"),
    ],
)
def test_a_parameter_that_cannot_be_used_ends_the_node_with_one_line(tmp_path, given, message):
    ended = run_node(tmp_path, f"/**:\n  ros__parameters:\n    {given}\n")
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == f"audio2shape: {message} (given in {tmp_path}/given.yaml)"
    assert "Traceback" not in ended.stderr


def test_a_file_that_is_no_parameter_file_ends_the_node_with_one_line(tmp_path):
    ended = run_node(tmp_path, "/**: [")
    assert ended.returncode == 2
    assert str(tmp_path / "given.yaml") in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_whole_numbers_are_taken_where_numbers_are_expected_and_unknown_names_named(start, client, tmp_path):
    file = tmp_path / "given.yaml"
    file.write_text("/**:\n  ros__parameters:\n    audio: {window_s: 4, max_age: 3}\n")
    process = start(parameters={"autostart": False}, arguments=["--params-file", str(file)])
    asked = GetParameters.Request(names=["audio.window_s"])
    (value,) = client.call(GetParameters, "/audio2shape/get_parameters", asked).values
    assert value.double_value == 4.0
    assert "parameter audio.max_age is none of this node's" in process.said()


def test_fixed_parameters_change_only_before_configuring():
    assert "cleanup" in parameters.first_problem([("device", "cpu")], configured=True)
    assert not parameters.first_problem([("device", "cpu")], configured=False)
    assert not parameters.first_problem([("use_sim_time", True)], configured=True)
