"""The node in its own process, fed and read over DDS as a robot would."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from audio2shape_ros.msg import ShapeHypothesis
from audio2shape_ros.srv import SaveShape
from audio_common_msgs.msg import AudioDataStamped, AudioInfo
from graph import LATCHED, NODE, diagnostics, generate, model_pid, set_parameters, stamp_s
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from sounds import RATE
from std_msgs.msg import Float64, Header
from std_srvs.srv import SetBool, Trigger

from audio2shape_ros.camera.images import rgb_to_image
from audio2shape_ros.outputs.conversions import from_cloud

LOAD = None  # the real model, untrained


def test_sound_becomes_a_cloud_and_a_record(client, microphone):
    clouds = client.collect(PointCloud2, f"{NODE}/points", LATCHED)
    shapes = client.collect(ShapeHypothesis, f"{NODE}/shape", LATCHED)
    before = microphone.last_end
    response = generate(client)
    after = microphone.last_end
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
    assert before - 5 < stamp_s(shape.audio_end) < after + 0.5  # the end of the sound, on its own clock
    assert 0.1 < stamp_s(shape.audio_end) - stamp_s(shape.audio_start) <= 4.01
    assert shape.labels[0] in response.message
    assert list(shape.scores) == sorted(shape.scores, reverse=True)
    assert shape.weights_sha256 == "random"
    assert shape.stage_names[-1] == "total"
    low, high = (f([table[c] for c in "xyz"], axis=1) for f in (np.min, np.max))
    size = [shape.size.x, shape.size.y, shape.size.z]  # without a camera the frame is upright, so the boxes agree
    np.testing.assert_allclose(high - low, size, rtol=1e-3)


def test_only_the_models_process_loads_torch(client, process):
    def libraries(pid: int) -> str:
        return Path(f"/proc/{pid}/maps").read_text()

    assert "libtorch" in libraries(model_pid(client))
    assert "libtorch" not in libraries(process.process.pid)


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
    for info in (AudioInfo(), AudioInfo(channels=1, sample_rate=4_000_000_000, sample_format="X")):
        microphone.info.publish(info)
    microphone.info.publish(AudioInfo(channels=1, sample_rate=RATE, sample_format="S16LE", coding_format="wave"))
    time.sleep(1.0)
    response = generate(client)
    assert response.success, response.message
    assert process.alive()
    for publisher in (images, infos, audio):
        node.destroy_publisher(publisher)


def test_parameters_are_checked_when_set(client, process):
    assert not set_parameters(client, audio__window_s=99.0).successful
    refused = set_parameters(client, diffusion__seed=7, trigger__mode="often")
    assert not refused.successful
    assert "on_demand" in refused.reason
    assert "cleanup" in set_parameters(client, device="cuda").reason
    assert set_parameters(client, diffusion__seed=7).successful
    assert set_parameters(client, diffusion__seed=0).successful


def test_live_sound_makes_shapes_while_enabled(client, microphone):
    shapes = client.collect(ShapeHypothesis, f"{NODE}/shape", 10)
    assert set_parameters(client, trigger__mode="continuous", trigger__period_s=0.3).successful
    client.wait_for(lambda: len(shapes) >= 3, "three shapes")
    stamps = [stamp_s(s.header.stamp) for s in shapes]
    assert stamps == sorted(stamps)
    assert client.call(SetBool, f"{NODE}/set_enabled", SetBool.Request(data=False)).success
    client.wait_for(
        lambda: all(diagnostics(client)["pipeline"].message != "busy" for _ in range(3)),
        "the end of the shape in the making",
    )
    before = len(shapes)
    time.sleep(1.0)
    assert len(shapes) == before
    assert client.call(SetBool, f"{NODE}/set_enabled", SetBool.Request(data=True)).success
    client.wait_for(lambda: len(shapes) > before, "shapes again")
    assert set_parameters(client, trigger__mode="on_demand").successful
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
        assert f"leads outside {export_dir}" in refused.message
    assert not save("shape", "stl").success
    assert "one of them" in save("sub/shape.ply", "obj").message
    assert not save(300 * "a" + ".ply").success
    assert "cleanup" in set_parameters(client, export_dir="/tmp").reason


def test_clear_shows_nothing(client, microphone):
    clouds = client.collect(PointCloud2, f"{NODE}/points", LATCHED)
    splats = client.collect(PointCloud2, f"{NODE}/gaussians", LATCHED)
    assert client.call(Trigger, f"{NODE}/clear", Trigger.Request()).success
    client.wait_for(lambda: clouds and clouds[-1].width == 0, "an empty cloud")
    client.wait_for(lambda: splats and splats[-1].header == clouds[-1].header and not splats[-1].width, "no splats")
    refused = client.call(SaveShape, f"{NODE}/save_shape", SaveShape.Request())
    assert not refused.success


def test_image_is_used_and_gives_its_frame(client, process, microphone):
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
    client.wait_for(lambda: previews, "the preview", 5)
    assert previews[-1].header == shape.header
    if shape.refined:  # an untrained model draws dust: mostly its fit is refused
        client.wait_for(lambda: pictures, "what the camera saw beside what was rendered", 5)
        assert (pictures[-1].height, pictures[-1].width) == (96, 256)
    else:
        assert "image not used: " in shape.notice
        assert not pictures  # nothing is drawn of a fit that was refused
    assert "incompatible QoS" not in process.said()  # camera_info is asked for in two ways, of which one matches


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
