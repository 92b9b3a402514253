"""One thread owns the model. Callbacks only hand over and go on."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

TEND_S = 0.5
J = TypeVar("J")
R = TypeVar("R")


class Worker(Generic[J, R]):
    """Runs `work(job)` in a thread of its own: first what someone waits for, then the newest of the rest.

    A job that nobody asked for waits in a slot for one: a newer one takes its place and the older is dropped, because a
    shape of a sound long gone helps nobody. Jobs someone waits for (`asked=True`) are all kept, in the order they came.
    `tend` runs in the thread before every job, and every half second while there is none.
    """

    def __init__(self, work: Callable[[J], R], tend: Callable[[], None] | None = None) -> None:
        self._work, self._tend = work, tend
        self._asked: deque[tuple[J, Future[R]]] = deque()
        self._slot: tuple[J, Future[R]] | None = None
        self._changed = threading.Condition()
        self._stopping = False
        self.dropped = 0  # jobs that never ran
        self.busy = False
        self._thread = threading.Thread(target=self._run, name="audio2shape worker", daemon=True)
        self._thread.start()

    def submit(self, job: J, *, asked: bool = False) -> Future[R]:
        """Hand over a job. The future is cancelled if the job is dropped."""
        future: Future[R] = Future()
        losers: list[Future[R]] = []
        with self._changed:
            if self._stopping:
                losers.append(future)
            elif asked:
                self._asked.append((job, future))
            else:
                losers += [self._slot[1]] if self._slot else []
                self._slot = (job, future)
            self.dropped += len(losers)
            self._changed.notify()
        drop(losers)
        return future

    def dismiss(self) -> None:
        """Take no more jobs and drop the waiting ones; the running one goes on."""
        with self._changed:
            self._stopping = True
            waiting = [future for _, future in (*self._asked, *([self._slot] if self._slot else []))]
            self._asked.clear()
            self._slot = None
            self._changed.notify()
        drop(waiting)

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Dismiss, and wait for the running job. Returns whether the thread ended in time."""
        self.dismiss()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            if self._tend:
                with contextlib.suppress(Exception):  # its business; the jobs must go on
                    self._tend()
            with self._changed:
                ready = lambda: self._asked or self._slot or self._stopping  # noqa: E731
                if not self._changed.wait_for(ready, TEND_S if self._tend else None):
                    continue
                if self._stopping:  # nothing waits any more
                    return
                if self._asked:
                    job, future = self._asked.popleft()
                elif self._slot:
                    (job, future), self._slot = self._slot, None
                self.busy = True
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(self._work(job))
            except BaseException as error:  # whatever happens, whoever waits must learn of it
                future.set_exception(error)
            finally:
                self.busy = False


def drop(futures: Sequence[Future[Any]]) -> None:
    """Tell whoever waits for them that they never ran."""
    for future in futures:
        future.cancel()
        future.set_running_or_notify_cancel()
