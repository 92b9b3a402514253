"""How far a stage is: its steps, its time, and who hears of it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from audio2shape_core.errors import Progress


class Schedule:
    """Steps and time of one stage.

    total: steps at most. deadline: time.monotonic() at which to stop; None is no limit. progress: called as
    progress(stage, steps done, total), never with fewer steps than before, and with all of them in the end.
    """

    def __init__(self, stage: str, total: int, deadline: float | None, progress: Progress | None) -> None:
        self.stage, self.total, self.deadline, self.progress = stage, total, deadline, progress
        self.step, self.started = 0, time.monotonic()

    def spent(self) -> float:
        """The share of the steps or of the time that is spent, whichever is larger."""
        steps = self.step / self.total
        if self.deadline is None:
            return steps
        return max(steps, (time.monotonic() - self.started) / max(self.deadline - self.started, 1e-9))

    def late(self) -> bool:
        """Whether the time is over."""
        return self.deadline is not None and time.monotonic() > self.deadline

    def tick(self) -> None:
        """A step begins."""
        self._tell()
        self.step += 1

    def until(self, share: float) -> Iterator[float]:
        """Begins a step and gives the share spent before it, until `share` of the steps or of the time is spent."""
        while self.step < round(share * self.total) and (spent := self.spent()) < share:
            self.tick()
            yield spent

    def finish(self) -> None:
        """The stage is over, whether it took all its steps or not."""
        self.step = self.total
        self._tell()

    def _tell(self) -> None:
        if self.progress:
            self.progress(self.stage, self.step, self.total)
