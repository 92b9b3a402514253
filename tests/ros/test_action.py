"""The action ~/generate_shape: feedback, cancel, deadline, policies, bad goals."""

import math
import threading
import time

import numpy as np
import pytest
import soundfile
from action_msgs.msg import GoalStatus
from audio2shape_ros.action import GenerateShape
from fakes import SLOW
from graph import NODE, Camera, diagnostics, set_parameters, stamp_s
from rclpy.action import ActionClient
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import PointCloud2
from sounds import RATE, tone
from std_srvs.srv import Trigger

from audio2shape_ros.outputs.conversions import from_cloud
from audio2shape_ros.requests.goals import LONGEST_LINE
from audio2shape_ros.requests.services import WAITING


@pytest.fixture
def action(client, microphone):
    action = ActionClient(client.node, GenerateShape, f"{NODE}/generate_shape")
    assert action.wait_for_server(10)
    yield action
    action.destroy()


def send(client, action, feedback=None, **goal):
    wanted = GenerateShape.Goal(**goal)
    return client.in_turn(lambda: action.send_goal_async(wanted, feedback_callback=feedback), "the goal's answer")


def result(client, handle):
    return client.in_turn(handle.get_result_async, "the result")


def test_feedback_tells_every_step(client, action):
    feedback = []
    handle = send(client, action, lambda m: feedback.append(m.feedback), steps=5, seed=3)
    answer = result(client, handle)
    assert answer.status == GoalStatus.STATUS_SUCCEEDED
    assert answer.result.code == GenerateShape.Result.SUCCESS, answer.result.message
    assert answer.result.shape.seed == 3
    client.wait_for(lambda: any(f.stage == f.STAGE_DECODE for f in feedback), "feedback", 5)
    diffusing = [f.step for f in feedback if f.stage == f.STAGE_DIFFUSION]
    assert diffusing == [1, 2, 3, 4, 5]
    assert feedback[-1].elapsed_s > 0


def test_same_seed_same_cloud(client, action, tmp_path):
    soundfile.write(tmp_path / "tone.wav", tone(1.0), RATE)
    clouds = []
    for seed in (5, 5, 6):
        handle = send(client, action, audio_uri=f"file://{tmp_path}/tone.wav", seed=seed, num_points=300)
        clouds.append(bytes(result(client, handle).result.shape.cloud.data))
    assert clouds[0] == clouds[1] != clouds[2]
    assert len(clouds[0]) == 300 * 20


@pytest.fixture
def queueing(client, action):
    """A long goal that runs while others wait in line."""
    assert set_parameters(client, goal_policy="queue").successful
    started = threading.Event()
    running = send(client, action, lambda _: started.set(), steps=1000, seed=SLOW)
    assert started.wait(20)
    yield running
    if running.status not in (GoalStatus.STATUS_SUCCEEDED, GoalStatus.STATUS_CANCELED):
        running.cancel_goal_async()
        result(client, running)
    assert set_parameters(client, goal_policy="reject").successful


def test_cancel_is_heard_while_others_wait_too(client, action, queueing):
    """And so is everything else: whoever waits for the model must not use up the threads."""
    triggers = [client.node.create_client(Trigger, f"{NODE}/generate") for _ in range(6)]
    assert all(trigger.wait_for_service(10) for trigger in triggers)
    futures = [trigger.call_async(Trigger.Request()) for trigger in triggers]
    client.wait_for(lambda: sum(f.done() for f in futures) == len(futures) - WAITING, "those who may not wait", 10)
    assert all("others wait" in future.result().message for future in futures if future.done())
    assert diagnostics(client)["audio input"].message == "hearing"
    asked = time.monotonic()
    queueing.cancel_goal_async()
    assert result(client, queueing).status == GoalStatus.STATUS_CANCELED
    assert time.monotonic() - asked < 4  # of fifty seconds
    client.wait_for(lambda: all(future.done() for future in futures), "the others' shapes", 10)
    assert sum(future.result().success for future in futures) == WAITING
    for trigger in triggers:
        client.node.destroy_client(trigger)


def test_of_two_goals_at_once_one_is_rejected(client, action, tmp_path):
    """However long the first one's file takes to read."""
    soundfile.write(tmp_path / "long.wav", np.tile(tone(1.0), 600), RATE)
    soundfile.write(tmp_path / "short.wav", tone(1.0), RATE)

    def ask():
        goals = (GenerateShape.Goal(audio_uri=str(tmp_path / f"{name}.wav"), steps=50) for name in ("long", "short"))
        return [action.send_goal_async(goal) for goal in goals]

    first, second = futures = client.when_idle(ask)
    client.wait_for(lambda: all(f.done() for f in futures), "both answers")
    assert first.result().accepted
    if second.result().accepted:  # its request overtook the other's acceptance
        refused = result(client, second.result())
        assert refused.status == GoalStatus.STATUS_ABORTED
        assert "goal_policy" in refused.result.message
    assert result(client, first.result()).status == GoalStatus.STATUS_SUCCEEDED


@pytest.fixture(scope="module")
def camera(client, microphone):
    """A picture to refine with, and time enough for it to be cancelled."""
    seeing = Camera(client)
    client.wait_for(lambda: diagnostics(client)["camera"].message == "seeing", "the camera")
    assert set_parameters(client, refine__iterations=2000, refine__time_budget_s=60.0).successful
    yield seeing
    seeing.stop()
    assert set_parameters(client, refine__iterations=3, refine__time_budget_s=5.0).successful


@pytest.mark.parametrize("stage", ["AUDIO", "ENCODE", "DIFFUSION", "DECODE", "POSE", "REFINE"])
def test_cancel_stops_at_every_stage(client, action, camera, stage):
    number, reached = getattr(GenerateShape.Feedback, f"STAGE_{stage}"), threading.Event()

    def follow(message):
        if message.feedback.stage >= number:  # a busy machine may lose the only message of a stage
            reached.set()

    long = number <= GenerateShape.Feedback.STAGE_DIFFUSION
    handle = send(client, action, follow, steps=1000 if long else 2, refine_with_camera=True)
    assert reached.wait(20)
    asked = time.monotonic()
    handle.cancel_goal_async()
    answer = result(client, handle)
    assert answer.status == GoalStatus.STATUS_CANCELED
    assert answer.result.code == GenerateShape.Result.CANCELED
    assert time.monotonic() - asked < 2  # what was left to do takes longer


def test_second_goal_is_rejected_while_one_runs(client, action):
    started = threading.Event()
    first = send(client, action, lambda _: started.set(), steps=1000)
    assert started.wait(20)
    assert not send(client, action, steps=1).accepted
    first.cancel_goal_async()
    result(client, first)
    third = send(client, action, steps=1)
    assert third.accepted
    result(client, third)


def test_preempt_gives_way_to_the_newer_goal(client, action):
    assert set_parameters(client, goal_policy="preempt").successful
    started = threading.Event()
    first = send(client, action, lambda _: started.set(), steps=1000)
    assert started.wait(20)
    second = send(client, action, steps=1)
    assert result(client, second).status == GoalStatus.STATUS_SUCCEEDED
    assert result(client, first).result.code == GenerateShape.Result.CANCELED
    assert set_parameters(client, goal_policy="reject").successful


def test_queued_goals_wait_for_their_turn(client, action, queueing):
    order, seeds = [], (11, 12, 13)
    accepted = client.node.get_clock().now().nanoseconds * 1e-9
    waiting = [send(client, action, lambda _, seed=seed: order.append(seed), steps=2, seed=seed) for seed in seeds]
    answered_s = client.node.get_clock().now().nanoseconds * 1e-9 - accepted
    assert queueing.status == GoalStatus.STATUS_EXECUTING
    assert not order
    time.sleep(1.0)
    queueing.cancel_goal_async()
    assert result(client, queueing).status == GoalStatus.STATUS_CANCELED
    answers = [result(client, handle) for handle in waiting]
    assert [answer.result.shape.seed for answer in answers] == list(seeds)
    assert sorted(order) == order
    for answer in answers:  # of the sound when they were accepted, not when their turn came
        assert -1.0 < stamp_s(answer.result.shape.audio_end) - accepted < answered_s + 0.2


def test_a_waiting_goal_is_given_up_at_once(client, action, queueing):
    cancelled, late, kept = (
        send(client, action, steps=2, **goal) for goal in ({}, {"deadline_s": 0.3}, {"deadline_s": 60.0})
    )
    cancelled.cancel_goal_async()
    assert result(client, cancelled).status == GoalStatus.STATUS_CANCELED
    assert result(client, late).result.code == GenerateShape.Result.DEADLINE
    assert queueing.status == GoalStatus.STATUS_EXECUTING  # neither had to wait for its end
    queueing.cancel_goal_async()
    assert result(client, kept).status == GoalStatus.STATUS_SUCCEEDED


def test_the_line_has_an_end(client, action, queueing):
    waiting = [send(client, action, steps=1) for _ in range(LONGEST_LINE)]
    assert not send(client, action, steps=1).accepted
    queueing.cancel_goal_async()
    assert all(result(client, handle).status == GoalStatus.STATUS_SUCCEEDED for handle in waiting)


def test_the_shape_grows_before_who_listens_to_the_preview(client, action):
    previews = client.collect(PointCloud2, f"{NODE}/preview", qos_profile_sensor_data)
    assert set_parameters(client, preview__steps=10).successful

    def seen():
        previews.clear()
        shape = result(client, send(client, action, steps=50, seed=1)).result.shape
        return previews and shape

    shape = client.wait_for(seen, "previews")  # the node may have to meet the listener first
    assert len(previews) <= 4
    extents = [float(np.ptp(from_cloud(cloud)["x"])) for cloud in (*previews, shape.cloud)]
    assert extents == sorted(extents)
    assert extents[0] < 0.9 * extents[-1]
    assert all(cloud.header == shape.header for cloud in previews)
    assert set_parameters(client, preview__steps=5).successful


def test_deadline_is_kept(client, action):
    asked = time.monotonic()
    answer = result(client, send(client, action, steps=1000, deadline_s=0.5))
    assert answer.status == GoalStatus.STATUS_ABORTED
    assert answer.result.code == GenerateShape.Result.DEADLINE
    assert time.monotonic() - asked < 10


@pytest.mark.parametrize(
    ("goal", "code"),
    [
        ({"audio_uri": "/nonexistent.wav"}, GenerateShape.Result.NO_AUDIO),
        ({"audio_uri": "http://example.com/a.wav"}, GenerateShape.Result.BAD_REQUEST),
        ({"audio_uri": "file://elsewhere/a.wav"}, GenerateShape.Result.BAD_REQUEST),
        ({"audio_uri": "file://%00.wav"}, GenerateShape.Result.BAD_REQUEST),
        ({"audio_uri": "http://["}, GenerateShape.Result.BAD_REQUEST),
        ({"audio_uri": "/" + 300 * "a"}, GenerateShape.Result.BAD_REQUEST),
        ({"audio_uri": "~nobody_of_this_name/a.wav"}, GenerateShape.Result.BAD_REQUEST),
        ({"audio_uri": "/tmp"}, GenerateShape.Result.BAD_REQUEST),
        ({"audio_uri": "/dev/zero"}, GenerateShape.Result.BAD_REQUEST),
        ({"audio_uri": "/nonexistent.wav", "window_s": 2.0}, GenerateShape.Result.BAD_REQUEST),
        ({"window_s": -1.0}, GenerateShape.Result.BAD_REQUEST),
        ({"window_s": 0.001}, GenerateShape.Result.BAD_REQUEST),
        ({"window_s": math.nan}, GenerateShape.Result.BAD_REQUEST),
        ({"window_s": math.inf}, GenerateShape.Result.BAD_REQUEST),
        ({"deadline_s": -1.0}, GenerateShape.Result.BAD_REQUEST),
        ({"deadline_s": math.nan}, GenerateShape.Result.BAD_REQUEST),
        ({"deadline_s": math.inf}, GenerateShape.Result.BAD_REQUEST),
        ({"steps": 2000}, GenerateShape.Result.BAD_REQUEST),
        ({"num_points": 3}, GenerateShape.Result.BAD_REQUEST),
        ({"num_points": 2**32 - 1}, GenerateShape.Result.BAD_REQUEST),
        ({"seed": 2**62}, GenerateShape.Result.BAD_REQUEST),
    ],
)
def test_bad_goals_are_explained(client, action, goal, code):
    answer = result(client, send(client, action, **goal))
    assert answer.result.code == code, answer.result.message
    assert "expected" in answer.result.message or "no sound file" in answer.result.message
