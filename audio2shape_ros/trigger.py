"""When a shape is due, decided sample by sample on the clock of the sound, so that a bag replays the same way."""

from __future__ import annotations

import math

import numpy as np

from audio2shape_core.audio import OnsetDetector
from audio2shape_ros.parameters import Settings

LEAD_S = 0.2  # of sound before an onset that belongs to it


class Trigger:
    """Modes of trigger.mode: continuous, onset, on_demand. Called from one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._detector: OnsetDetector | None = None
        self._onset = math.inf  # when the sound that is listened to began
        self._fired = -math.inf

    def heard(self, samples: np.ndarray, rate: int, end: float) -> float:
        """Feed the next mono samples, the last of which sounded at `end`.

        Returns how many seconds of the newest sound to make a shape from now; 0 for none.
        """
        s = self._settings
        if end < self._fired:  # time went back: a bag started again
            self._onset, self._fired, self._detector = math.inf, -math.inf, None
        mode, rested = s["trigger.mode"], end - self._fired >= s["trigger.period_s"]
        seconds = 0.0
        if mode == "onset":
            seconds = self._since_onset(samples, rate, end)
        elif mode == "continuous":
            seconds = s["audio.window_s"]
        if not rested or not seconds:
            return 0.0
        self._fired, self._onset = end, math.inf
        return min(seconds, s["audio.window_s"])

    def _since_onset(self, samples: np.ndarray, rate: int, end: float) -> float:
        """Seconds since the onset, once it was listened to long enough; else 0."""
        open_db = self._settings["trigger.onset_db"]
        if self._detector is None or (self._detector.sample_rate, self._detector.open_db) != (rate, open_db):
            self._detector = OnsetDetector(rate, open_db=open_db, close_db=open_db / 2)
        if self._detector.process(samples) and math.isinf(self._onset):
            self._onset = end - len(samples) / rate
        elapsed = end - self._onset
        return elapsed + LEAD_S if elapsed >= self._settings["trigger.listen_s"] else 0.0
