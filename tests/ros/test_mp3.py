"""The stream decoder against libsndfile decoding the whole file at once."""

import functools
import io
import sys

import numpy as np
import pytest
import soundfile
from bounded import bounded
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate

from audio2shape_core.errors import InputError
from audio2shape_ros.audio.mp3 import Mp3Stream, looks_like_mp3

pytestmark = pytest.mark.skipif("MP3" not in soundfile.available_formats(), reason="this libsndfile knows no MP3")


def chirp(rate: int, channels: int, seconds: float = 2.0) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    left = 0.3 * np.sin(2 * np.pi * (300 + 400 * t) * t)
    return np.stack([left, 0.5 * left[::-1]][:channels], axis=1).astype(np.float32)


@functools.cache
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
    scattered = b"\xff\xfb\x90\x64" + bytes(5000)
    assert not stream.feed(10 * scattered).any()
    with pytest.raises(InputError, match="no MP3 frame"):
        stream.feed(30 * scattered)


@pytest.mark.parametrize("junk", [b"\xff", b"\xff\xfb\x90\x64", b"\0", b"ID3\4\0\0\x7f\x7f\x7f\x7f"])
def test_megabytes_of_nothing_cost_next_to_nothing(junk):
    stream = Mp3Stream()
    with bounded(megabytes=20, seconds=0.2), pytest.raises(InputError, match="no MP3 frame"):
        stream.feed(junk * (2_000_000 // len(junk)))


def test_a_message_of_hours_is_cut_to_its_end():
    stream = Mp3Stream()
    with bounded(megabytes=100, seconds=2):
        heard = stream.feed(encode(8000, 1) * 2000)
    assert 10 * 8000 < len(heard) < 2000 * 8000


def test_without_pyav_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match="pip install av"):
        Mp3Stream()


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=20), st.integers(0, 99))
def test_damaged_mp3_is_sound_or_refused(changes, seed):
    data = bytearray(encode(16000, 1))
    for place, value in changes:
        data[place] = value
    stream = Mp3Stream()
    for piece in pieces(bytes(data), seed):
        try:
            heard = stream.feed(piece)
        except InputError:
            continue
        assert heard.dtype == np.float32
        assert heard.ndim == 2


def test_damage_costs_only_the_sound_around_it():
    data = bytearray(encode(16000, 1))
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    stream = Mp3Stream()
    heard = sum(len(stream.feed(bytes(piece))) for piece in pieces(bytes(data), 1))
    assert heard > 1.6 * 16000
