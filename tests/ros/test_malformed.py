"""Messages that lie: about their size, their encoding, their format. The node goes on and says what it was sent."""

import numpy as np
import pytest
import soundfile
from audio_common_msgs.msg import AudioData, AudioDataStamped, AudioInfo
from graph import LATCHED, Camera, diagnostics, generate, hearing, set_parameters, values
from hypothesis import given
from hypothesis import strategies as st
from malformed import ANY_U32, BYTES, ONCE, Complaints, bombard
from microphone import Microphone
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from sounds import RATE, tone
from std_msgs.msg import Header

from audio2shape_core.errors import InputError
from audio2shape_ros.audio.formats import PcmFormat, PcmStream, decode_portaudio, mix_down
from audio2shape_ros.camera.depth import DEPTHS, image_to_depth
from audio2shape_ros.camera.images import LAYOUTS, compressed_to_rgb, image_to_rgb, pinhole

SMALL = st.integers(0, 40)
NUMBERS = st.one_of(st.floats(width=64), st.sampled_from([0.0, -1.0, 1e300, float("nan"), float("inf")]))

images = st.builds(
    Image,
    height=SMALL | ANY_U32,
    width=SMALL | ANY_U32,
    step=SMALL | ANY_U32,
    data=BYTES,
    encoding=st.sampled_from([*LAYOUTS, *DEPTHS, "", "rgb", "8UC99"]) | st.text("abc8UC_", max_size=8),
    is_bigendian=st.integers(0, 255),
)
compressed = st.builds(
    CompressedImage,
    format=st.sampled_from(["jpeg", "png", "", "theora", "bayer_rggb8; jpeg compressed ", "bayer_x; png compressed"]),
    data=st.builds(bytes.__add__, st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"]), BYTES),
)
infos = st.builds(
    CameraInfo,
    binning_x=st.sampled_from([0, 1, 2]) | ANY_U32,
    binning_y=st.sampled_from([0, 1, 2]) | ANY_U32,
    roi=st.builds(RegionOfInterest, x_offset=SMALL, y_offset=SMALL | ANY_U32, width=SMALL | ANY_U32, height=SMALL),
    width=SMALL | ANY_U32,
    height=SMALL | ANY_U32,
    d=st.lists(NUMBERS, max_size=14),
    k=st.lists(NUMBERS, min_size=9, max_size=9),
    p=st.lists(NUMBERS, min_size=12, max_size=12),
    distortion_model=st.sampled_from(["plumb_bob", "rational_polynomial", "equidistant", "", "fisheye"]),
)
audio_infos = st.builds(
    AudioInfo,
    channels=st.integers(0, 255),
    sample_rate=ANY_U32 | st.sampled_from([8000, 16000, 44100]),
    sample_format=st.sampled_from(["S16LE", "F32BE", "S24LE", "", "X", "S99LE", "F8"]),
    coding_format=st.sampled_from(["", "wave", "MP3", "opus", "?"]),
)
sounds = BYTES | BYTES.map(lambda tail: b"\xff\xfb\x90\x64" + tail)  # the latter begin as MP3 does
bare, pcm = st.builds(AudioData, data=sounds), sounds.map(lambda data: stamped(data))


def stamped(data: bytes) -> AudioDataStamped:
    message = AudioDataStamped()
    message.audio.data = data
    return message


def in_words(error: InputError) -> None:
    assert "expected" in str(error)


@ONCE
@given(images, compressed, infos)
def test_pictures_are_decoded_or_refused_in_words(image, jpeg, info):
    for decode, message in ((image_to_rgb, image), (image_to_depth, image), (compressed_to_rgb, jpeg)):
        try:
            assert decode(message).ndim in (2, 3)
        except InputError as error:
            in_words(error)
    for rectified in (True, False):
        try:
            pixels, camera = pinhole(np.zeros((6, 8, 3), np.uint8), info, rectified=rectified)
        except InputError:
            continue
        assert pixels.shape == (6, 8, 3)
        assert np.isfinite(camera.intrinsics).all()


@ONCE
@given(audio_infos, st.lists(BYTES, max_size=3))
def test_sounds_are_decoded_or_refused_in_words(info, messages):
    try:
        stream = PcmStream(PcmFormat(info.sample_rate, info.channels, info.sample_format))
    except InputError as error:
        return in_words(error)
    for data in messages:
        try:
            assert np.isfinite(mix_down(stream.feed(data), -1)).all()
        except InputError as error:
            in_words(error)


@ONCE
@given(st.integers(-1, 64), st.integers(-2, 70), st.integers(-5, 10**6), st.lists(st.floats(width=32), max_size=20))
def test_portaudio_messages_are_decoded_or_refused_in_words(number, channels, rate, samples):
    fields = ("float32_data", "int32_data", "int16_data", "int8_data", "uint8_data")
    info = type("Info", (), {"format": number, "channels": channels, "rate": rate})
    message = type("Audio", (), {"info": info, "audio_data": type("Data", (), dict.fromkeys(fields, samples))})
    try:
        frames, _ = decode_portaudio(message)
        assert np.isfinite(mix_down(frames, -1)).all()
    except InputError as error:
        in_words(error)


@pytest.mark.parametrize(
    ("kind", "topic", "messages", "task"),
    [
        (AudioDataStamped, "/audio", pcm, "audio input"),
        (AudioInfo, "/audio_info", audio_infos, "audio input"),
        (Image, "/image", images, "camera"),
        (CameraInfo, "/camera_info", infos, "camera"),
        (Image, "/depth", images, "camera"),
    ],
    ids=["audio", "audio_info", "image", "camera_info", "depth"],
)
def test_the_node_survives_and_complains(client, process, microphone, kind, topic, messages, task):
    """Shapes are made all the while, so that pictures are decoded and not only stored."""
    camera = Camera(client)
    publisher = client.node.create_publisher(kind, topic, LATCHED if kind is AudioInfo else 10)
    client.wait_for(publisher.get_subscription_count, f"a subscriber of {topic}")
    complaints = Complaints(client, task)
    assert set_parameters(client, trigger__mode="continuous", trigger__period_s=0.1).successful
    bombard(client, publisher, messages)
    assert process.alive()
    client.wait_for(lambda: complaints() or bombard(client, publisher, messages), "a complaint in diagnostics")
    client.node.destroy_publisher(publisher)
    camera.stop()
    microphone.info.publish(AudioInfo(channels=1, sample_rate=RATE, sample_format="S16LE", coding_format="wave"))
    assert set_parameters(client, trigger__mode="on_demand").successful
    client.wait_for(lambda: hearing(client), "sound after it")
    client.wait_for(lambda: generate(client).success, "shapes after it")


CONTINUOUS = {"trigger.mode": "continuous", "trigger.period_s": 0.1}


def test_compressed_pictures_do_not_end_the_node_either(client, start):
    """In a node of its own: the transport is chosen before it is configured."""
    node = "/compressed/audio2shape"
    process = start(parameters={"camera.transport": "compressed", **CONTINUOUS}, remaps={"__ns": "/compressed"})
    speaking = Microphone(client, "/compressed/audio")
    publisher = client.node.create_publisher(CompressedImage, "/compressed/image/compressed", 10)
    client.wait_for(publisher.get_subscription_count, "the camera input")
    complaints = Complaints(client, "camera", node)
    client.wait_for(lambda: generate(client, node).success, "a shape before it")
    bombard(client, publisher, compressed)
    client.wait_for(lambda: complaints() or bombard(client, publisher, compressed), "a complaint in diagnostics")
    assert process.alive()
    client.wait_for(lambda: generate(client, node).success, "a shape after it")
    speaking.stop()
    client.node.destroy_publisher(publisher)
    assert process.stop() == 0


def test_sound_without_headers_does_not_either_and_another_type_may_follow(client, start, tmp_path):
    """In a namespace of its own: one participant cannot publish two types on a topic."""
    node = "/bare/audio2shape"
    process = start(parameters=CONTINUOUS, remaps={"__ns": "/bare"})
    publisher = client.node.create_publisher(AudioData, "/bare/audio", 10)
    client.wait_for(publisher.get_subscription_count, "the node to listen")
    bombard(client, publisher, bare)
    health = values(diagnostics(client, node)["audio input"])
    assert (health["type"], health["stamps"]) == ("AudioData", "receive")
    assert process.alive()
    client.node.destroy_publisher(publisher)
    soundfile.write(tmp_path / "tone.wav", tone(3.0), RATE)
    player = start("replay_node", {"audio": tmp_path / "tone.wav"}, {"__ns": "/bare"})
    client.wait_for(lambda: hearing(client, node), "sound of the other type")
    client.wait_for(lambda: generate(client, node).success, "a shape of it")
    assert values(diagnostics(client, node)["audio input"])["type"] == "AudioDataStamped"
    player.stop()
    assert process.stop() == 0


def test_a_picture_that_cannot_be_used_is_named_in_diagnostics(client, process, microphone):
    publisher = client.node.create_publisher(Image, "/image", 10)
    client.wait_for(publisher.get_subscription_count, "the camera input")

    def reported() -> bool:
        stamp = client.node.get_clock().now().to_msg()
        publisher.publish(Image(header=Header(stamp=stamp), height=2, width=2, step=6, encoding="pink", data=bytes(12)))
        generate(client)
        return "'pink'" in diagnostics(client)["camera"].message

    client.wait_for(reported, "the encoding in diagnostics")
    client.node.destroy_publisher(publisher)


def test_pictures_of_no_time_do_not_stop_the_shapes(client, process, microphone):
    publisher = client.node.create_publisher(Image, "/image", 10)
    client.wait_for(publisher.get_subscription_count, "the camera input")
    header = Header(frame_id="camera_optical_frame")
    header.stamp.sec = -1

    def reported() -> bool:
        publisher.publish(Image(header=header, height=2, width=2, step=6, encoding="rgb8", data=bytes(12)))
        return "stamp of -1 s" in diagnostics(client)["camera"].message

    client.wait_for(reported, "a word about it")
    assert generate(client).success
    client.node.destroy_publisher(publisher)
