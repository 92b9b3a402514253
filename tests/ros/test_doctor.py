"""What the doctor sees of a graph, run as a user would."""

import subprocess
import sys
from pathlib import Path

from audio_common_msgs.msg import AudioInfo
from graph import Camera, generate
from sensor_msgs.msg import Image

SCRIPTS = Path(__file__).parents[2] / "scripts"
DOCTOR = SCRIPTS / "doctor"


def hidden(script: str) -> subprocess.CompletedProcess:
    """The script where soundfile cannot be imported, as after colcon build without the pip step."""
    code = f"""
import runpy, sys
class Hidden:
    def find_spec(self, name, *_):
        if name == "soundfile":
            raise ModuleNotFoundError("No module named 'soundfile'", name=name)
sys.meta_path.insert(0, Hidden())
sys.argv = ["{script}"]
runpy.run_path("{SCRIPTS / script}", run_name="__main__")
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)


def test_a_missing_library_is_named_with_its_remedy():
    ran = hidden("doctor")
    assert ran.returncode == 1
    assert "MEND  soundfile: No module named 'soundfile': run `pip install" in ran.stdout, ran.stderr
    for node in ("shape_node", "replay_node"):
        ran = hidden(node)
        assert ran.returncode == 1
        assert "Traceback" not in ran.stderr
        assert "No module named 'soundfile'" in ran.stderr
        assert "pip install" in ran.stderr


def doctor(*remaps: str) -> tuple[int, list[str]]:
    """Exit code and lines."""
    arguments = [item for remap in remaps for item in ("-r", remap)]
    ran = subprocess.run(
        [sys.executable, str(DOCTOR), "--ros-args", *arguments], capture_output=True, text=True, timeout=300
    )
    return ran.returncode, ran.stdout.splitlines()


def test_a_healthy_graph_and_what_a_running_node_says(client, process, microphone):
    camera = Camera(client, k=[0.0] * 9)
    client.wait_for(lambda: generate(client).success, "a shape that had a look at the picture")
    _, lines = doctor()
    camera.stop()
    assert any(line.startswith("  ok  audio: audio_common_msgs/msg/AudioDataStamped from tester") for line in lines)
    assert "  ok  audio2shape: audio input: hearing" in lines
    assert any(line.startswith("note  audio2shape: camera: ") and "not calibrated" in line for line in lines)
    assert any(" weights: " in line for line in lines)  # the machine is looked at too


def test_wrong_types_must_be_mended(client):
    wrong = [
        client.node.create_publisher(kind, f"/wrong/{topic}", 10)
        for kind, topic in ((Image, "audio"), (AudioInfo, "image"))
    ]
    code, lines = doctor("__ns:=/wrong")
    assert code == 1
    assert any(line.startswith("MEND  audio carries sensor_msgs/msg/Image, expected") for line in lines)
    assert any(line.startswith("MEND  image carries audio_common_msgs/msg/AudioInfo") for line in lines)
    assert any("no node audio2shape runs here" in line for line in lines)
    for publisher in wrong:
        client.node.destroy_publisher(publisher)
