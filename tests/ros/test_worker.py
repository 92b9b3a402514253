import threading
import time
from concurrent.futures import CancelledError, wait

import pytest

from audio2shape_ros.requests.worker import Worker


class Gate:
    """Work that waits to be let through, and tells what it did."""

    def __init__(self) -> None:
        self.open, self.entered, self.done = threading.Event(), threading.Event(), []

    def __call__(self, job):
        self.entered.set()
        assert self.open.wait(5)
        self.done.append(job)
        return job * 10


def test_only_the_newest_waiting_job_runs():
    gate = Gate()
    worker = Worker(gate)
    futures = [worker.submit(1)]
    assert gate.entered.wait(5)
    futures += [worker.submit(n) for n in (2, 3, 4)]
    gate.open.set()
    assert futures[3].result(5) == 40
    assert gate.done == [1, 4]
    assert worker.dropped == 2
    assert [f.cancelled() for f in futures] == [False, True, True, False]
    assert worker.stop()


def test_jobs_someone_waits_for_all_run_and_first():
    gate = Gate()
    worker = Worker(gate)
    worker.submit(1)
    assert gate.entered.wait(5)
    live = worker.submit(2)
    asked = [worker.submit(n, asked=True) for n in (3, 4)]
    newer = worker.submit(5)
    with pytest.raises(CancelledError):
        live.result(1)
    gate.open.set()
    assert [future.result(5) for future in (*asked, newer)] == [30, 40, 50]
    assert gate.done == [1, 3, 4, 5]
    assert worker.dropped == 1
    assert worker.stop()


def test_an_exception_reaches_who_waits_and_the_thread_lives_on():
    worker = Worker(lambda job: 1 / job)
    with pytest.raises(ZeroDivisionError):
        worker.submit(0).result(5)
    assert worker.submit(2).result(5) == 0.5
    assert worker.stop()


def test_stop_drops_what_waits_and_refuses_what_comes():
    gate = Gate()
    worker = Worker(gate)
    first = worker.submit(1)
    assert gate.entered.wait(5)
    waiting = [worker.submit(2), worker.submit(3, asked=True)]
    threading.Timer(0.1, gate.open.set).start()
    assert worker.stop()
    assert first.result(1) == 10
    assert all(future.cancelled() for future in waiting)
    late = worker.submit(4)
    assert late in wait([late], timeout=1).done
    assert late.cancelled()


def test_submitting_never_blocks():
    gate = Gate()
    worker = Worker(gate)
    start = time.monotonic()
    for n in range(1000):
        worker.submit(n)
    assert time.monotonic() - start < 1
    gate.open.set()
    assert worker.stop()


def test_a_failing_tend_does_not_end_the_thread():
    def tend():
        raise OSError(12, "no memory for a process")

    worker = Worker(lambda job: job + 1, tend)
    assert worker.submit(1, asked=True).result(5) == 2
    assert worker.stop()
