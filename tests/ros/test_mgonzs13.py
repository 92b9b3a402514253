"""The other audio_common_msgs: same package name, other messages, best-effort QoS. It needs a workspace of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_node_understands_the_other_family():
    workspace = [sys.executable, str(ROOT / "scripts/ros_workspace.py"), "--family", "mgonzs13", "--"]
    # The environment of the first workspace must not reach into this one.
    ours = () if "ROS_DISTRO" in os.environ else ("PYTHONPATH", "LD_LIBRARY_PATH")
    clean = {name: value for name, value in os.environ.items() if name not in ours}
    tests = ["python", "-m", "pytest", "-q", str(Path(__file__).with_name("other_family.py"))]
    ran = subprocess.run([*workspace, *tests], env=clean, capture_output=True, text=True, timeout=900)
    assert ran.returncode == 0, ran.stdout + ran.stderr
