"""When a shape is due. Onsets are found sample by sample, so that a bag replays the same way; how often shapes may be
made is measured on the steady clock, whatever the stamps of the sound say."""

from __future__ import annotations

import math

import numpy as np

from audio2shape_core.audio import OnsetDetector
from audio2shape_ros.parameters import Settings

LEAD_S = 0.05  # of sound before an onset that belongs to it; more of it is silence, which misleads the model
BACK_S = 1.0  # by which sound that arrives late may seem to end earlier
SHORTEST_S = 0.5  # of sound to make a shape of, and of more sound to make another


class Trigger:
    """Modes of trigger.mode: continuous, onset, on_demand. Called from one thread at a time.

    After an onset there is a first shape when trigger.listen_s were heard, or at once when the sound ends; and if it
    goes on, a second one when it has ended or audio.window_s have been heard: the decay separates guitar and saxophone.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._latest = -math.inf  # when the newest sound ended
        self._fired = -math.inf  # when the last shape was due, on the steady clock
        self._forget()

    def _forget(self) -> None:
        self._detector: OnsetDetector | None = None
        self._position = 0  # samples the detector was given
        self._onset = math.inf  # when the sound that is listened to began
        self._told_s = 0.0  # of this sound, a shape was made already

    def heard(self, samples: np.ndarray, rate: int, end: float, steady: float) -> float:
        """Feed the next mono samples (S,), the last of which sounded at `end`; `steady`: the steady clock, seconds.

        Returns how many seconds of the newest sound to make a shape from now; 0 for none.
        """
        s = self._settings
        if end < self._latest - BACK_S:  # a bag started again
            self._forget()
        self._latest = end
        mode, rested = s["trigger.mode"], steady - self._fired >= s["trigger.period_s"]
        seconds = 0.0
        if mode == "onset":
            seconds = self._since_onset(samples, rate, end, rested)
        elif mode == "continuous" and rested:
            seconds = s["audio.window_s"]
        if seconds:
            self._fired = steady
        return min(seconds, s["audio.window_s"])

    def _since_onset(self, samples: np.ndarray, rate: int, end: float, rested: bool) -> float:
        """Seconds from just before the onset until now, if a shape is due; else 0."""
        open_db, window_s = self._settings["trigger.onset_db"], self._settings["audio.window_s"]
        if self._detector is None or (self._detector.sample_rate, self._detector.open_db) != (rate, open_db):
            self._detector = OnsetDetector(rate, open_db=open_db, close_db=open_db / 2)
            self._position = 0
        onsets = self._detector.process(samples)
        self._position += len(samples)
        if onsets and math.isinf(self._onset):
            self._onset, self._told_s = end - (self._position - onsets[0]) / rate, 0.0
        elapsed = end - self._onset + LEAD_S
        enough = window_s if self._told_s else min(self._settings["trigger.listen_s"] + LEAD_S, window_s)
        over = not self._detector.active or elapsed >= window_s
        if elapsed < SHORTEST_S or not (over or elapsed >= enough) or not rested:
            return 0.0
        more = elapsed - self._told_s >= SHORTEST_S
        self._told_s = elapsed
        if over:
            self._onset = math.inf
        return elapsed if more else 0.0
