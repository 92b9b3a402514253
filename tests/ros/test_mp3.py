"""The stream decoder against libsndfile decoding the whole file at once."""

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate

from audio2shape_core.errors import InputError
from audio2shape_ros.audio.mp3 import Mp3Stream, frame_size, looks_like_mp3

pytestmark = pytest.mark.skipif("MP3" not in soundfile.available_formats(), reason="this libsndfile knows no MP3")


def chirp(rate: int, channels: int, seconds: float = 2.0) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    left = 0.3 * np.sin(2 * np.pi * (300 + 400 * t) * t)
    return np.stack([left, 0.5 * left[::-1]][:channels], axis=1).astype(np.float32)


def encode(rate: int, channels: int) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, chirp(rate, channels), rate, format="MP3", subtype="MPEG_LAYER_III")
    return buffer.getvalue()


def pieces(data: bytes, seed: int) -> list[bytes]:
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(data), len(data) // 300))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)])]


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (48000, 1), (8000, 1)])
def test_pieces_decode_to_what_the_whole_does(rate, channels):
    data = encode(rate, channels)
    whole, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    stream = Mp3Stream()
    heard = [stream.feed(piece) for piece in pieces(data, rate)]
    heard = np.concatenate([h for h in heard if len(h)])
    assert stream.sample_rate == rate
    assert heard.shape[1] == channels
    assert abs(len(heard) - len(whole)) < 0.2 * rate  # the whole is trimmed of the encoder's delay
    mono, expected = heard[:, 0], whole[round(0.5 * rate) : round(1.5 * rate), 0]
    lag = int(correlate(mono, expected, "valid", "fft").argmax())
    np.testing.assert_allclose(mono[lag : lag + len(expected)], expected, atol=2e-3)


def test_headers_are_measured_right():
    data = encode(16000, 1)
    start = next(i for i in range(len(data)) if frame_size(data[i : i + 4]))
    count, position = 0, start
    while (found := frame_size(data[position : position + 4])) is not None:
        position, count = position + found[0], count + 1
    assert position == len(data)  # frame after frame, to the last byte
    assert count > 50


def test_mp3_is_told_from_pcm():
    assert looks_like_mp3(b"\xff\xfb\x90\x64" + bytes(100))
    assert looks_like_mp3(b"ID3\x04")
    assert not looks_like_mp3(b"\xff\xff\xff\xff")  # the PCM samples -1, -1
    assert not looks_like_mp3(b"")


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=600))
def test_noise_is_no_sound_and_no_crash(noise):
    stream = Mp3Stream()
    for _ in range(3):
        try:
            assert stream.feed(noise).dtype == np.float32
        except InputError:
            return


def test_what_holds_no_frame_is_refused_in_the_end():
    stream = Mp3Stream()
    for _ in range(13):
        assert not len(stream.feed(b"\xff\xfb\x90\x64" + bytes(5000)))
    with pytest.raises(InputError, match="no MP3 frame"):
        stream.feed(b"\xff\xfb\x90\x64" + bytes(5000))


def test_damage_costs_only_the_sound_around_it():
    data = bytearray(encode(16000, 1))
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    stream = Mp3Stream()
    heard = sum(len(stream.feed(bytes(piece))) for piece in pieces(bytes(data), 1))
    assert heard > 1.6 * 16000
