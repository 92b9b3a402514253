"""When a shape is due, decided sample by sample on the clock of the sound, so that a bag replays the same way."""

from __future__ import annotations

import math

import numpy as np

from audio2shape_core.audio import OnsetDetector
from audio2shape_ros.parameters import Settings


class Trigger:
    """Modes of trigger.mode: continuous, onset, on_demand. Called from one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._detector: OnsetDetector | None = None
        self._due = math.inf  # when listening to the current onset ends
        self._fired = -math.inf

    def heard(self, samples: np.ndarray, rate: int, end: float) -> bool:
        """Feed the next mono samples, the last of which sounded at `end`. Returns whether to make a shape now."""
        s = self._settings
        if end < self._fired:  # time went back: a bag started again
            self._due, self._fired, self._detector = math.inf, -math.inf, None
        mode, rested = s["trigger.mode"], end - self._fired >= s["trigger.period_s"]
        if mode == "continuous":
            due = rested
        elif mode == "onset":
            due = self._onset_due(samples, rate, end, rested)
        else:
            due = False
        if due:
            self._fired, self._due = end, math.inf
        return due

    def _onset_due(self, samples: np.ndarray, rate: int, end: float, rested: bool) -> bool:
        open_db = self._settings["trigger.onset_db"]
        if self._detector is None or (self._detector.sample_rate, self._detector.open_db) != (rate, open_db):
            self._detector = OnsetDetector(rate, open_db=open_db, close_db=open_db / 2)
        if self._detector.process(samples) and math.isinf(self._due):
            self._due = end + self._settings["trigger.listen_s"]
        return rested and end >= self._due
