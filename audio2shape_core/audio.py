"""Sound as the models hear it: float32 mono in [-1, 1]. Files, windows, a ring of recent samples, onsets.

Levels are in dBFS: 0 is a full-scale square wave, a full-scale sine is at -3.
"""

from __future__ import annotations

import math
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from audio2shape_core.errors import InputError

SAMPLE_RATE = 16_000  # Hz
# No more of a file is read: a sound that matters has been heard by then, and memory stays below 300 MB at 48 kHz.
MAX_SECONDS = 300.0
MIN_SECONDS = 0.1  # ten analysis frames; less is a click without a recognisable spectrum
# Below this peak nothing was recorded: microphone hiss and 8-bit rounding lie under it, faint real events above.
SILENCE_DBFS = -60.0
# A rate outside this range is a damaged header; believing it would ask for an absurd resampling filter.
RATES = (1_000, 384_000)  # Hz
FLOOR_DBFS = -120.0  # what digital silence measures, instead of minus infinity


def load_audio(path: str | os.PathLike, *, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Read a sound file: WAV, FLAC, OGG, MP3 and whatever else libsndfile knows, any rate, any number of channels.

    Channels are averaged. A signal beyond full scale (float files may hold one) is scaled down to it. Only the first
    MAX_SECONDS are read.
    Returns (S,) float32 mono in [-1, 1] at `sample_rate`.
    Raises InputError when the file is missing, unreadable, empty, too short, silent, or holds NaN or infinity.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected a sound file: name one file inside it")
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a sound file: check the path")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty, expected a sound file: record or copy it again")
    try:
        with soundfile.SoundFile(path) as file:
            rate, channels = file.samplerate, file.channels
            if not RATES[0] <= rate <= RATES[1]:
                raise InputError(
                    f"{path}: sample rate {rate} Hz, expected {RATES[0]} to {RATES[1]}: "
                    "the header is damaged, save the file anew"
                )
            left = int(MAX_SECONDS * rate)
            # One second at a time: averaging channels as we go never holds more than one of them.
            blocks = []
            while left and len(block := file.read(min(rate, left), dtype="float32", always_2d=True)):
                blocks.append(block.mean(axis=1, dtype=np.float64).astype(np.float32))
                left -= len(block)
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: a headerless .raw file
        reason = str(error).split(": ")[-1].rstrip(".")
        raise InputError(
            f"{path}: cannot be decoded ({reason}), expected WAV, FLAC, OGG or MP3: "
            f"convert it, e.g. ffmpeg -i {path.name} sound.wav"
        ) from error
    waveform = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    name = f"{path} ({channels} channels averaged)" if channels > 1 else str(path)
    return _within_full_scale(resample(check_waveform(waveform, rate, name=name), rate, sample_rate))


def check_waveform(waveform: np.ndarray, sample_rate: int = SAMPLE_RATE, *, name: str = "waveform") -> np.ndarray:
    """Refuse what no model can use, with one line that says why; `name` begins that line.

    Returns the waveform as (S,) float32 in [-1, 1]. Raises InputError unless it is one channel of at least MIN_SECONDS
    of finite samples whose peak, about their mean, is above SILENCE_DBFS.
    """
    waveform = np.asarray(waveform)
    if waveform.ndim != 1 or waveform.dtype.kind != "f":
        raise InputError(
            f"{name}: shape {waveform.shape} of {waveform.dtype}, expected one channel (S,) of floats in [-1, 1]: "
            "average the channels and divide integers by their full scale"
        )
    if len(waveform) < MIN_SECONDS * sample_rate:
        raise InputError(
            f"{name}: holds {len(waveform)} samples ({len(waveform) / sample_rate:.3f} s), "
            f"expected at least {MIN_SECONDS} s: record longer"
        )
    if not np.isfinite(waveform).all():
        raise InputError(f"{name}: holds NaN or infinite samples, expected finite ones: export it again")
    waveform = _within_full_scale(waveform).astype(np.float32)
    mean = waveform.mean(dtype=np.float64)
    peak = _to_dbfs(max(waveform.max() - mean, mean - waveform.min()))
    if peak < SILENCE_DBFS:
        raise InputError(
            f"{name}: silent (peak {peak:.0f} dBFS), expected a peak above {SILENCE_DBFS:.0f} dBFS: "
            "raise the gain or unmute the microphone"
        )
    return waveform


def resample(waveform: np.ndarray, rate: int, target: int) -> np.ndarray:
    """(S,) at `rate` Hz -> (ceil(S * target / rate),) float32 at `target` Hz, by a polyphase anti-aliasing filter."""
    waveform = np.asarray(waveform, np.float32)
    if rate == target or not len(waveform):
        return waveform
    from scipy.signal import resample_poly  # takes half a second to import

    common = math.gcd(int(rate), int(target))
    return resample_poly(waveform, target // common, rate // common).astype(np.float32, copy=False)


def fit_window(waveform: np.ndarray, seconds: float, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """The `seconds` of a longer waveform that hold the most energy; a shorter one is repeated to length.

    Returns (round(seconds * sample_rate),) float32.
    """
    size = round(seconds * sample_rate)
    if size < 1 or not len(waveform):
        raise InputError(f"a window of {seconds} s from {len(waveform)} samples: expected both to be more than zero")
    waveform = np.asarray(waveform, np.float32)
    if len(waveform) <= size:
        return np.resize(waveform, size)  # np.resize repeats
    energy = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    start = int(np.argmax(energy[size:] - energy[:-size]))
    return waveform[start : start + size].copy()


def glances(waveform: np.ndarray, seconds: float, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Three windows of `seconds`, a quarter of that apart, over the loudest stretch of a sound: (3, S) float32.

    What one window misses or takes for something else, the average of three seldom does. A shorter sound is repeated.
    """
    size, step = round(seconds * sample_rate), round(seconds * sample_rate / 4)
    stretch = fit_window(waveform, (size + 2 * step) / sample_rate, sample_rate)
    return np.stack([stretch[start : start + size] for start in (0, step, 2 * step)])


def rms_dbfs(waveform: np.ndarray) -> float:
    """Root mean square level, dBFS; FLOOR_DBFS for digital silence or no samples."""
    if not len(waveform):
        return FLOOR_DBFS
    return _to_dbfs(math.sqrt(np.mean(np.square(waveform, dtype=np.float64))))


def _to_dbfs(amplitude: float) -> float:
    return max(FLOOR_DBFS, 20.0 * math.log10(max(float(amplitude), 1e-30)))


def _within_full_scale(waveform: np.ndarray) -> np.ndarray:
    peak = max(waveform.max(), -waveform.min())
    return waveform / peak if peak > 1.0 else waveform


class Window(NamedTuple):
    """Consecutive samples (S,) float32 and when they sounded, seconds on the clock of whoever appended them."""

    samples: np.ndarray
    start: float
    end: float


class AudioRing:
    """The most recent samples of a mono stream, and the time of the last of them. Any thread may append or read."""

    def __init__(self, seconds: float, sample_rate: int = SAMPLE_RATE) -> None:
        self.sample_rate = sample_rate
        self.capacity = round(seconds * sample_rate)
        if self.capacity < 1:
            raise InputError(f"an audio ring of {seconds} s: expected room for at least one sample")
        self._samples = np.zeros(self.capacity, np.float32)
        self._next = 0  # where the next sample goes
        self._held = 0
        self._end = 0.0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many samples are held, at most `capacity`."""
        return self._held

    def append(self, samples: np.ndarray, end: float) -> float:
        """Add samples (S,) of which the last ended at time `end`, seconds.

        Returns the seconds missing between what was held and these samples: about 0 in a healthy stream, positive
        where audio was lost, negative where it overlaps. The ring closes up over a gap; `clear` it if that is wrong.
        """
        samples = np.asarray(samples, np.float32)
        with self._lock:
            gap = end - len(samples) / self.sample_rate - self._end if self._held else 0.0
            kept = samples[-self.capacity :]
            where = (self._next + np.arange(len(kept))) % self.capacity
            self._samples[where] = kept
            self._next = (self._next + len(kept)) % self.capacity
            self._held = min(self.capacity, self._held + len(kept))
            self._end = end
        return gap

    def last(self, seconds: float) -> Window:
        """The newest `seconds`, or as much of them as is held."""
        with self._lock:
            size = min(self._held, round(seconds * self.sample_rate))
            where = (self._next - size + np.arange(size)) % self.capacity
            return Window(self._samples[where], self._end - size / self.sample_rate, self._end)

    def clear(self) -> None:
        with self._lock:
            self._held = 0


@dataclass
class OnsetDetector:
    """Says where in a mono stream something begins to sound above whatever hum the room has.

    The stream is measured in frames. The noise floor follows their level: down at once, up slowly, and still more
    slowly while a sound lasts, so that a motor that stays on becomes part of the room. A sound begins when a frame
    rises `open_db` above the floor and ends when frames stay below `close_db` above it for `hold_s`: two thresholds,
    so that one wavering sound is one onset.
    """

    sample_rate: int = SAMPLE_RATE
    open_db: float = 12.0  # above the floor, begins a sound
    close_db: float = 6.0  # above the floor, keeps it going
    min_dbfs: float = -50.0  # quieter frames never begin one
    frame_s: float = 0.02
    hold_s: float = 0.25
    quiet_rise_s: float = 1.0  # time constant of the rising floor while nothing sounds
    active_rise_s: float = 10.0  # and while something does
    active: bool = field(default=False, init=False)
    floor_dbfs: float | None = field(default=None, init=False)
    _pending: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32), init=False, repr=False)
    _position: int = field(default=0, init=False, repr=False)  # of the first pending sample
    _below_s: float = field(default=0.0, init=False, repr=False)

    def process(self, samples: np.ndarray) -> list[int]:
        """Feed the next samples (S,), any number. Returns where sounds began: sample numbers since the first call."""
        size = round(self.frame_s * self.sample_rate)
        samples = np.concatenate([self._pending, np.asarray(samples, np.float32)])
        onsets = []
        whole = len(samples) // size * size
        for start in range(0, whole, size):
            if self._step(rms_dbfs(samples[start : start + size])):
                onsets.append(self._position + start)
        self._pending = samples[whole:]
        self._position += whole
        return onsets

    def _step(self, level: float) -> bool:
        """One frame's level in; True if a sound begins with it."""
        lowest = self.min_dbfs - self.open_db  # a floor below this could never matter
        level = max(level, lowest)
        if self.floor_dbfs is None:
            self.floor_dbfs = level  # the room; if it was a sound after all, the floor falls when that ends
        above = level - self.floor_dbfs
        begins = not self.active and above >= self.open_db and level >= self.min_dbfs
        if begins:
            self.active, self._below_s = True, 0.0
        elif self.active:
            self._below_s = self._below_s + self.frame_s if above < self.close_db else 0.0
            self.active = self._below_s < self.hold_s
        rise_s = self.active_rise_s if self.active else self.quiet_rise_s
        self.floor_dbfs += above if above < 0 else above * min(1.0, self.frame_s / rise_s)
        return begins
