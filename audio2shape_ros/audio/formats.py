"""Audio messages to samples: PCM of any usual format, any number of channels, cut anywhere between two bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from audio2shape_core.audio import check_format, mix, repair
from audio2shape_core.errors import InputError

PCM = re.compile(r"([SUF])(8|16|24|32)(LE|BE)?")
PCM_CODINGS = ("", "wave", "wav", "pcm", "raw")  # what audio_info calls uncompressed
# PortAudio's sample formats, as mgonzs13/audio_common sends them: AudioInfo.format -> (field of AudioData, divisor).
PORTAUDIO = {
    1: ("float32_data", 1.0),
    2: ("int32_data", 2.0**31),
    8: ("int16_data", 2.0**15),
    16: ("int8_data", 2.0**7),
    32: ("uint8_data", 2.0**7),
}


@dataclass(frozen=True)
class PcmFormat:
    """sample_rate: Hz. channels: interleaved. sample_format: as GStreamer names it, S16LE for instance."""

    sample_rate: int = 16000
    channels: int = 1
    sample_format: str = "S16LE"

    def __post_init__(self) -> None:
        check_format(self.sample_rate, self.channels, "audio messages")
        kind, bits, _ = self._parts()
        if kind == "F" and bits != 32 or kind == "U" and bits != 8:
            self._refuse()

    def __str__(self) -> str:
        return f"{self.sample_format} x {self.channels} at {self.sample_rate} Hz"

    def _refuse(self) -> NoReturn:
        raise InputError(
            f"sample format {self.sample_format!r}: expected S8, U8, S16, S24, S32 or F32 with LE or BE; "
            "set the microphone node's sample_format to S16LE"
        )

    def _parts(self) -> tuple[str, int, str]:
        found = PCM.fullmatch(self.sample_format.upper())
        if not found:
            self._refuse()
        return found[1], int(found[2]), ">" if found[3] == "BE" else "<"

    @property
    def frame_bytes(self) -> int:
        return self._parts()[1] // 8 * self.channels

    def decode(self, data: bytes) -> np.ndarray:
        """Whole frames of bytes -> (frames, channels) float32 in [-1, 1]."""
        kind, bits, order = self._parts()
        samples: np.ndarray
        if bits == 24:
            # Three bytes become the upper three of an int32, which keeps the sign.
            raw = np.frombuffer(data, np.uint8).reshape(-1, 3)
            wide = np.zeros((len(raw), 4), np.uint8)
            wide[:, slice(1, 4) if order == "<" else slice(0, 3)] = raw
            samples = wide.reshape(-1).view(f"{order}i4") / np.float32(2.0**31)
        elif kind == "F":
            samples = np.frombuffer(data, f"{order}f4")
        elif kind == "U":
            samples = (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / np.float32(128)
        else:
            samples = np.frombuffer(data, f"{order}i{bits // 8}") / np.float32(2.0 ** (bits - 1))
        return np.asarray(samples, np.float32).reshape(-1, self.channels)


@dataclass
class PcmStream:
    """Bytes of consecutive messages to frames. Microphone nodes cut anywhere, so the bytes of an unfinished frame, the
    `rest`, wait for the next message."""

    format: PcmFormat
    rest: bytes = b""

    def feed(self, data: bytes) -> np.ndarray:
        """-> (frames, channels) float32, possibly none."""
        data = self.rest + data
        whole = len(data) // self.format.frame_bytes * self.format.frame_bytes
        self.rest = data[whole:]
        return self.format.decode(data[:whole])


def mix_down(frames: np.ndarray, channel: int) -> np.ndarray:
    """(S, C) -> (S,) float32: one channel, or the average of all for -1; what no microphone measured is silenced.

    It may go beyond full scale, as floats do: the ring scales a window as `load_audio` scales a file. Raises InputError
    for a channel that is not there, and where too many samples are NaN, infinite or absurd.
    """
    return repair(mix(frames, channel), "audio message")


def decode_portaudio(message: Any) -> tuple[np.ndarray, int]:
    """An audio_common_msgs/Audio of mgonzs13/audio_common -> ((S, C) float32, sample rate)."""
    info = message.info
    if info.format not in PORTAUDIO:
        raise InputError(f"PortAudio format {info.format}: expected 1, 2, 8, 16 or 32; set the capturer's format to 8")
    checked = PcmFormat(info.rate, info.channels)
    name, divisor = PORTAUDIO[info.format]
    samples = np.asarray(getattr(message.audio_data, name), np.float32)
    if info.format == 32:
        samples = samples - 128
    whole = len(samples) // checked.channels * checked.channels
    return (samples[:whole] / np.float32(divisor)).reshape(-1, checked.channels), info.rate
