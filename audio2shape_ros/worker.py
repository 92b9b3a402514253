"""One thread owns the model; one job waits at most. Callbacks only hand over and go on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

TEND_S = 0.5
J = TypeVar("J")
R = TypeVar("R")


class Worker(Generic[J, R]):
    """Runs `work(job)` in a thread of its own, newest job first and only.

    The slot holds one job: a newer one takes its place and the older is dropped, because a shape of a sound long gone
    helps nobody. A job someone waits for (`asked=True`) is never dropped for one that nobody does. `tend` runs in the
    thread before every job, and every half second while there is none.
    """

    def __init__(self, work: Callable[[J], R], tend: Callable[[], None] | None = None) -> None:
        self._work, self._tend = work, tend
        self._slot: tuple[J, Future, bool] | None = None
        self._changed = threading.Condition()
        self._stopping = False
        self.dropped = 0  # jobs that never ran
        self.busy = False
        self._thread = threading.Thread(target=self._run, name="audio2shape worker", daemon=True)
        self._thread.start()

    def submit(self, job: J, *, asked: bool = False) -> Future:
        """Hand over a job. The future is cancelled if the job is dropped."""
        future: Future = Future()
        with self._changed:
            refused = self._stopping or (self._slot is not None and self._slot[2] and not asked)
            if refused:
                loser = future
            else:
                loser = self._slot[1] if self._slot else None
                self._slot = (job, future, asked)
                self._changed.notify()
            self.dropped += loser is not None
        if loser is not None:
            loser.cancel()
            loser.set_running_or_notify_cancel()
        return future

    def dismiss(self) -> None:
        """Take no more jobs and drop the waiting one; the running one goes on."""
        with self._changed:
            self._stopping = True
            waiting, self._slot = self._slot, None
            self._changed.notify()
        if waiting:
            waiting[1].cancel()
            waiting[1].set_running_or_notify_cancel()

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Dismiss, and wait for the running job. Returns whether the thread ended in time."""
        self.dismiss()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            if self._tend:
                self._tend()
            with self._changed:
                if not self._changed.wait_for(lambda: self._slot or self._stopping, TEND_S if self._tend else None):
                    continue
                if self._slot is None:
                    return
                (job, future, _), self._slot = self._slot, None
                self.busy = True
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(self._work(job))
            except BaseException as error:  # whatever happens, whoever waits must learn of it
                future.set_exception(error)
            finally:
                self.busy = False
