"""How much memory and time something takes, so that no test of a decoder passes because the machine is large."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def _status(key: str) -> float:
    """A line of /proc/self/status, MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


@contextmanager
def bounded(*, megabytes: float, seconds: float) -> Iterator[None]:
    """Fail if the block takes more memory, at any moment, than before it, or more processor time of this process."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before, start = _status("VmRSS:"), time.process_time()
    try:
        yield
    finally:
        taken, spent = _status("VmHWM:") - before, time.process_time() - start
        assert taken <= megabytes, f"took {taken:.0f} MB, allowed are {megabytes:.0f}"
        assert spent <= seconds, f"took {spent:.1f} s, allowed are {seconds:.1f}"
