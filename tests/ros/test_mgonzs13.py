"""The other audio_common_msgs: same package name, other messages, best-effort QoS. It needs a workspace of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
from sounds import RATE, tone

ROOT = Path(__file__).parents[2]
CODE = """
import sys, time
import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile
import audio_common_msgs.msg
from audio2shape_ros.msg import ShapeHypothesis

assert hasattr(audio_common_msgs.msg, "AudioStamped")
rclpy.init()
node, got = rclpy.create_node("tester"), []
latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
node.create_subscription(ShapeHypothesis, "/audio2shape/shape", got.append, latched)
end = time.monotonic() + 90
while not got and time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.2)
print(*[m.cloud.width for m in got])
"""


def test_audio_stamped_becomes_a_cloud(tmp_path):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "tone.wav", np.concatenate([rng.normal(0, 1e-3, RATE), tone(3.0)]), RATE)
    run = "import sys; from audio2shape_ros.{} import main; main(sys.argv)"
    node = ["-p", "allow_random_weights:=true", "-p", "weights_dir:=/nonexistent", "-p", "diffusion.steps:=2"]
    replay = ["-p", f"audio:={tmp_path}/tone.wav", "-p", "type:=audio_stamped"]
    workspace = [sys.executable, str(ROOT / "scripts/ros_workspace.py"), "--family", "mgonzs13", "--", "python", "-c"]
    # The environment of the first workspace must not reach into this one.
    ours = () if "ROS_DISTRO" in os.environ else ("PYTHONPATH", "LD_LIBRARY_PATH")
    clean = {name: value for name, value in os.environ.items() if name not in ours}
    subprocess.run([*workspace, ""], check=True, env=clean, timeout=500)
    processes = []
    try:
        for module, arguments in (("shape_node", node), ("replay_node", replay)):
            log = (tmp_path / f"{module}.txt").open("w")
            command = [*workspace, run.format(module), "--ros-args", *arguments]
            processes.append(subprocess.Popen(command, env=clean, stdout=log, stderr=log, start_new_session=True))
        tester = subprocess.run([*workspace, CODE], env=clean, capture_output=True, text=True, timeout=200)
    finally:
        for process in processes:
            os.killpg(process.pid, 2)
        for process in processes:
            process.wait(timeout=30)
    said = (tmp_path / "shape_node.txt").read_text()
    assert "AudioStamped, best effort" in said, said
    assert tester.stdout.split(), tester.stderr + said
