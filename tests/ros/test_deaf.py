"""The node never says OK while it is deaf, blind, stuck, or answering from old sound."""

import os
import signal
import time

import fakes
import pytest
import soundfile
from action_msgs.msg import GoalStatus
from audio2shape_ros.action import GenerateShape
from audio2shape_ros.msg import ShapeHypothesis
from audio_common_msgs.msg import AudioData, AudioDataStamped, AudioInfo
from diagnostic_msgs.msg import DiagnosticStatus
from graph import (
    LATCHED,
    NODE,
    Camera,
    diagnostics,
    generate,
    gone,
    hearing,
    model_pid,
    set_parameters,
    stamp_s,
    values,
)
from rclpy.action import ActionClient
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo
from sounds import RATE, pcm16, tone
from std_msgs.msg import Header

CHUNK_S = 0.02
Code = GenerateShape.Result


@pytest.fixture
def send(client, microphone):
    """send(**goal) -> handle; result(handle) -> the answer with its status."""
    action = ActionClient(client.node, GenerateShape, f"{NODE}/generate_shape")
    assert action.wait_for_server(10)
    yield lambda **goal: client.in_turn(lambda: action.send_goal_async(GenerateShape.Goal(**goal)), "the goal's answer")
    action.destroy()


def result(client, handle):
    return client.in_turn(handle.get_result_async, "the result")


def test_old_sound_is_no_sound(client, microphone, send):
    assert set_parameters(client, audio__max_age_s=0.5).successful
    microphone.stop()
    client.wait_for(lambda: not generate(client).success, "the refusal", 10)
    assert "no sound for" in generate(client).message
    answer = result(client, send()).result
    assert answer.code == Code.NO_AUDIO
    assert "audio.max_age_s" in answer.message
    microphone.start()
    client.wait_for(lambda: generate(client).success, "a shape of new sound", 10)
    assert set_parameters(client, audio__max_age_s=3.0).successful


def test_sound_that_is_refused_leaves_only_old_sound(client, microphone, send):
    assert set_parameters(client, audio__max_age_s=0.5).successful
    usual = {"channels": 1, "sample_rate": RATE, "coding_format": "wave"}
    microphone.info.publish(AudioInfo(sample_format="U16LE", **usual))
    client.wait_for(lambda: not generate(client).success, "the refusal", 10)
    answer = result(client, send()).result
    assert answer.code == Code.NO_AUDIO
    assert "U16LE" in answer.message
    assert diagnostics(client)["audio input"].level == DiagnosticStatus.ERROR
    microphone.info.publish(AudioInfo(sample_format="S16LE", **usual))
    client.wait_for(lambda: hearing(client) and generate(client).success, "sound again", 10)
    assert set_parameters(client, audio__max_age_s=3.0).successful


class Speaker:
    """A steady tone, the n-th message of which is stamped `stamp(now, n)` seconds."""

    def __init__(self, client, topic: str, kind: type, stamp=None) -> None:
        self._node, self._kind, self._stamp, self._sent = client.node, kind, stamp, 0
        self._sound, self._due = pcm16(tone(CHUNK_S)), time.monotonic()
        self._publisher = client.node.create_publisher(kind, topic, 200)
        self._timer = client.node.create_timer(CHUNK_S, self._speak)

    def _speak(self) -> None:
        while self._due <= time.monotonic():
            self._due += CHUNK_S
            message = self._kind()
            if self._kind is AudioData:
                message.data = self._sound
            else:
                stamp = self._stamp(time.time(), self._sent)
                message.header, message.audio.data = Header(stamp=Time(seconds=stamp).to_msg()), self._sound
            self._sent += 1
            self._publisher.publish(message)

    def stop(self) -> None:
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)


BEGAN = time.time()


@pytest.mark.parametrize(
    ("stamp", "words"),
    [
        (lambda now, n: BEGAN, "do not advance"),
        (lambda now, n: BEGAN - n * CHUNK_S, "go backwards"),
        (lambda now, n: now + 2 * (n % 2), "go backwards"),
        (lambda now, n: now + 365 * 86400, "days ahead"),
        (lambda now, n: 0.1 + n * CHUNK_S, "expected seconds since 1970"),
    ],
    ids=["constant", "backwards", "alternating", "a year ahead", "from 0.1 s"],
)
def test_wrong_stamps_are_named_and_shapes_made_on_time(client, microphone, stamp, words):
    microphone.stop()
    speaker = Speaker(client, "/audio", AudioDataStamped, stamp)
    shapes = client.collect(ShapeHypothesis, f"{NODE}/shape", 10)
    client.wait_for(lambda: words in diagnostics(client)["audio input"].message, "a word about the stamps", 10)
    audio = diagnostics(client)["audio input"]
    assert (audio.level, values(audio)["stamps"]) == (DiagnosticStatus.WARN, "arrival")
    assert generate(client).success
    shapes.clear()
    began = time.monotonic()
    assert set_parameters(client, trigger__mode="continuous", trigger__period_s=0.3).successful
    client.wait_for(lambda: len(shapes) >= 3, "shapes", 10)
    assert set_parameters(client, trigger__mode="on_demand", trigger__period_s=2.0).successful
    spent = time.monotonic() - began
    time.sleep(0.3)
    assert len(shapes) <= spent / 0.3 + 2
    assert all(abs(stamp_s(shape.header.stamp) - time.time()) < 15 for shape in shapes)
    speaker.stop()
    microphone.start()
    client.wait_for(lambda: hearing(client), "good stamps", 20)


def test_who_speaks_is_followed_not_who_is_mute(client, start, tmp_path):
    """The stamped publisher, which is preferred, belongs to a process that stands still."""
    node = "/mute/audio2shape"
    soundfile.write(tmp_path / "tone.wav", tone(1.0), RATE)
    mute = start("replay_node", {"audio": tmp_path / "tone.wav"}, {"__ns": "/mute"})
    client.wait_for(lambda: client.node.get_publishers_info_by_topic("/mute/audio"), "the mute publisher")
    mute.process.send_signal(signal.SIGSTOP)
    start(remaps={"__ns": "/mute"})
    speaker = Speaker(client, "/mute/audio", AudioData)
    client.wait_for(lambda: hearing(client, node), "the one who speaks", 60)
    assert values(diagnostics(client, node)["audio input"])["type"] == "AudioData"
    assert generate(client, node).success
    speaker.stop()
    mute.process.send_signal(signal.SIGCONT)
    mute.stop()


def test_calibration_that_was_latched_before_the_node_began_is_received(client, start):
    info = client.node.create_publisher(CameraInfo, "/early/camera_info", LATCHED)
    info.publish(CameraInfo(width=128, height=96, k=Camera.K))
    start(remaps={"__ns": "/early"})
    waited_for = client.wait_for(
        lambda: values(diagnostics(client, "/early/audio2shape")["camera"]).get("calibrated"), "the camera's report"
    )
    client.wait_for(
        lambda: values(diagnostics(client, "/early/audio2shape")["camera"]).get("calibrated") == "True", waited_for, 20
    )


def test_a_refused_image_is_said_and_its_place_not_claimed(client, process, microphone, send):
    visual = pytest.importorskip("visualization_msgs.msg")
    camera = Camera(client)
    markers = client.collect(visual.MarkerArray, f"{NODE}/markers", LATCHED)
    client.wait_for(lambda: diagnostics(client)["camera"].message == "seeing", "the camera")
    shape = result(client, send(refine_with_camera=True, seed=fakes.REFUSED)).result.shape
    assert (shape.pose_source, shape.refined) == (ShapeHypothesis.POSE_ASSUMED, False)
    assert "image not used" in shape.notice
    pipeline = diagnostics(client)["pipeline"]
    assert (pipeline.level, pipeline.message) == (DiagnosticStatus.WARN, shape.notice)
    client.wait_for(lambda: shape.notice in process.said(), "a word in the log", 5)
    client.wait_for(lambda: markers and markers[-1].markers[0].header == shape.header, "its markers", 5)
    assert markers[-1].markers[2].action == visual.Marker.DELETE
    fitted = result(client, send(refine_with_camera=True, seed=1)).result.shape
    assert (fitted.pose_source, fitted.notice) == (ShapeHypothesis.POSE_FITTED, "")
    camera.stop()


def test_a_goal_that_wants_the_camera_where_none_is_learns_it(client, microphone, send):
    client.wait_for(lambda: "no camera" in diagnostics(client)["camera"].message, "its absence", 10)
    assert set_parameters(client, sync__max_slop_s=0.1).successful
    shape = result(client, send(refine_with_camera=True, seed=1)).result.shape
    assert "image not used" in shape.notice
    assert set_parameters(client, sync__max_slop_s=60.0).successful
    assert result(client, send(seed=1)).result.shape.notice == ""


def test_an_unknown_sound_is_called_so_by_who_is_asked(client, microphone, send):
    assert set_parameters(client, trigger__min_confidence=0.9).successful
    assert generate(client).message.startswith("unknown, most like dog (70%)")
    assert result(client, send(seed=1)).result.message == "unknown, most like dog (70%)"
    assert set_parameters(client, trigger__min_confidence=0.0).successful
    assert generate(client).message.startswith("dog (70%)")


@pytest.mark.parametrize("how", ["deadline", "cancel"])
def test_a_model_that_stands_still_costs_neither_deadline_nor_cancel(client, process, microphone, send, how):
    pid = model_pid(client)
    os.kill(pid, signal.SIGSTOP)
    asked = time.monotonic()
    handle = send(seed=1, deadline_s=1.0 if how == "deadline" else 0.0)
    if how == "cancel":
        handle.cancel_goal_async()
    answer = result(client, handle)
    assert time.monotonic() - asked < 4
    expected = {
        "deadline": (GoalStatus.STATUS_ABORTED, Code.DEADLINE),
        "cancel": (GoalStatus.STATUS_CANCELED, Code.CANCELED),
    }
    assert (answer.status, answer.result.code) == expected[how]
    assert gone(pid, 5)
    client.wait_for(lambda: generate(client).success, "shapes again", 30)
    assert int(values(diagnostics(client)["model"])["restarts"]) >= 1


def test_a_model_that_stands_still_is_said_and_ended(client, process, microphone):
    """Also where nobody sets a deadline."""
    pid = model_pid(client)
    os.kill(pid, signal.SIGSTOP)
    status = client.wait_for(
        lambda: (found := diagnostics(client)["model"]).level == DiagnosticStatus.ERROR and found, "a word", 5
    )
    assert "does not answer" in status.message
    response = generate(client)
    assert not response.success
    assert "was ended" in response.message
    assert gone(pid, 5)
    client.wait_for(lambda: generate(client).success, "shapes again", 30)


def test_without_clock_the_node_keeps_house_and_says_so(client, start):
    node = "/timeless/audio2shape"
    start(parameters={"use_sim_time": True}, remaps={"__ns": "/timeless"})
    speaker = Speaker(client, "/timeless/audio", AudioDataStamped, lambda now, n: now)
    client.wait_for(lambda: hearing(client, node), "sound")
    status = client.wait_for(
        lambda: (found := diagnostics(client, node)["clock"]).level == DiagnosticStatus.WARN and found, "a word", 20
    )
    assert "nobody publishes /clock" in status.message
    assert generate(client, node).success
    speaker.stop()
