"""MP3 that arrives in pieces, decoded as it comes: what ros-drivers' audio_capture sends by default."""

from __future__ import annotations

from typing import Any

import numpy as np

from audio2shape_core.errors import InputError

FRAME = 1441  # bytes, the largest there is
LONGEST = 1 << 16  # bytes without a frame: this is no MP3
LARGEST = 1 << 18  # bytes of one message that are decoded, the newest; more than ten seconds at any bit rate


def looks_like_mp3(data: bytes) -> bool:
    """Whether bytes begin like an MP3 stream or a frame of one (ISO 11172-3, layer III). Two samples of PCM do so by
    chance now and then."""
    if data[:3] == b"ID3":
        return True
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE6 != 0xE2:  # eleven bits of sync, layer III
        return False
    version, bitrate, rate = data[1] >> 3 & 3, data[2] >> 4, data[2] >> 2 & 3
    return version != 1 and bitrate not in (0, 15) and rate != 3


class Mp3Stream:
    """Bytes of consecutive messages to samples, by FFmpeg's parser and decoder."""

    def __init__(self) -> None:
        try:
            import av
        except ImportError as error:
            raise InputError(
                f"the microphone sends mp3, which needs PyAV ({error}): run `pip install av`, or start the microphone "
                "with capture_wave.launch.xml or its parameter format:=wave"
            ) from error
        av.logging.set_level(None)
        self._codec: Any = av.CodecContext.create("mp3float", "r")
        self._errors = av.error.FFmpegError
        self._useless = 0  # bytes beside frames, of late
        self.sample_rate = 0  # Hz, known after the first samples

    def feed(self, data: bytes) -> np.ndarray:
        """-> (frames, channels) float32, often none. Of a change of format, what follows it.

        Raises InputError for bytes that hold no MP3.
        """
        frames: list[np.ndarray] = []
        data = data[-LARGEST:]
        self._useless += len(data)
        for packet in self._codec.parse(data):
            try:
                decoded = self._codec.decode(packet)
            except self._errors:  # damage, or what only looked like a frame
                continue
            self._useless = max(
                0, self._useless - 2 * min(packet.size, FRAME)
            )  # a packet may hold junk after its frame
            if b"Xing" in bytes(packet)[:44] or b"Info" in bytes(packet)[:44]:
                continue  # no sound, but the length of some whole file
            for frame in decoded:
                samples = frame.to_ndarray().T.astype(np.float32, copy=False)
                if frames and (frame.sample_rate, samples.shape[1]) != (self.sample_rate, frames[-1].shape[1]):
                    frames.clear()
                frames.append(samples)
                self.sample_rate = frame.sample_rate
        if self._useless > LONGEST:
            self._useless = 0
            raise InputError(f"no MP3 frame in {LONGEST} bytes: set audio.sample_format, or audio_info's coding_format")
        return np.concatenate(frames) if frames else np.zeros((0, 1), np.float32)
