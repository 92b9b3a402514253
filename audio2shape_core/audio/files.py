"""The door for sound files: any rate, any number of channels, read a second at a time."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np

from audio2shape_core.audio.waveform import (
    SAMPLE_RATE,
    channels_cancel,
    check_format,
    check_waveform,
    full_scale,
    mix,
    resample,
)
from audio2shape_core.errors import InputError
from audio2shape_core.sources import open_source, shown

if TYPE_CHECKING:
    import soundfile

# No more of a file is read: a sound that matters has been heard by then, and memory stays below 300 MB at 48 kHz.
MAX_SECONDS = 300.0
BLOCK = 2**20  # samples read at once, of all channels together
MAX_MENDED = 2**28  # bytes of a WAV file that are held in memory because its header is not finished


def load_audio(path: str | os.PathLike[str], *, sample_rate: int = SAMPLE_RATE, channel: int = -1) -> np.ndarray:
    """Read a sound file: WAV, FLAC, OGG, MP3 and whatever else libsndfile knows, any rate, up to 64 channels.

    `channel` is taken, or for -1 the average of all. A signal beyond full scale (float files may hold one) is scaled
    down to it; single absurd samples are silenced first, see `repair`. Only the first MAX_SECONDS are read. A WAV file
    whose recorder was killed before it wrote the length is read to its end.
    Returns (S,) float32 mono in [-1, 1] at `sample_rate`.
    Raises InputError when the file is missing, unreadable, empty, too short, silent, or its channels cancel.
    """
    import soundfile

    name = shown(path)
    with open_source(path, "a sound file") as file:
        head = os.pread(file.fileno(), 1 << 16, 0)
        source = _unfinished_wav(head, file.fileno()) or file.fileno()
        try:
            with soundfile.SoundFile(source, closefd=False) as sound:
                rate, channels = sound.samplerate, sound.channels
                check_format(rate, channels, name)
                waveform, cancel = _read(sound, channel)
        except (soundfile.SoundFileError, TypeError) as error:
            raise InputError(f"{name}: {_why_not(head, error)}") from error
    if cancel:
        raise InputError(
            f"{name}: the average of its {channels} channels is next to nothing since they cancel each other, expected "
            "channels of one sign: take one of them (--channel 0)"
        )
    of = f" ({channels} channels averaged)" if channels > 1 and channel < 0 else ""
    return full_scale(resample(check_waveform(waveform, rate, name=name + of), rate, sample_rate))


def _read(sound: soundfile.SoundFile, channel: int) -> tuple[np.ndarray, bool]:
    """The mono waveform (S,), and whether it is little because the channels cancel each other."""
    left, rows = int(MAX_SECONDS * sound.samplerate), min(sound.samplerate, BLOCK // sound.channels)
    blocks = [np.zeros(0, np.float32)]
    count, sums, squares = 0, np.zeros(sound.channels), np.zeros(sound.channels)
    while left and len(block := sound.read(min(rows, left), dtype="float32", always_2d=True)):
        blocks.append(mix(block, channel))
        left -= len(block)
        if channel < 0 and sound.channels > 1:
            usable = np.where(np.abs(block) <= 1e6, block, 0).astype(np.float64)
            count, sums, squares = count + len(block), sums + usable.sum(axis=0), squares + (usable**2).sum(axis=0)
    waveform = np.concatenate(blocks)
    if not count:
        return waveform, False
    with np.errstate(invalid="ignore"):
        return waveform, channels_cancel(np.var(waveform, dtype=np.float64), squares / count - (sums / count) ** 2)


def _unfinished_wav(head: bytes, descriptor: int) -> io.BytesIO | None:
    """The file with the length of its samples filled in, where it is a WAV whose header says 0 although some follow."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    position = 12
    while head[position : position + 4] not in (b"data", b""):
        position += 8 + int.from_bytes(head[position + 4 : position + 8], "little")
    length, samples = head[position + 4 : position + 8], head[position + 8 : position + 12]
    if length != bytes(4) or len(samples) < 4 or samples in (b"LIST", b"fact", b"bext", b"id3 ", b"JUNK", b"PEAK"):
        return None
    data = bytearray(os.pread(descriptor, MAX_MENDED, 0))
    data[position + 4 : position + 8] = b"\xff" * 4  # libsndfile then reads to the end
    return io.BytesIO(data)


def _why_not(head: bytes, error: Exception) -> str:
    """Why libsndfile cannot read a file that begins so, and what to do."""
    if head.lstrip()[:1] in (b"<", b"{"):
        return "is a text file (a web page?), expected a sound: download it again"
    reason = str(error).split(": ")[-1].strip(". ") or "damaged or cut short"
    return f"cannot be decoded ({reason}), expected WAV, FLAC, OGG or MP3: convert it, e.g. ffmpeg -i FILE sound.wav"
