"""Sound that is still coming: a ring of recent samples, and a detector of onsets."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from audio2shape_core.audio.waveform import SAMPLE_RATE, center, full_scale, rms_dbfs
from audio2shape_core.errors import InputError


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

    def heard(self, seconds: float) -> Window:
        """As `last`, but centred and within full scale, as `load_audio` gives a file."""
        window = self.last(seconds)
        return window._replace(samples=center(full_scale(window.samples), self.sample_rate))

    def clear(self) -> None:
        with self._lock:
            self._held = 0


@dataclass
class OnsetDetector:
    """Says where in a mono stream something begins to sound above whatever hum the room has.

    The level of each frame is measured about its mean. The noise floor follows the level: down at once, up slowly, and
    still more slowly while a sound lasts, so that a motor that stays on becomes part of the room. A sound begins when a
    frame rises `open_db` above the floor and ends when frames stay below `close_db` above it for `hold_s`: two
    thresholds, so that one wavering sound is one onset.
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
