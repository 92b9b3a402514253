"""What the doctor sees of a graph, run as a user would."""

import signal
import subprocess
import sys
from pathlib import Path

from audio_common_msgs.msg import AudioInfo
from graph import Camera, generate
from sensor_msgs.msg import Image

SCRIPTS = Path(__file__).parents[2] / "scripts"
DOCTOR = SCRIPTS / "doctor"


def hidden(script: str, library: str) -> subprocess.CompletedProcess:
    """The script where a library cannot be imported, as after colcon build without the pip step."""
    code = f"""
import runpy, sys
class Hidden:
    def find_spec(self, name, *_):
        if name == "{library}":
            raise ModuleNotFoundError("No module named '{library}'", name=name)
sys.meta_path.insert(0, Hidden())
sys.argv = ["{script}"]
runpy.run_path("{SCRIPTS / script}", run_name="__main__")
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_a_missing_library_is_named_with_its_remedy():
    ran = hidden("doctor", "soundfile")
    assert ran.returncode == 1
    assert "MEND  soundfile: No module named 'soundfile': run `pip install" in ran.stdout, ran.stderr
    for node in ("shape_node", "replay_node"):
        ran = hidden(node, "numpy")  # sound files are opened by their names only, so soundfile is not missed at once
        assert ran.returncode == 1
        assert "Traceback" not in ran.stderr
        assert "No module named 'numpy'" in ran.stderr
        assert "pip install" in ran.stderr


def doctor(*remaps: str, options: tuple[str, ...] = ()) -> tuple[int, list[str]]:
    """Exit code and lines."""
    arguments = [*options, "--ros-args", *(item for remap in remaps for item in ("-r", remap))]
    ran = subprocess.run([sys.executable, str(DOCTOR), *arguments], capture_output=True, text=True, timeout=300)
    assert not ran.stderr
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


def test_nodes_in_namespaces_are_found_wherever_the_doctor_is(client, start):
    start(remaps={"__ns": "/robot/left"})
    client.wait_for(lambda: client.state("/robot/left/audio2shape") == "active", "the node")
    _, lines = doctor()
    assert any(line.startswith("note  robot/left/audio2shape: audio input: nothing arrives") for line in lines)
    assert not any("no node audio2shape runs here" in line for line in lines)


def test_the_device_is_honoured_and_the_model_loaded_only_if_asked(client):
    code, lines = doctor(options=("--device", "cuda:77"))
    assert code == 1
    assert any(line.startswith("MEND  weights: device 'cuda:77' is not there") for line in lines)
    _, lines = doctor()
    assert not any("loaded on" in line for line in lines)


def test_a_signal_ends_it_without_a_traceback():
    running = subprocess.Popen([sys.executable, str(DOCTOR)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    running.stdout.readline()
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert not said


def test_wrong_types_must_be_mended(client):
    wrong = [
        client.node.create_publisher(kind, f"/wrong/{topic}", 10)
        for kind, topic in ((Image, "audio"), (AudioInfo, "image"))
    ]
    code, lines = doctor("__ns:=/wrong")
    assert code == 1
    assert any(line.startswith("MEND  /wrong/audio carries sensor_msgs/msg/Image, expected") for line in lines)
    assert any(line.startswith("MEND  /wrong/image carries audio_common_msgs/msg/AudioInfo") for line in lines)
    assert any("no node audio2shape runs here" in line for line in lines)
    for publisher in wrong:
        client.node.destroy_publisher(publisher)
