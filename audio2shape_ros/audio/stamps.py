"""Whether the stamps of audio messages can be believed, and whether they tell of lost sound."""

from __future__ import annotations

from collections import deque

from audio2shape_ros.ros import span, stamp_fault

BEHIND_S = 60.0  # older stamps are those of a recording
RECENT = 10  # messages of which
STEPS_BACK = 4  # may not have a stamp that is no later than the one before
PACE_S = 3.0  # of sound, during which the stamps must advance
PACE = 0.7  # at least this many seconds a second of sound
DISTRUST_S = 5.0  # how long stamps are left alone after one that was wrong
PUNCTUAL_S = 0.5  # in which at least one message is stamped as late as usual, whatever the others do


class SoundClock:
    """Says when sound was heard, seconds of the node's clock: by its stamps, or by its arrival where they are wrong.

    source: "header", "receive" (without stamps) or "arrival" (stamps not believed). problem: why they are not believed;
    remark: what is odd about stamps that are; both empty for good ones.
    """

    def __init__(self) -> None:
        self.source, self.problem, self.remark = "", "", ""
        self._trusted_from = float("-inf")  # steady clock
        self._previous: float | None = None
        self._back: deque[bool] = deque(maxlen=RECENT)
        self._pace: tuple[float, float] | None = None  # stamp and heard seconds at the last check
        self._heard_s = 0.0

    def end_of(self, start: float | None, duration: float, now: float, steady: float) -> float:
        """When the last sample of a message sounded.

        start: the message's stamp, when its first sample sounded; None without one. duration: of its sound, seconds.
        now, steady: the node's clock, 0 while it has no time, and the steady clock.
        """
        if not start:
            self.source, self.problem, self.remark = "receive", "", ""
            return max(now, 0.0)
        fault = self._fault(start, duration, now)
        if fault:
            self.problem, self._trusted_from = fault, steady + DISTRUST_S
        elif steady >= self._trusted_from:
            self.problem = ""
        self.source = "arrival" if self.problem else "header"
        return max(now, 0.0) if self.problem else start + duration

    def _fault(self, start: float, duration: float, now: float) -> str:
        behind, previous, self._previous = now - start, self._previous, start
        self._heard_s += duration
        self._back.append(previous is not None and start <= previous)
        if self._back[-1] or self._pace is None:
            self._pace = start, self._heard_s
        self.remark = ""
        if fault := stamp_fault(start, now):
            return f"stamps of the sound are {fault}"
        if now > 0 and behind > BEHIND_S:
            self.remark = (
                f"stamps of the sound are {span(behind)} behind the node's clock: for a recording set use_sim_time and "
                "publish /clock, else mend the sender's clock"
            )
        if sum(self._back) >= STEPS_BACK:
            return "stamps of the sound do not advance" if start == previous else "stamps of the sound go backwards"
        stamped_s, heard_s = start - self._pace[0], self._heard_s - self._pace[1]
        if heard_s >= PACE_S:
            self._pace = start, self._heard_s
            if stamped_s < PACE * heard_s:
                return f"stamps of the sound advance {stamped_s:.1f} s in {heard_s:.1f} s of sound"
        return ""


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
