"""What a robot does to a node: the model dies or runs out of memory, cables come loose, formats change."""

import io
import os
import signal
import time

import fakes
import pytest
import soundfile
from audio2shape_ros.action import GenerateShape
from audio2shape_ros.msg import ShapeHypothesis
from audio_common_msgs.msg import AudioData, AudioInfo
from diagnostic_msgs.msg import DiagnosticStatus
from graph import LATCHED, NODE, Camera, diagnostics, generate, gone, hearing, model_pid, values
from malformed import Complaints
from microphone import Microphone
from rclpy.action import ActionClient
from sounds import RATE, pcm16, tone


@pytest.fixture
def ask(client, microphone):
    """ask(**goal) -> result of ~/generate_shape on the live sound."""
    action = ActionClient(client.node, GenerateShape, f"{NODE}/generate_shape")
    assert action.wait_for_server(10)

    def ask(**goal) -> GenerateShape.Result:
        wanted = GenerateShape.Goal(**goal)
        handle = client.in_turn(lambda: action.send_goal_async(wanted), "the goal's answer")
        return client.in_turn(handle.get_result_async, "the result").result

    yield ask
    action.destroy()


def test_a_killed_model_costs_one_shape_and_is_reported(client, process, ask):
    before = model_pid(client)
    answer = ask(seed=fakes.KILLED)
    assert answer.code == answer.MODEL_FAILED
    assert "SIGKILL" in answer.message
    assert ask(seed=1).code == GenerateShape.Result.SUCCESS
    assert process.alive()
    status = values(diagnostics(client)["model"])
    assert int(status["restarts"]) >= 1
    assert int(status["process"]) != before


def test_a_model_killed_while_idle_is_started_again(client, process, ask):
    before = model_pid(client)
    os.kill(before, signal.SIGKILL)
    assert gone(before)
    client.wait_for(lambda: model_pid(client) != before, "another process")
    assert ask(seed=1).code == GenerateShape.Result.SUCCESS


def test_a_model_that_keeps_dying_is_left_alone_for_a_while(client, process, ask):
    messages = [ask(seed=fakes.KILLED).message for _ in range(4)]
    assert any("it starts again in" in message for message in messages)
    client.wait_for(lambda: generate(client).success, "shapes again")


def test_out_of_memory_gives_less_and_says_so(client, process, ask):
    answer = ask(num_points=fakes.POINTS + 1000, seed=1)
    assert answer.code == answer.SUCCESS
    assert answer.shape.cloud.width == fakes.POINTS
    assert "out of memory" in answer.shape.notice
    assert "out of memory" in diagnostics(client)["pipeline"].message
    answer = ask(seed=fakes.NO_MEMORY)
    assert answer.code == answer.OUT_OF_MEMORY
    assert diagnostics(client)["pipeline"].level == DiagnosticStatus.ERROR
    assert ask(seed=1).shape.notice == ""


def test_a_shape_that_cannot_be_published_is_reported(client, process, ask):
    answer = ask(seed=fakes.UNPUBLISHABLE)
    assert answer.code == answer.INTERNAL
    pipeline = diagnostics(client)["pipeline"]
    assert pipeline.level == DiagnosticStatus.ERROR
    assert "TypeError" in pipeline.message
    assert ask(seed=1).code == GenerateShape.Result.SUCCESS


def test_a_publisher_that_starts_again_is_heard_again(client, process, microphone):
    microphone.stop()
    client.wait_for(lambda: "nothing arrives" in diagnostics(client)["audio input"].message, "the silence")
    again = Microphone(client)
    client.wait_for(lambda: hearing(client), "audio again")
    assert generate(client).success
    again.stop()
    microphone.start()
    client.wait_for(lambda: hearing(client), "the first one again")


def test_a_microphone_without_stamps_may_pause_too(client, start):
    """What it sends afterwards is not counted against the time that it was away."""
    start(remaps={"__ns": "/unstamped"})
    data, sound = client.node.create_publisher(AudioData, "/unstamped/audio", 200), pcm16(tone(0.02))
    due = time.monotonic()

    def speak():  # late on a busy machine, but everything
        nonlocal due
        while due <= time.monotonic():
            data.publish(AudioData(data=sound))
            due += 0.02

    timer = client.node.create_timer(0.02, speak)
    node = "/unstamped/audio2shape"

    def audio():
        return diagnostics(client, node)["audio input"]

    client.wait_for(lambda: hearing(client, node), "sound")
    timer.cancel()
    client.wait_for(lambda: "nothing arrives" in audio().message, "the silence", 10)
    due = time.monotonic()
    complaints = Complaints(client, "audio input", node)
    timer.reset()
    client.wait_for(lambda: not values(audio())["samples/s"], "a new count", 10)
    client.wait_for(lambda: values(audio())["samples/s"], "the rate", 20)
    client.node.destroy_timer(timer)
    assert not [line for line in complaints() if "arrive a second" in line]


def test_lost_muted_and_mislabelled_sound_is_noticed(client, process, microphone):
    def says(words: str):
        return lambda: words in diagnostics(client)["audio input"].message

    microphone.pause(0.6)
    client.wait_for(says("sound was lost"), "the gap", 10)
    assert int(values(diagnostics(client)["audio input"])["gaps"]) >= 1
    microphone.muted = True
    client.wait_for(says("digital silence"), "the silence", 30)
    client.wait_for(lambda: not generate(client).success, "no shape of nothing", 30)
    microphone.muted = False
    client.wait_for(lambda: hearing(client), "sound again", 30)
    usual = {"channels": 1, "sample_format": "S16LE", "coding_format": "wave"}
    microphone.info.publish(AudioInfo(sample_rate=2 * RATE, **usual))
    client.wait_for(says(f"samples arrive a second, expected {2 * RATE}"), "the wrong rate", 30)
    microphone.info.publish(AudioInfo(sample_rate=RATE, **usual))
    client.wait_for(lambda: hearing(client), "the right rate", 30)


def test_lost_messages_and_clipping_are_noticed(client, process, microphone):
    def status():
        return diagnostics(client)["audio input"]

    client.wait_for(lambda: hearing(client), "sound", 30)
    before = int(values(status())["gaps"])
    microphone.lose(2 * Microphone.CHUNK_S)
    client.wait_for(lambda: "sound was lost" in status().message, "two messages missing", 10)
    assert int(values(status())["gaps"]) == before + 1
    client.wait_for(lambda: hearing(client), "sound again", 30)
    microphone.amplify(40.0)
    client.wait_for(lambda: "clips" in status().message, "the clipping", 10)
    microphone.amplify(1.0)
    client.wait_for(lambda: hearing(client), "sound as before", 30)


def test_half_a_sample_does_not_outlive_its_stream(client, process, microphone):
    """The microphone cuts anywhere. Half a sample of one stream before the next would turn that into noise."""

    def level() -> float:
        time.sleep(0.3)
        return float(values(diagnostics(client)["audio input"])["level dBFS"])

    client.wait_for(lambda: hearing(client), "sound", 30)
    usual = level()
    assert usual == pytest.approx(-13.5, abs=1.1)  # of the sine
    for _ in range(3):
        microphone.stop()
        time.sleep(1.0)
        microphone.start()
        client.wait_for(lambda: hearing(client), "sound again", 30)
        assert level() == pytest.approx(usual, abs=1.1)
    for rate in (2 * RATE, RATE):
        microphone.info.publish(AudioInfo(channels=1, sample_rate=rate, sample_format="S16LE", coding_format="wave"))
        assert level() == pytest.approx(usual, abs=1.1)
    client.wait_for(lambda: hearing(client), "the right rate", 30)


def test_a_format_nobody_knows_is_refused_until_it_is_mended(client, process, microphone):
    usual = {"channels": 1, "sample_rate": RATE, "coding_format": "wave"}
    microphone.info.publish(AudioInfo(sample_format="U16LE", **usual))
    client.wait_for(lambda: "U16LE" in diagnostics(client)["audio input"].message, "the refusal", 10)
    time.sleep(1.0)
    assert "U16LE" in diagnostics(client)["audio input"].message
    microphone.info.publish(AudioInfo(sample_format="S16LE", **usual))
    client.wait_for(lambda: hearing(client), "sound again", 30)


def test_another_sample_rate_is_followed(client, process, microphone):
    shapes = client.collect(ShapeHypothesis, f"{NODE}/shape", 10)
    microphone.stop()
    other = Microphone(client, rate=48000, channels=2)
    client.wait_for(lambda: "x 2 at 48000" in values(diagnostics(client)["audio input"])["format"], "the new format")
    time.sleep(1.0)
    assert generate(client).success
    client.wait_for(lambda: shapes, "the shape", 5)
    start, end = shapes[-1].audio_start, shapes[-1].audio_end
    heard_s = end.sec - start.sec + 1e-9 * (end.nanosec - start.nanosec)
    assert 0.5 < heard_s <= 4.01  # counted at the new rate
    other.stop()
    microphone.start()
    client.wait_for(lambda: "x 1 at 16000" in values(diagnostics(client)["audio input"])["format"], "the old format")


def test_a_camera_may_leave_and_come_back_and_depth_gives_the_scale(client, process, microphone):
    camera = Camera(client)
    client.wait_for(lambda: diagnostics(client)["camera"].message == "seeing", "the camera")
    camera.stop()
    client.wait_for(lambda: "no camera" in diagnostics(client)["camera"].message, "its absence")
    assert generate(client).success
    camera = Camera(client)
    client.wait_for(lambda: diagnostics(client)["camera"].message == "seeing", "the camera again")
    client.wait_for(lambda: values(diagnostics(client)["camera"])["depth images"] != "0", "depth")
    shapes = client.collect(ShapeHypothesis, f"{NODE}/shape", 10)
    assert generate(client).success
    client.wait_for(lambda: shapes, "the shape", 5)
    assert shapes[-1].refined
    assert shapes[-1].scale_source == ShapeHypothesis.SCALE_DEPTH
    assert shapes[-1].pose.position.z == pytest.approx(Camera.DISTANCE_M, rel=0.5)
    camera.stop()


def test_an_uncalibrated_camera_refuses_refinement(client, process, microphone):
    camera = Camera(client, k=[0.0] * 9)
    # Until its first camera_info it counts as calibrated like the camera before it, or as cameras usually are.
    client.wait_for(lambda: "K[0] is 0" in diagnostics(client)["camera"].message, "a word")
    shapes = client.collect(ShapeHypothesis, f"{NODE}/shape", 10)
    assert generate(client).success
    client.wait_for(lambda: shapes, "the shape", 5)
    assert not any(shape.refined for shape in shapes)
    assert shapes[-1].header.frame_id == "camera_optical_frame"  # where the camera stands is known all the same
    camera.stop()


def test_mp3_is_decoded(client, start):
    process = start(remaps={"__ns": "/mp3"})
    node = "/mp3/audio2shape"
    info = client.node.create_publisher(AudioInfo, "/mp3/audio_info", LATCHED)
    info.publish(AudioInfo(channels=1, sample_rate=RATE, sample_format="S16LE", coding_format="MP3"))
    data = client.node.create_publisher(AudioData, "/mp3/audio", 10)
    buffer = io.BytesIO()
    soundfile.write(buffer, tone(4.0), RATE, format="MP3", subtype="MPEG_LAYER_III")
    stream, position = buffer.getvalue(), 0

    def speak():
        nonlocal position
        data.publish(AudioData(data=stream[position : position + 300]))
        position = (position + 300) % len(stream)

    timer = client.node.create_timer(0.05, speak)
    client.wait_for(
        lambda: "MP3 x 1 at 16000" in values(diagnostics(client, node)["audio input"]).get("format", ""), "mp3"
    )
    time.sleep(1.0)
    client.wait_for(lambda: generate(client, node).success, "a shape of it")
    client.node.destroy_timer(timer)
    assert process.alive()


def test_a_coding_nobody_knows_is_refused_with_a_remedy(client, start):
    start(remaps={"__ns": "/opus"})
    info = client.node.create_publisher(AudioInfo, "/opus/audio_info", LATCHED)
    info.publish(AudioInfo(channels=1, sample_rate=RATE, sample_format="S16LE", coding_format="opus"))
    data = client.node.create_publisher(AudioData, "/opus/audio", 10)

    def refused():
        data.publish(AudioData(data=pcm16(tone(0.02))))
        status = diagnostics(client, "/opus/audio2shape")["audio input"]
        return status.level == DiagnosticStatus.ERROR and "opus" in status.message and "format:=wave" in status.message

    client.wait_for(refused, "the remedy in diagnostics")
    response = generate(client, "/opus/audio2shape")
    assert not response.success
    assert "opus" in response.message
