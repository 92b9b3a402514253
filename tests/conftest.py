"""What every test shares: the marker `ros`, given to each test below tests/ros."""

from __future__ import annotations

from pathlib import Path

import pytest

ROS = Path(__file__).parent / "ros"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(ROS):
            item.add_marker(pytest.mark.ros)
