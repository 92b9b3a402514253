"""Where the time of a run goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from audio2shape_core.errors import STAGES


class Stopwatch:
    """Measures stages by name. Pass it along: what is measured outside `AudioToShape.generate` counts as well.

    start: time.monotonic() of the moment from which the total counts; by default, now.
    """

    def __init__(self, start: float | None = None) -> None:
        self.start = time.monotonic() if start is None else start
        self._seconds = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage, whether it ends well or not."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.add(name, time.monotonic() - began)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the time of the block out of the total: it is not of this run."""
        began = time.monotonic()
        yield
        self.start += time.monotonic() - began

    def add(self, name: str, seconds: float) -> None:
        self._seconds[name] += seconds

    def timings_ms(self) -> dict[str, float]:
        """Milliseconds of every stage in the order of a run, and the `total` until now."""
        timings = {name: 1000 * seconds for name, seconds in self._seconds.items()}
        return {**timings, "total": 1000 * (time.monotonic() - self.start)}
