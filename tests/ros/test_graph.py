"""The node in its own process, fed and read over DDS as a robot would."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from audio_common_msgs.msg import AudioData, AudioDataStamped, AudioInfo
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.action import ActionClient
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from sounds import RATE, pcm16, tone
from std_msgs.msg import Float64, Header
from std_srvs.srv import SetBool, Trigger

from audio2shape_ros.action import GenerateShape
from audio2shape_ros.conversions import from_cloud
from audio2shape_ros.images import rgb_to_image
from audio2shape_ros.msg import ShapeHypothesis
from audio2shape_ros.srv import SaveShape

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
NODE = "/audio2shape"


class Microphone:
    """Publishes a steady tone as AudioDataStamped, in chunks whose size is not a whole number of frames."""

    def __init__(self, client, topic: str = "/audio") -> None:
        self._node = client.node
        self._publisher = self._node.create_publisher(AudioDataStamped, topic, 10)
        self.info = self._node.create_publisher(AudioInfo, f"{topic}_info", LATCHED)
        self.info.publish(AudioInfo(channels=1, sample_rate=RATE, sample_format="S16LE", coding_format="wave"))
        self.last_end = 0.0
        self._sound, self._position = pcm16(tone(1.0)), 0
        self._timer = self._node.create_timer(0.02, self._speak)

    def _speak(self) -> None:
        now = self._node.get_clock().now()
        chunk = np.take(self._sound, np.arange(self._position, self._position + 641), mode="wrap").astype(np.uint8)
        self._position = (self._position + 641) % len(self._sound)
        message = AudioDataStamped(header=Header(stamp=now.to_msg()))
        message.audio.data = chunk.tobytes()
        self.last_end = now.nanoseconds * 1e-9 + 320 / RATE
        self._publisher.publish(message)

    def stop(self) -> None:
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)


@pytest.fixture(scope="module")
def export_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def process(start, client, export_dir):
    started = start(parameters={"export_dir": export_dir})
    client.wait_for(lambda: "audio2shape" in client.node.get_node_names() or not started.alive(), "the node")
    client.wait_for(lambda: client.state() == "active", "the active state")
    return started


@pytest.fixture(scope="module")
def microphone(client, process):
    speaking = Microphone(client)
    client.wait_for(lambda: hearing(client), "audio in diagnostics")
    time.sleep(0.5)  # enough sound for a window
    yield speaking
    speaking.stop()


def diagnostics(client) -> dict[str, DiagnosticStatus]:
    """The next /diagnostics of the node."""
    arrays = []
    subscription = client.node.create_subscription(DiagnosticArray, "/diagnostics", arrays.append, 10)
    client.wait_for(lambda: arrays, "diagnostics")
    client.node.destroy_subscription(subscription)
    return {status.name.split(": ")[1]: status for status in arrays[-1].status}


def hearing(client) -> bool:
    return diagnostics(client)["audio input"].level == DiagnosticStatus.OK


def generate(client) -> Trigger.Response:
    return client.call(Trigger, f"{NODE}/generate", Trigger.Request())


def stamp_s(stamp: Time) -> float:
    return stamp.sec + stamp.nanosec * 1e-9


def test_sound_becomes_a_cloud_and_a_record(client, microphone):
    clouds = client.collect(PointCloud2, f"{NODE}/points", LATCHED)
    shapes = client.collect(ShapeHypothesis, f"{NODE}/shape", LATCHED)
    response = generate(client)
    asked_at = microphone.last_end
    assert response.success, response.message
    client.wait_for(lambda: clouds and shapes, "cloud and record", 5)
    cloud, shape = clouds[-1], shapes[-1]
    table = from_cloud(cloud)
    assert len(table) == 256
    assert np.isfinite(table["x"]).all()
    assert cloud.is_dense
    assert cloud == shape.cloud
    assert shape.generated
    assert not shape.refined
    assert shape.header == cloud.header
    assert shape.header.stamp == shape.audio_end
    assert 0 < asked_at - stamp_s(shape.audio_end) + 0.5 < 10  # the end of the sound, not the time of publishing
    assert 0.1 < stamp_s(shape.audio_end) - stamp_s(shape.audio_start) <= 4.01
    assert shape.labels[0] in response.message
    assert list(shape.scores) == sorted(shape.scores, reverse=True)
    assert shape.weights_sha256 == "random"
    assert shape.stage_names[-1] == "total"
    low, high = (f([table[c] for c in "xyz"], axis=1) for f in (np.min, np.max))
    size = [shape.size.x, shape.size.y, shape.size.z]  # without a camera the frame is upright, so the boxes agree
    np.testing.assert_allclose(high - low, size, rtol=1e-3)


def test_late_joiner_in_another_process_gets_the_last_cloud(client, microphone):
    assert generate(client).success
    code = """
import rclpy, sys
from rclpy.qos import QoSProfile, DurabilityPolicy
from sensor_msgs.msg import PointCloud2
rclpy.init(); node = rclpy.create_node("late"); got = []
qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
node.create_subscription(PointCloud2, "/audio2shape/points", got.append, qos)
for _ in range(200):
    rclpy.spin_once(node, timeout_sec=0.1)
    if got: print(got[0].width, len(got[0].data)); sys.exit(0)
sys.exit(1)
"""
    late = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert late.returncode == 0, late.stderr
    assert late.stdout.split() == ["256", str(256 * 20)]


def test_malformed_messages_do_not_end_the_node(client, process, microphone):
    node = client.node
    images = node.create_publisher(Image, "/image", 10)
    infos = node.create_publisher(CameraInfo, "/camera_info", 10)
    audio = node.create_publisher(AudioDataStamped, "/audio", 10)
    client.wait_for(lambda: images.get_subscription_count() and infos.get_subscription_count(), "the camera input")
    now = node.get_clock().now().to_msg()
    for encoding, size in (("rgb8", 3), ("nonsense", 12), ("bayer_rggb8", 1), ("", 0)):
        images.publish(Image(header=Header(stamp=now), width=2, height=2, step=6, encoding=encoding, data=bytes(size)))
    infos.publish(CameraInfo(k=[float("nan")] * 9))
    for data in (b"", b"\x01", bytes(100_001)):
        message = AudioDataStamped()
        message.audio.data = data
        audio.publish(message)
    for told in (AudioInfo(), AudioInfo(channels=1, sample_rate=4_000_000_000, sample_format="X")):
        microphone.info.publish(told)
    microphone.info.publish(AudioInfo(channels=1, sample_rate=RATE, sample_format="S16LE", coding_format="wave"))
    time.sleep(1.0)
    response = generate(client)
    assert response.success, response.message
    assert process.alive()
    for publisher in (images, infos, audio):
        node.destroy_publisher(publisher)


def test_parameters_are_checked_when_set(client, process):
    def set_atomically(name, value):
        request = SetParametersAtomically.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        return client.call(SetParametersAtomically, f"{NODE}/set_parameters_atomically", request).result

    assert not set_atomically("audio.window_s", 99.0).successful
    refused = set_atomically("trigger.mode", "often")
    assert not refused.successful
    assert "on_demand" in refused.reason
    assert "cleanup" in set_atomically("device", "cuda").reason
    assert set_atomically("diffusion.seed", 7).successful
    assert set_atomically("diffusion.seed", 0).successful


def test_live_sound_makes_shapes_while_enabled(client, microphone):
    def mode(value):
        request = SetParametersAtomically.Request(
            parameters=[
                Parameter("trigger.mode", value=value).to_parameter_msg(),
                Parameter("trigger.period_s", value=0.3).to_parameter_msg(),
            ]
        )
        assert client.call(SetParametersAtomically, f"{NODE}/set_parameters_atomically", request).result.successful

    shapes = client.collect(ShapeHypothesis, f"{NODE}/shape", 10)
    mode("continuous")
    client.wait_for(lambda: len(shapes) >= 3, "three shapes")
    stamps = [stamp_s(s.header.stamp) for s in shapes]
    assert stamps == sorted(stamps)
    assert client.call(SetBool, f"{NODE}/set_enabled", SetBool.Request(data=False)).success
    time.sleep(1.0)
    before = len(shapes)
    time.sleep(1.0)
    assert len(shapes) == before
    assert client.call(SetBool, f"{NODE}/set_enabled", SetBool.Request(data=True)).success
    client.wait_for(lambda: len(shapes) > before, "shapes again")
    mode("on_demand")
    time.sleep(1.0)


def test_save_stays_inside_export_dir(client, microphone, export_dir):
    def save(path, suffix="ply"):
        return client.call(SaveShape, f"{NODE}/save_shape", SaveShape.Request(file_path=path, format=suffix))

    assert generate(client).success
    for suffix in ("ply", "npz", "obj", "splat"):
        saved = save(f"sub/shape.{suffix}")
        assert saved.success, saved.message
        assert saved.path == str(export_dir / f"sub/shape.{suffix}")
        assert (export_dir / f"sub/shape.{suffix}").stat().st_size > 100
    assert save("").path.endswith(".ply")
    for bad in ("../out.ply", "/tmp/out.ply", "sub/../../out.ply"):
        refused = save(bad)
        assert not refused.success
        assert "export_dir" in refused.message
    assert not save("shape", "stl").success


def test_clear_shows_nothing(client, microphone):
    clouds = client.collect(PointCloud2, f"{NODE}/points", LATCHED)
    assert client.call(Trigger, f"{NODE}/clear", Trigger.Request()).success
    client.wait_for(lambda: clouds and clouds[-1].width == 0, "an empty cloud")
    refused = client.call(SaveShape, f"{NODE}/save_shape", SaveShape.Request())
    assert not refused.success


def test_image_is_used_and_gives_its_frame(client, microphone):
    node = client.node
    images = node.create_publisher(Image, "/image", qos_profile_sensor_data)
    infos = node.create_publisher(CameraInfo, "/camera_info", qos_profile_sensor_data)
    pixels = np.full((96, 128, 3), 255, np.uint8)
    pixels[30:70, 40:90] = (200, 30, 30)
    k = [110.0, 0.0, 63.5, 0.0, 110.0, 47.5, 0.0, 0.0, 1.0]

    def show():
        header = Header(stamp=node.get_clock().now().to_msg(), frame_id="camera_optical_frame")
        images.publish(rgb_to_image(pixels, header))
        infos.publish(CameraInfo(header=header, width=128, height=96, k=k, distortion_model="plumb_bob"))

    timer = node.create_timer(0.05, show)
    shapes = client.collect(ShapeHypothesis, f"{NODE}/shape", 10)
    previews = client.collect(PointCloud2, f"{NODE}/preview", qos_profile_sensor_data)
    pictures = client.collect(Image, f"{NODE}/debug/refinement_image", qos_profile_sensor_data)
    client.wait_for(lambda: diagnostics(client)["camera"].message == "seeing", "the camera in diagnostics")
    response = generate(client)
    node.destroy_timer(timer)
    assert response.success, response.message
    client.wait_for(lambda: shapes, "the shape", 5)
    shape = shapes[-1]
    assert shape.header.frame_id == "camera_optical_frame"
    assert "pose" in shape.stage_names
    assert dict(zip(shape.stage_names, shape.stage_ms))["pose"] > 0
    assert from_cloud(shape.cloud)["z"].min() > 0  # in front of the camera
    client.wait_for(lambda: previews and pictures, "preview and picture", 5)
    assert previews[-1].header == shape.header
    assert (pictures[-1].height, pictures[-1].width) == (96, 256)  # what the camera saw beside what was rendered


def test_detection_markers_and_timings_go_with_the_shape(client, microphone):
    vision, visual = pytest.importorskip("vision_msgs.msg"), pytest.importorskip("visualization_msgs.msg")
    detections = client.collect(vision.Detection3DArray, f"{NODE}/detections", 10)
    markers = client.collect(visual.MarkerArray, f"{NODE}/markers", LATCHED)
    latencies = client.collect(Float64, f"{NODE}/debug/pipeline_latency_ms", 10)
    shapes = client.collect(ShapeHypothesis, f"{NODE}/shape", 10)
    for topic in ("detections", "debug/pipeline_latency_ms", "shape"):
        client.wait_for(lambda topic=topic: client.node.count_publishers(f"{NODE}/{topic}"), topic, 10)
    time.sleep(0.5)  # volatile topics need the match on the other side too
    assert generate(client).success
    client.wait_for(lambda: detections and latencies and shapes, "detection, timing and shape", 5)
    (detection,) = detections[-1].detections
    assert (detection.id, detection.header) == (shapes[-1].id, shapes[-1].header)
    assert detection.results[0].hypothesis.class_id == shapes[-1].labels[0]
    client.wait_for(lambda: markers and markers[-1].markers[0].header == shapes[-1].header, "its markers", 5)
    assert latencies[-1].data > 0


class TestAction:
    @pytest.fixture
    def action(self, client, microphone):
        action = ActionClient(client.node, GenerateShape, f"{NODE}/generate_shape")
        assert action.wait_for_server(10)
        yield action
        action.destroy()

    @staticmethod
    def send(client, action, feedback=None, **goal):
        future = action.send_goal_async(GenerateShape.Goal(**goal), feedback_callback=feedback)
        return client.wait_for(future.done, "the goal's answer", 10) and future.result()

    @staticmethod
    def result(client, handle):
        future = handle.get_result_async()
        return client.wait_for(future.done, "the result") and future.result()

    def test_feedback_tells_every_step(self, client, action):
        told = []
        handle = self.send(client, action, lambda m: told.append(m.feedback), steps=5, seed=3)
        answer = self.result(client, handle)
        assert answer.status == GoalStatus.STATUS_SUCCEEDED
        assert answer.result.code == GenerateShape.Result.SUCCESS, answer.result.message
        assert answer.result.shape.seed == 3
        client.wait_for(lambda: any(f.stage == f.STAGE_DECODE for f in told), "feedback", 5)
        diffusing = [f.step for f in told if f.stage == f.STAGE_DIFFUSION]
        assert diffusing == [1, 2, 3, 4, 5]
        assert told[-1].elapsed_s > 0

    def test_same_seed_same_cloud(self, client, action, tmp_path):
        import soundfile

        soundfile.write(tmp_path / "tone.wav", tone(1.0), RATE)
        clouds = []
        for seed in (5, 5, 6):
            handle = self.send(client, action, audio_uri=f"file://{tmp_path}/tone.wav", seed=seed, num_points=300)
            clouds.append(bytes(self.result(client, handle).result.shape.cloud.data))
        assert clouds[0] == clouds[1] != clouds[2]
        assert len(clouds[0]) == 300 * 20

    def test_cancel_stops_between_steps(self, client, action):
        started = threading.Event()
        handle = self.send(client, action, lambda _: started.set(), steps=1000)
        assert started.wait(20)
        asked = time.monotonic()
        handle.cancel_goal_async()
        answer = self.result(client, handle)
        assert answer.status == GoalStatus.STATUS_CANCELED
        assert answer.result.code == GenerateShape.Result.CANCELED
        assert time.monotonic() - asked < 3
        assert generate(client).success

    def test_second_goal_is_rejected_while_one_runs(self, client, action):
        started = threading.Event()
        first = self.send(client, action, lambda _: started.set(), steps=1000)
        assert started.wait(20)
        assert not self.send(client, action, steps=1).accepted
        first.cancel_goal_async()
        self.result(client, first)
        third = self.send(client, action, steps=1)
        assert third.accepted
        self.result(client, third)

    def test_preempt_gives_way_to_the_newer_goal(self, client, action):
        def policy(value):
            request = SetParametersAtomically.Request(parameters=[Parameter("goal_policy", value=value).to_parameter_msg()])
            assert client.call(SetParametersAtomically, f"{NODE}/set_parameters_atomically", request).result.successful

        policy("preempt")
        started = threading.Event()
        first = self.send(client, action, lambda _: started.set(), steps=1000)
        assert started.wait(20)
        second = self.send(client, action, steps=1)
        assert self.result(client, second).status == GoalStatus.STATUS_SUCCEEDED
        assert self.result(client, first).result.code == GenerateShape.Result.CANCELED
        policy("reject")

    def test_deadline_is_kept(self, client, action):
        asked = time.monotonic()
        answer = self.result(client, self.send(client, action, steps=1000, deadline_s=0.5))
        assert answer.status == GoalStatus.STATUS_ABORTED
        assert answer.result.code == GenerateShape.Result.DEADLINE
        assert time.monotonic() - asked < 5

    @pytest.mark.parametrize(
        ("goal", "code"),
        [
            ({"audio_uri": "/nonexistent.wav"}, GenerateShape.Result.NO_AUDIO),
            ({"audio_uri": "http://example.com/a.wav"}, GenerateShape.Result.BAD_REQUEST),
            ({"window_s": -1.0}, GenerateShape.Result.BAD_REQUEST),
            ({"num_points": 3}, GenerateShape.Result.BAD_REQUEST),
        ],
    )
    def test_bad_goals_are_explained(self, client, action, goal, code):
        answer = self.result(client, self.send(client, action, **goal))
        assert answer.result.code == code
        assert len(answer.result.message) > 20


def test_mp3_is_refused_with_a_remedy(client, start):
    process = start(remaps={"__ns": "/mp3"})
    data = client.node.create_publisher(AudioData, "/mp3/audio", 10)
    statuses = []
    client.node.create_subscription(
        DiagnosticArray, "/diagnostics",
        lambda a: statuses.extend(s for s in a.status if s.name == "mp3/audio2shape: audio input"), 10,
    )  # fmt: skip
    frame = b"\xff\xfb\x90\x64" + bytes(413)

    def refused():
        data.publish(AudioData(data=frame))
        return statuses and statuses[-1].level == DiagnosticStatus.ERROR and "capture_wave" in statuses[-1].message

    client.wait_for(refused, "the remedy in diagnostics")
    response = client.call(Trigger, "/mp3/audio2shape/generate", Trigger.Request())
    assert not response.success
    assert "mp3" in response.message
    assert process.alive()
