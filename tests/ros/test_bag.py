"""Recorded with rosbags, played into the node again: one bag and one seed give one cloud, byte for byte."""

import signal
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio2shape_ros.msg import ShapeHypothesis
from audio_common_msgs.msg import AudioDataStamped, AudioInfo
from graph import LATCHED, diagnostics, set_parameters, stamp_s, values
from sounds import RATE, tone

rosbag2 = pytest.importorskip("rosbags.rosbag2")
from rosbags.typesys import Stores, get_types_from_msg, get_typestore  # noqa: E402

CHUNK_S = 0.02  # the replay node's chunk_ms
DEFINITIONS = Path(__file__).parents[1] / "interfaces/ros_drivers/audio_common_msgs/msg"
TOPICS = {"/audio": ("AudioDataStamped", AudioDataStamped, 200), "/audio_info": ("AudioInfo", AudioInfo, LATCHED)}


@pytest.fixture(scope="module")
def types():
    store = get_typestore(Stores.ROS2_JAZZY)
    found = {}
    for path in DEFINITIONS.glob("*.msg"):
        found |= get_types_from_msg(path.read_text(), f"audio_common_msgs/msg/{path.stem}")
    store.register(found)
    return store


@pytest.fixture(scope="module")
def bag(start, client, types, tmp_path_factory) -> Path:
    """What the replay node publishes of a sound that begins after a second, as a recorder would keep it; the machine
    pauses amid it."""
    folder = tmp_path_factory.mktemp("bag")
    soundfile.write(folder / "tone.wav", np.concatenate([tone(1.5), tone(0.5, frequency=900)]), RATE)
    kept = []
    for topic, (_, kind, qos) in TOPICS.items():
        client.node.create_subscription(
            kind, topic, lambda data, topic=topic: kept.append((topic, time.time_ns(), data)), qos, raw=True
        )
    player = start("replay_node", {"audio": folder / "tone.wav", "loop": False})
    client.wait_for(lambda: len(kept) > 0.5 / CHUNK_S, "the beginning")
    player.process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    player.process.send_signal(signal.SIGCONT)
    client.wait_for(lambda: len(kept) > 3.5 / CHUNK_S, "the recording")
    player.stop()
    with rosbag2.Writer(folder / "recorded", version=9) as writer:
        connections = {
            topic: writer.add_connection(topic, f"audio_common_msgs/msg/{name}", typestore=types)
            for topic, (name, _, _) in TOPICS.items()
        }
        for topic, when, data in kept:
            writer.write(connections[topic], when, data)
    return folder / "recorded"


def play(client, bag: Path, speed: float = 2.0) -> None:
    """ros2 bag play, in few words."""
    publishers = {topic: client.node.create_publisher(kind, topic, qos) for topic, (_, kind, qos) in TOPICS.items()}
    client.wait_for(lambda: all(p.get_subscription_count() for p in publishers.values()), "the node to listen")
    time.sleep(1.0)  # as --delay: the node may not have met the publisher that has met it, and would miss the start
    with rosbag2.Reader(bag) as reader:
        began, first = time.monotonic(), reader.start_time
        for connection, when, data in reader.messages():
            time.sleep(max(0.0, began + 1e-9 * (when - first) / speed - time.monotonic()))
            publishers[connection.topic].publish(data)
    time.sleep(0.5)
    for publisher in publishers.values():
        client.node.destroy_publisher(publisher)


def test_the_bag_holds_what_was_sent(bag, types):
    with rosbag2.Reader(bag) as reader:
        sent = [types.deserialize_cdr(data, c.msgtype) for c, _, data in reader.messages() if c.topic == "/audio"]
    pcm = np.concatenate([np.frombuffer(m.audio.data.tobytes(), "<i2") for m in sent])
    stamps = np.array([stamp_s(m.header.stamp) for m in sent])
    np.testing.assert_allclose(np.diff(stamps), CHUNK_S, atol=1e-6)  # counted in samples, whatever the clock did
    assert np.abs(pcm).max() > 9000
    assert np.abs(pcm[: RATE // 2]).max() < 100


@pytest.mark.parametrize("load", ["load", None], ids=["fake model", "real model, untrained"])
def test_one_bag_and_one_seed_give_one_cloud(bag, start, client, load):
    onset = {"trigger.mode": "onset", "trigger.listen_s": 1.0, "trigger.period_s": 0.1, "diffusion.seed": 7}
    process = start(parameters=onset, load=load)
    client.wait_for(lambda: client.state() == "active", "the active state")
    client.wait_for(lambda: diagnostics(client)["model"].message != "loading", "the model")
    shapes = client.collect(ShapeHypothesis, "/audio2shape/shape", 10)
    for played in (1, 2):
        play(client, bag)
        client.wait_for(lambda played=played: len(shapes) == 2 * played, "an early and a later shape", 20)
    early, later = shapes[:2]
    assert 1.0 < stamp_s(early.audio_end) - stamp_s(early.audio_start) < 1.2
    assert stamp_s(later.audio_end) - stamp_s(later.audio_start) > 2.0
    assert abs(stamp_s(early.audio_start) - stamp_s(later.audio_start)) < 0.02
    for first, second in zip(shapes[:2], shapes[2:]):
        assert bytes(first.cloud.data) == bytes(second.cloud.data)
        assert (first.header, first.audio_start) == (second.header, second.audio_start)  # the bag's time, not ours
    assert set_parameters(client, diffusion__seed=8).successful
    play(client, bag)
    client.wait_for(lambda: len(shapes) == 6, "shapes of another seed", 20)
    assert bytes(shapes[4].cloud.data) != bytes(early.cloud.data)
    assert values(diagnostics(client)["audio input"])["stamps"] == "header"
    assert process.stop() == 0
