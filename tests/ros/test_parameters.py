from pathlib import Path

import pytest
import yaml

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


def test_fixed_parameters_change_only_before_configuring():
    assert "cleanup" in parameters.first_problem([("device", "cpu")], configured=True)
    assert not parameters.first_problem([("device", "cpu")], configured=False)
    assert not parameters.first_problem([("use_sim_time", True)], configured=True)
