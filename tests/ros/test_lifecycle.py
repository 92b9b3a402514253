"""Transitions, weights that cannot be used, and that nothing is left running."""

import os
import signal
import time
from pathlib import Path

import pytest
import soundfile
from graph import NODE, diagnostics, generate, gone, model_pid, set_parameters, values
from lifecycle_msgs.msg import Transition
from sensor_msgs.msg import PointCloud2
from sounds import RATE, tone
from std_srvs.srv import Trigger

from audio2shape_core.checkpoint import WEIGHTS

CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE
SHUTDOWN = Transition.TRANSITION_ACTIVE_SHUTDOWN


def test_every_transition_twice_round(start, client):
    process = start(parameters={"autostart": False})
    assert client.state() == "unconfigured"
    answer = generate(client)
    assert not answer.success
    assert "not active" in answer.message
    for _ in range(2):
        for transition, state in (
            (CONFIGURE, "inactive"),
            (ACTIVATE, "active"),
            (DEACTIVATE, "inactive"),
            (ACTIVATE, "active"),
            (DEACTIVATE, "inactive"),
            (CLEANUP, "unconfigured"),
        ):
            assert client.change_state(transition)
            assert client.state() == state
        assert not client.node.get_publishers_info_by_topic(f"{NODE}/points")
    assert client.change_state(CONFIGURE)
    assert client.change_state(ACTIVATE)
    assert process.stop() == 0, process.said()


def test_a_failed_activation_leaves_nothing_running(start, client):
    override = {"qos_overrides./depth.subscription.reliability": "sometimes"}
    process = start(parameters={"autostart": False, **override}, remaps={"__node": "failing"})
    assert client.change_state(CONFIGURE, "/failing")
    pid = model_pid(client, "/failing")
    assert not client.change_state(ACTIVATE, "/failing")
    assert client.state("/failing") == "inactive"
    assert gone(pid, 2)
    assert "sometimes" in process.said()
    images = client.node.get_subscriptions_info_by_topic("/image")
    assert not any(subscriber.node_name == "failing" for subscriber in images)
    assert client.change_state(CLEANUP, "/failing")
    assert process.stop() == 0


def test_the_models_memory_comes_back_on_deactivate(start, client):
    start(remaps={"__node": "rested"})
    first = model_pid(client, "/rested")
    assert int(values(diagnostics(client, "/rested")["model"])["resident MiB"]) > 1
    assert client.change_state(DEACTIVATE, "/rested")
    assert gone(first, 2)
    assert diagnostics(client, "/rested")["model"].message.startswith("not running")
    assert client.change_state(ACTIVATE, "/rested")
    assert model_pid(client, "/rested") != first
    second = model_pid(client, "/rested")
    assert client.change_state(SHUTDOWN, "/rested")
    assert gone(second, 2)


@pytest.mark.skipif(not (WEIGHTS / "denoiser.safetensors").is_file(), reason="the shipped weights are not here")
def test_unusable_weights_fail_to_configure_and_say_how_to_mend_it(start, client, tmp_path):
    process = start(parameters={"autostart": False, "allow_random_weights": False}, load=None)
    client.wait_for(lambda: client.state() == "unconfigured", "the node")
    names = ("alignment", "autoencoder", "denoiser")
    whole = {name: (WEIGHTS / f"{name}.safetensors").read_bytes() for name in names}
    damaged = bytearray(whole["denoiser"])
    damaged[-1] ^= 1
    cases = {
        "missing": ({}, "no weights at"),
        "truncated": ({"alignment": whole["alignment"][:-1000]}, "is damaged"),
        "of a wrong hash": ({**whole, "denoiser": bytes(damaged)}, "does not match its own sha256"),
    }
    for case, (files, expected) in cases.items():
        folder = tmp_path / case.replace(" ", "-")
        folder.mkdir()
        for name, data in files.items():
            (folder / f"{name}.safetensors").write_bytes(data)
        assert set_parameters(client, weights_dir=str(folder)).successful
        assert not client.change_state(CONFIGURE)
        assert client.state() == "unconfigured"
        reason = diagnostics(client)["model"].message
        assert str(folder) in reason
        assert expected in reason
        assert reason in process.said()
        assert "retrain it" in reason or "audio2shape train align" in reason  # the mend
    process.stop()


@pytest.mark.parametrize("moment", ["idle", "amid a shape", "loading"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_running(start, client, tmp_path, how, moment):
    name = f"ended_{how.name}_{moment.replace(' ', '_')}"
    parameters = {"diffusion.steps": 1000, "weights_dir": tmp_path / "loading"}
    process = start(parameters=parameters, remaps={"__node": name}, load="load_slowly")
    if moment == "loading":
        pid = int(client.wait_for(lambda: read(tmp_path / "loading"), "the model's process"))
    else:
        (tmp_path / "loading.go").touch()
        pid = model_pid(client, f"/{name}")
        client.wait_for(lambda: client.state(f"/{name}") == "active", "active")
    if moment == "amid a shape":
        soundfile.write(tmp_path / "tone.wav", tone(1.0), RATE)
        start("replay_node", {"audio": tmp_path / "tone.wav", "lead_s": 0.0}, {"audio": "/audio"})
        waiting = client.node.create_client(Trigger, f"/{name}/generate")
        waiting.wait_for_service()

        def at_work():
            waiting.call_async(Trigger.Request())
            return diagnostics(client, f"/{name}")["pipeline"].message == "busy"

        client.wait_for(at_work, "a shape in the making")
    process.process.send_signal(how)
    asked = time.monotonic()
    assert process.process.wait(10) == 0, process.said()
    assert gone(pid, 0.5)
    assert time.monotonic() - asked < 2


def test_a_killed_node_takes_its_model_along(start, client):
    process = start(remaps={"__node": "killed"})
    pid = model_pid(client, "/killed")
    os.kill(process.process.pid, signal.SIGKILL)
    assert gone(pid, 2)


def test_two_namespaces_do_not_meet(start, client, tmp_path):
    left, right = start(remaps={"__ns": "/left"}), start(remaps={"__ns": "/right"})
    for name in ("left", "right"):
        client.wait_for(lambda name=name: client.state(f"/{name}/audio2shape") == "active", f"{name} active")
    soundfile.write(tmp_path / "tone.wav", tone(2.0), RATE)
    start("replay_node", {"audio": tmp_path / "tone.wav"}, {"__ns": "/left"})
    clouds = {n: client.collect(PointCloud2, f"/{n}/audio2shape/points", 10) for n in ("left", "right")}
    client.wait_for(lambda: generate(client, "/left/audio2shape").success, "a shape on the left")
    deaf = generate(client, "/right/audio2shape")
    assert not deaf.success
    assert "/right/audio" in deaf.message
    client.wait_for(lambda: clouds["left"], "the left cloud", 5)
    assert not clouds["right"]
    assert left.stop() == right.stop() == 0


def read(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
