"""The node with the messages of mgonzs13/audio_common; test_mgonzs13.py runs this where those are built."""

import numpy as np
import soundfile
from audio2shape_ros.msg import ShapeHypothesis
from audio_common_msgs.msg import AudioStamped
from graph import NODE, diagnostics, generate, hearing, values
from hypothesis import strategies as st
from malformed import Complaints, bombard
from rclpy.qos import qos_profile_sensor_data
from sounds import RATE, tone

WHOLE = {name: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for name, bits in (("int32", 32), ("int16", 16), ("int8", 8))}


def start_playing(start, tmp_path):
    soundfile.write(tmp_path / "tone.wav", np.concatenate([1e-3 * tone(1.0), tone(3.0)]), RATE)
    return start("replay_node", {"audio": tmp_path / "tone.wav", "type": "audio_stamped"})


def test_audio_stamped_becomes_a_shape(start, client, process, tmp_path):
    shapes = client.collect(ShapeHypothesis, f"{NODE}/shape", 10)
    player = start_playing(start, tmp_path)
    client.wait_for(lambda: hearing(client), "sound")
    client.wait_for(lambda: generate(client).success, "a shape")
    client.wait_for(lambda: shapes, "its message")
    heard = values(diagnostics(client)["audio input"])
    assert (heard["type"], heard["reliability"]) == ("AudioStamped", "best effort")
    assert heard["format"] == f"PortAudio 8 x 1 at {RATE} Hz"
    assert (heard["stamps"], heard["gaps"]) == ("header", "0")
    player.stop()


def build(number: int, channels: int, rate: int, chunk: int, samples: dict) -> AudioStamped:
    message = AudioStamped()
    info = message.audio.info
    info.format, info.channels, info.rate, info.chunk = number, channels, rate, chunk
    for name, given in samples.items():
        setattr(message.audio.audio_data, f"{name}_data", given)
    return message


any_int32 = st.integers(*WHOLE["int32"])
messages = st.builds(
    build,
    st.sampled_from([1, 2, 8, 16, 32]) | any_int32,
    st.sampled_from([1, 2, 64]) | any_int32,
    st.sampled_from([8000, 16000, 44100]) | any_int32,
    any_int32,
    st.fixed_dictionaries(
        {
            "float32": st.lists(st.floats(width=32), max_size=40),
            "uint8": st.binary(max_size=400),
            **{name: st.lists(st.integers(*limits), max_size=40) for name, limits in WHOLE.items()},
        }
    ),
)


def test_malformed_messages_do_not_end_the_node(start, client, process, tmp_path):
    publisher = client.node.create_publisher(AudioStamped, "/audio", qos_profile_sensor_data)
    client.wait_for(publisher.get_subscription_count, "the node to listen")
    complaints = Complaints(client, "audio input")
    bombard(client, publisher, messages)
    client.wait_for(lambda: complaints() or bombard(client, publisher, messages), "a complaint in diagnostics")
    assert process.alive()
    client.node.destroy_publisher(publisher)
    start_playing(start, tmp_path)
    client.wait_for(lambda: hearing(client), "sound after it")
    client.wait_for(lambda: generate(client).success, "a shape after it")
