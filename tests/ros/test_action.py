"""The action ~/generate_shape: feedback, cancel, deadline, policies, bad goals."""

import threading
import time

import pytest
import soundfile
from action_msgs.msg import GoalStatus
from audio2shape_ros.action import GenerateShape
from graph import NODE, generate, set_parameters
from rclpy.action import ActionClient
from sounds import RATE, tone


@pytest.fixture
def action(client, microphone):
    action = ActionClient(client.node, GenerateShape, f"{NODE}/generate_shape")
    assert action.wait_for_server(10)
    yield action
    action.destroy()


def send(client, action, feedback=None, **goal):
    future = action.send_goal_async(GenerateShape.Goal(**goal), feedback_callback=feedback)
    return client.wait_for(future.done, "the goal's answer", 10) and future.result()


def result(client, handle):
    future = handle.get_result_async()
    return client.wait_for(future.done, "the result") and future.result()


def test_feedback_tells_every_step(client, action):
    told = []
    handle = send(client, action, lambda m: told.append(m.feedback), steps=5, seed=3)
    answer = result(client, handle)
    assert answer.status == GoalStatus.STATUS_SUCCEEDED
    assert answer.result.code == GenerateShape.Result.SUCCESS, answer.result.message
    assert answer.result.shape.seed == 3
    client.wait_for(lambda: any(f.stage == f.STAGE_DECODE for f in told), "feedback", 5)
    diffusing = [f.step for f in told if f.stage == f.STAGE_DIFFUSION]
    assert diffusing == [1, 2, 3, 4, 5]
    assert told[-1].elapsed_s > 0


def test_same_seed_same_cloud(client, action, tmp_path):
    soundfile.write(tmp_path / "tone.wav", tone(1.0), RATE)
    clouds = []
    for seed in (5, 5, 6):
        handle = send(client, action, audio_uri=f"file://{tmp_path}/tone.wav", seed=seed, num_points=300)
        clouds.append(bytes(result(client, handle).result.shape.cloud.data))
    assert clouds[0] == clouds[1] != clouds[2]
    assert len(clouds[0]) == 300 * 20


def test_cancel_stops_between_steps(client, action):
    started = threading.Event()
    handle = send(client, action, lambda _: started.set(), steps=1000)
    assert started.wait(20)
    asked = time.monotonic()
    handle.cancel_goal_async()
    answer = result(client, handle)
    assert answer.status == GoalStatus.STATUS_CANCELED
    assert answer.result.code == GenerateShape.Result.CANCELED
    assert time.monotonic() - asked < 10
    assert generate(client).success


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
        ({"window_s": -1.0}, GenerateShape.Result.BAD_REQUEST),
        ({"num_points": 3}, GenerateShape.Result.BAD_REQUEST),
    ],
)
def test_bad_goals_are_explained(client, action, goal, code):
    answer = result(client, send(client, action, **goal))
    assert answer.result.code == code
    assert len(answer.result.message) > 20
