"""MP3 that arrives in pieces, decoded as it comes: what ros-drivers' audio_capture sends unless told otherwise.

Frames (ISO 11172-3, 13818-3; layer III) are cut out of the bytes here and decoded by libsndfile, a few at a time. A
frame may refer to bits of earlier ones and overlaps the one before, so some old frames are decoded again with the new.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import soundfile

from audio2shape_core.errors import InputError

RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # Hz, by version bits
KBPS = {
    True: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1
    False: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2 and 2.5
}
RESERVOIR = 511  # bytes before a frame that it may refer to
OVERLAP = 3  # old frames decoded again, whatever their size
BATCH_S = 0.1  # of new sound decoded at once: fewer calls, and no more delay than a large microphone buffer
LONGEST = 1 << 16  # bytes without a frame: this is no MP3


def frame_size(header: bytes) -> tuple[int, float] | None:
    """Length in bytes and seconds of the layer III frame that these four bytes begin, None if they begin none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bitrate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer != 1 or bitrate in (0, 15) or rate == 3:
        return None
    samples, hz = 1152 if version == 3 else 576, RATES[version][rate]
    return samples // 8 * KBPS[version == 3][bitrate - 1] * 1000 // hz + padding, samples / hz


def side_info(frame: bytes) -> slice:
    """Where a frame's side information lies: between header (and checksum) and main data."""
    version, mono, checksum = frame[1] >> 3 & 3, frame[3] >> 6 == 3, not frame[1] & 1
    start = 4 + 2 * checksum
    return slice(start, start + ((17 if mono else 32) if version == 3 else (9 if mono else 17)))


def decodable(frames: list[bytes]) -> list[bytes]:
    """The frames, those that refer to bits before the first of them silenced; their own bits stay for the next."""
    done, held = [], 0
    for frame in frames:
        side = side_info(frame)
        back = int.from_bytes(frame[side.start : side.start + 2], "big") >> (7 if frame[1] >> 3 & 3 == 3 else 8)
        if back > held:
            frame = frame[: side.start] + bytes(side.stop - side.start) + frame[side.stop :]
        done.append(frame)
        held = min(RESERVOIR, held + len(frame) - side.stop)
    return done


def table_of_contents(frame: bytes, count: int) -> bytes:
    """A frame like this one that says, as encoders do in files, how many follow. Without it libsndfile estimates the
    length from the first frame's bit rate, and stops there."""
    header = bytes([frame[0], frame[1] | 1, frame[2] & 0x0D | 0xE0, frame[3]])  # no checksum, no padding, highest rate
    told = header + bytes(side_info(header).stop - 4) + b"Xing" + (1).to_bytes(4, "big") + count.to_bytes(4, "big")
    return told.ljust(frame_size(header)[0], b"\0")


def looks_like_mp3(data: bytes) -> bool:
    """Whether bytes begin like an MP3 stream or one of its frames. Two samples of PCM do so by chance now and then."""
    return data[:3] == b"ID3" or frame_size(data[:4]) is not None


class Mp3Stream:
    """Bytes of consecutive messages to samples."""

    def __init__(self) -> None:
        if "MP3" not in soundfile.available_formats():
            raise InputError(
                "the microphone sends mp3, which the installed libsndfile cannot decode: run `pip install soundfile`, "
                "or start the microphone with capture_wave.launch.xml or its parameter format:=wave"
            )
        self._rest = b""
        self._useless = 0  # bytes since the last frame
        self._context: list[bytes] = []
        self._new: list[bytes] = []
        self._new_s = 0.0
        self.sample_rate = 0  # Hz, known after the first samples

    def feed(self, data: bytes) -> np.ndarray:
        """-> (frames, channels) float32, often none. Raises InputError for bytes that hold no MP3."""
        self._rest += data
        self._useless += len(data)
        for frame, seconds in self._frames():
            self._new.append(frame)
            self._new_s += seconds
            self._useless = 0
        if self._useless > LONGEST:
            self._rest, self._useless = b"", 0
            raise InputError(f"no MP3 frame in {LONGEST} bytes: set audio.sample_format, or audio_info's coding_format")
        if self._new_s < BATCH_S:
            return np.zeros((0, 1), np.float32)
        return self._decode()

    def _frames(self) -> Iterator[tuple[bytes, float]]:
        """Cut whole frames off the waiting bytes; what lies between them (tags, damage) is passed over."""
        position = 0
        while position + 4 <= len(self._rest):
            found = frame_size(self._rest[position : position + 4])
            if found is None:
                position = self._next_sync(position + 1)
                continue
            size, seconds = found
            follower = self._rest[position + size : position + size + 4]
            if len(follower) == 4 and frame_size(follower) is None and follower[:3] not in (b"TAG", b"ID3"):
                position = self._next_sync(position + 1)  # looked like a header, but nothing follows where it ends
                continue
            if position + size > len(self._rest):
                break
            frame = self._rest[position : position + size]
            position += size
            if not any(tag in frame[:44] for tag in (b"Xing", b"Info")):  # no sound, but the length of some whole file
                yield frame, seconds
        self._rest = self._rest[position:]

    def _next_sync(self, start: int) -> int:
        found = self._rest.find(b"\xff", start)
        return len(self._rest) if found < 0 else found

    def _decode(self) -> np.ndarray:
        frames, seconds = self._context + self._new, self._new_s
        self._new, self._new_s = [], 0.0
        kept = OVERLAP
        while kept < len(frames) and sum(map(len, frames[-kept:])) < 4 * RESERVOIR:
            kept += 1
        self._context = frames[-kept:]
        whole = [table_of_contents(frames[0], len(frames)), *decodable(frames)]
        try:
            with soundfile.SoundFile(io.BytesIO(b"".join(whole))) as file:
                self.sample_rate = file.samplerate
                samples = file.read(dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise InputError(f"mp3 that cannot be decoded ({error}): start the microphone with format:=wave") from error
        return samples[-round(seconds * self.sample_rate) :]
