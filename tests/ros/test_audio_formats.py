import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio2shape_core.errors import InputError
from audio2shape_ros.audio.formats import PcmFormat, PcmStream, decode_portaudio, mix_down

# Each format written with NumPy alone: full scale, and how many bytes the encoder makes of (S, C) in [-1, 1).
ENCODERS = {
    "S8": lambda x: np.round(x * 127).astype("i1").tobytes(),
    "U8": lambda x: np.round(x * 127 + 128).astype("u1").tobytes(),
    "S16LE": lambda x: np.round(x * 32767).astype("<i2").tobytes(),
    "S16BE": lambda x: np.round(x * 32767).astype(">i2").tobytes(),
    "S24LE": lambda x: b"".join(int(v).to_bytes(3, "little", signed=True) for v in np.round(x * 8388607).ravel()),
    "S24BE": lambda x: b"".join(int(v).to_bytes(3, "big", signed=True) for v in np.round(x * 8388607).ravel()),
    "S32LE": lambda x: np.round(x * 2147483647).astype("<i4").tobytes(),
    "S32BE": lambda x: np.round(x * 2147483647).astype(">i4").tobytes(),
    "F32LE": lambda x: x.astype("<f4").tobytes(),
    "F32BE": lambda x: x.astype(">f4").tobytes(),
}


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(ENCODERS)), st.integers(1, 4), st.integers(1, 40), st.integers(0, 2**32 - 1), st.data())
def test_any_format_cut_anywhere_comes_back(name, channels, frames, seed, data):
    sent = np.random.default_rng(seed).uniform(-1, 1, (frames, channels))
    encoded = ENCODERS[name](sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(encoded)), max_size=6)))
    stream = PcmStream(PcmFormat(16000, channels, name))
    pieces = [encoded[a:b] for a, b in zip([0, *cuts], [*cuts, len(encoded)])]
    heard = np.concatenate([stream.feed(piece) for piece in pieces])
    assert heard.dtype == np.float32
    np.testing.assert_allclose(heard, sent, atol=0.012 if "8" in name else 1e-4)


def test_mix_down_averages_or_picks():
    frames = np.array([[0.2, 0.4], [0.5, 1.0], [3.0, 3.0]], np.float32)
    np.testing.assert_allclose(mix_down(frames, -1), [0.3, 0.75, 3], atol=1e-6)
    np.testing.assert_allclose(mix_down(frames, 1), [0.4, 1, 3], atol=1e-6)
    with pytest.raises(InputError, match="channel 2: expected 0 to 1"):
        mix_down(frames, 2)


@pytest.mark.parametrize("absurd", [np.nan, np.inf, 1e30])
def test_messages_are_repaired_as_files_are(absurd):
    frames = np.full((320, 2), 0.25, np.float32)
    frames[100] = absurd
    mono = mix_down(frames, -1)
    assert mono[100] == 0
    assert (np.delete(mono, 100) == 0.25).all()
    with pytest.raises(InputError, match="audio message: 100% of the samples are NaN"):
        mix_down(np.full((320, 2), np.nan, np.float32), -1)


@pytest.mark.parametrize(
    "bad", [(16000, 1, "MP3"), (16000, 0, "S16LE"), (3, 1, "S16LE"), (16000, 1, "U16LE"), (16000, 1, "F24LE")]
)
def test_impossible_formats_are_refused(bad):
    with pytest.raises(InputError):
        PcmFormat(*bad)


class Portaudio:
    """The fields of mgonzs13's audio_common_msgs/Audio, which cannot be installed beside the other package."""

    def __init__(self, number: int, channels: int, field: str, samples: list) -> None:
        self.info = type("Info", (), {"format": number, "channels": channels, "rate": 44100})
        self.audio_data = type("Data", (), {field: samples})


@pytest.mark.parametrize(
    ("number", "field", "samples"),
    [
        (1, "float32_data", [0.5, -0.5]),
        (2, "int32_data", [2**30, -(2**30)]),
        (8, "int16_data", [2**14, -(2**14)]),
        (16, "int8_data", [64, -64]),
        (32, "uint8_data", [192, 64]),
    ],
)
def test_portaudio_formats(number, field, samples):
    frames, rate = decode_portaudio(Portaudio(number, 2, field, [*samples, samples[0]]))
    assert rate == 44100
    np.testing.assert_allclose(frames, [[0.5, -0.5]])  # the unfinished frame is dropped
