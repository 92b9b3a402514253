"""Lost sound, told from stamps that waver."""

from __future__ import annotations

from collections import deque

PUNCTUAL_S = 0.5  # in which at least one message is stamped as late as usual, whatever the others do


class Losses:
    """Compares how much sound arrived with how much time its stamps say went by.

    A microphone node stamps its messages late, each by another bit, and several at once after it was held up; the least
    lateness of half a second hardly changes. When sound was lost, it grows by what is missing, and stays.
    """

    def __init__(self) -> None:
        self._heard_s = 0.0
        self._lateness: deque[float] = deque()
        self._usual: float | None = None

    def lost(self, start: float, duration: float) -> bool:
        """Whether sound was lost half a second before this message, of `duration` seconds, stamped `start`."""
        self._lateness.append(start - self._heard_s)
        self._heard_s += duration
        wanted = max(2, round(PUNCTUAL_S / duration))
        if len(self._lateness) < wanted:
            return False
        while len(self._lateness) > wanted:
            self._lateness.popleft()
        least, usual = min(self._lateness), self._usual
        self._usual = least  # also follows the drift between two clocks
        return usual is not None and least - usual > duration / 2
