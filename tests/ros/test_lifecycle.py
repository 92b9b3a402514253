from lifecycle_msgs.msg import Transition
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import Trigger

CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE


def test_every_transition_twice_round(start, client):
    process = start(parameters={"autostart": False})
    assert client.state() == "unconfigured"
    answer = client.call(Trigger, "/audio2shape/generate", Trigger.Request())
    assert not answer.success
    assert "not active" in answer.message
    for _ in range(2):
        for transition, state in (
            (CONFIGURE, "inactive"), (ACTIVATE, "active"), (DEACTIVATE, "inactive"), (ACTIVATE, "active"),
            (DEACTIVATE, "inactive"), (CLEANUP, "unconfigured"),
        ):  # fmt: skip
            assert client.change_state(transition)
            assert client.state() == state
        assert not client.node.get_publishers_info_by_topic("/audio2shape/points")
    assert client.change_state(CONFIGURE)
    assert client.change_state(ACTIVATE)
    assert process.stop() == 0, process.said()


def test_missing_weights_fail_to_configure_and_say_how_to_mend_it(start, client):
    process = start(
        parameters={"allow_random_weights": False, "weights_dir": "/no/such/folder"}, remaps={"__node": "unarmed"}
    )
    client.wait_for(lambda: "no weights at /no/such/folder" in process.said(), "the reason")
    assert client.state("/unarmed") == "unconfigured"
    assert process.alive()


def test_two_namespaces_do_not_meet(start, client):
    left, right = start(remaps={"__ns": "/left"}), start(remaps={"__ns": "/right"})
    for name in ("left", "right"):
        client.wait_for(lambda name=name: client.state(f"/{name}/audio2shape") == "active", f"{name} active")
    start("replay_node", {"audio": make_tone()}, {"__ns": "/left"})
    clouds = {n: client.collect(PointCloud2, f"/{n}/audio2shape/points", 10) for n in ("left", "right")}

    def heard():
        return client.call(Trigger, "/left/audio2shape/generate", Trigger.Request()).success

    client.wait_for(heard, "a shape on the left")
    deaf = client.call(Trigger, "/right/audio2shape/generate", Trigger.Request())
    assert not deaf.success
    assert "/right/audio" in deaf.message
    client.wait_for(lambda: clouds["left"], "the left cloud", 5)
    assert not clouds["right"]
    assert left.stop() == right.stop() == 0


def make_tone() -> str:
    import tempfile

    import soundfile
    from sounds import RATE, tone

    path = tempfile.mkdtemp() + "/tone.wav"
    soundfile.write(path, tone(2.0), RATE)
    return path
