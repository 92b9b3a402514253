"""Lost sound, told from stamps that waver."""

from __future__ import annotations

from collections import deque

MESSAGES = 8  # of which one at least is stamped punctually


class Losses:
    """Compares how much sound arrived with how much time its stamps say went by.

    A microphone node stamps its messages a little late, each by another bit; the least lateness of several messages
    hardly changes. When sound was lost, it grows by what is missing, and stays.
    """

    def __init__(self) -> None:
        self._heard_s = 0.0
        self._lateness: deque[float] = deque(maxlen=MESSAGES)
        self._usual: float | None = None

    def lost(self, start: float, duration: float) -> bool:
        """Whether sound was lost a few messages before this one, of `duration` seconds, stamped `start`."""
        self._lateness.append(start - self._heard_s)
        self._heard_s += duration
        if len(self._lateness) < MESSAGES:
            return False
        least, usual = min(self._lateness), self._usual
        self._usual = least  # also follows the drift between two clocks
        return usual is not None and least - usual > duration / 2
