"""All that pip needs stands in pyproject.toml. Under ROS 2, colcon builds the same through CMakeLists.txt."""

from setuptools import setup

setup()
