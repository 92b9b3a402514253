"""Collected even where there is no workspace, to say that the ROS tests did not run."""

import pytest


def test_workspace_is_built():
    reason = "the ROS workspace is not in this environment, tests/ros was left out: run make test"
    pytest.importorskip("rclpy", reason=reason)
    pytest.importorskip("audio_common_msgs", reason=reason)
    from audio2shape_ros.msg import ShapeHypothesis

    assert "cloud" in ShapeHypothesis.get_fields_and_field_types()
