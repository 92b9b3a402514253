"""The node's end of the model's process: start it, ask it, end it, start it again when it dies or does not answer."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from audio2shape_core.errors import Cancelled, DeadlineMissed, InputError, Progress
from audio2shape_core.shape import Shape
from audio2shape_ros.diagnostics import ERROR, OK, STALE, WARN, Report
from audio2shape_ros.errors import ModelFailed
from audio2shape_ros.model import process as model_process
from audio2shape_ros.model.messages import Model, ModelInfo, ModelOptions, Outcome, Request

# A fresh interpreter: a fork would copy the threads' locks of rclpy and DDS as they happen to be.
SPAWN = multiprocessing.get_context("spawn")
# Before the second restart in a row, doubled from then on; the first comes at once. A shape made ends the row.
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 30.0
CANCEL_POLL_S = 0.005  # less than a step takes
WATCH_S = 0.1  # between two looks at the pulse
QUIET_S = 1.0  # without a beat, the process counts as not answering
FROZEN_S = 8.0  # and after this, it is ended;
LOADING_S = 30.0  # while it loads: a large library holds the interpreter for a while
STUCK_S = 120.0  # for one step: kernels may be compiled in it
UNHEARD_S = 30.0  # for one step, after which nobody waits for the shape any more
ERRORS: dict[str, type[Exception]] = dict(model_process.KINDS)


class Silence:
    """How long a counter in another process stands still, seconds.

    Of the time between two looks, only WATCH_S or a little more counts: where this process was stopped as well, or the
    machine slept, the other one had no time to count either.
    """

    def __init__(self, pulse: Sequence[int], number: int) -> None:
        self._pulse, self._number = pulse, number
        self._seen, self._count, self._still_s = time.monotonic(), -1, 0.0

    def seconds(self) -> float:
        now, count = time.monotonic(), self._pulse[self._number]
        self._still_s = 0.0 if count != self._count else self._still_s + min(now - self._seen, 2 * WATCH_S)
        self._seen, self._count = now, count
        return self._still_s


@dataclass(frozen=True)
class Asked:
    """The request that is being worked on."""

    request: Request
    cancelled: threading.Event

    def over(self) -> Exception | None:
        """Why nobody waits for the shape any more; None while somebody does."""
        if self.cancelled.is_set():
            return Cancelled()
        late = self.request.deadline is not None and time.monotonic() > self.request.deadline
        return DeadlineMissed() if late else None


class ModelHandle:
    """One model in a process of its own.

    All methods may be called from any thread; of `start`, `make` and `tend` one at a time talks to the process.
    `log(text)` gets what the operator should know. info: what is loaded, None until then; problem: why the process does
    not run, though it should; silent_s: how long it has shown no sign of life.
    """

    def __init__(
        self, load: Callable[[ModelOptions], Model], options: ModelOptions, log: Callable[[str], None]
    ) -> None:
        self._load, self._options, self._log = load, options, log
        self._talking, self._reaping = threading.Lock(), threading.Lock()
        self._numbers = itertools.count()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._asked: Asked | None = None
        self._loaded = False  # once, at least
        self._deaths = 0  # in a row
        self._ended = ""  # why the process was ended here
        self._not_before = 0.0  # time.monotonic() of the next start
        self.wanted = False  # whether the process should run
        self.info: ModelInfo | None = None
        self.restarts = 0
        self.problem = ""
        self.silent_s = 0.0

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and self._exit_code(process) is None else None

    def _exit_code(self, process: BaseProcess, patience_s: float | None = 0.0) -> int | None:
        """How a process ended, waiting for the end for so long (None: as long as it takes); None while it runs.

        The system tells it only once, so one thread at a time asks.
        """
        if patience_s == 0.0 or not wait([process.sentinel], patience_s):
            with self._reaping:
                return process.exitcode
        with self._reaping:
            process.join()  # it ends a moment after its end of the pipe does
            return process.exitcode

    def start(self) -> None:
        """Start the process and wait until the model is loaded.

        Raises InputError with the reason why it cannot be loaded, ModelFailed where the process died over it.
        """
        self.wanted = True
        with self._talking:
            self._start()

    def _start(self) -> None:
        pipe, theirs = SPAWN.Pipe()
        pulse = SPAWN.RawArray("l", 2)
        process = SPAWN.Process(
            target=model_process.run,
            args=(theirs, pulse, self._load, self._options),
            name="audio2shape model",
            daemon=True,
        )
        process.start()
        theirs.close()
        if self._pipe is not None:
            self._pipe.close()
        self._process, self._pipe, self.info, self._ended = process, pipe, None, ""
        threading.Thread(target=self._watch, args=(process, pulse), daemon=True).start()
        if not self.wanted:  # stop() came while it was starting
            process.kill()
        what, said = self._receive()
        if what == "refused":
            self._exit_code(process, None)
            raise InputError(said)
        self.info, self.problem, self._loaded = said, "", True

    def _watch(self, process: BaseProcess, pulse: Sequence[int]) -> None:
        """End the process when it does not answer; to be run in a thread of its own, as long as the process lives."""
        beats, steps = (Silence(pulse, number) for number in (model_process.BEATS, model_process.STEPS))
        while not wait([process.sentinel], WATCH_S):
            self.silent_s, step_s, asked = beats.seconds(), steps.seconds(), self._asked
            over = asked is not None and asked.over() is not None
            if self.silent_s > (FROZEN_S if self.info else LOADING_S) or (over and self.silent_s > QUIET_S):
                self._ended = f"did not answer for {self.silent_s:.0f} s and was ended"
            elif asked is not None and step_s > (UNHEARD_S if over else STUCK_S):
                self._ended = f"took more than {step_s:.0f} s for one step and was ended"
            if self._ended and self._process is process:
                process.kill()
                break
        self._exit_code(process, None)
        self.silent_s = 0.0

    def stop(self) -> None:
        """End the process at once; whoever waits for it gets Cancelled. Safe to call twice."""
        self.wanted = False
        process = self._process
        if process is not None:
            process.kill()
            self._exit_code(process, None)
            self._process = None
        self._deaths, self._not_before, self.problem = 0, 0.0, ""

    def tend(self) -> None:
        """Start the process where it should run and does not: at once after `stop`, with a growing delay after a death.

        To be called now and then, and before `make`.
        """
        if not self.wanted or self.pid is not None:
            return
        with self._talking:
            if self._process is not None and not self.problem:
                self._died()
            if not self.wanted or time.monotonic() < self._not_before:
                return
            self.restarts += bool(self.problem)
            try:
                self._start()
            except InputError as error:
                self._delay(str(error))
            except (ModelFailed, Cancelled):
                pass  # _died has said why, or nobody wants it any more
            except Exception as error:  # no memory left for a process, or no number for a pipe
                self._delay(f"the model process cannot be started ({type(error).__name__}: {error})")

    def make(
        self,
        request: Request,
        cancelled: threading.Event,
        on_progress: Progress | None = None,
        on_preview: Callable[[Shape], None] | None = None,
    ) -> Outcome:
        """Have a shape made; `on_progress` and `on_preview` get what the request wants sent on the way.

        Raises Cancelled after `cancelled` is set or `stop`; DeadlineMissed, InputError and OutOfMemory as server.py
        does; ModelFailed for everything else, a process that dies or does not answer included.
        """
        with self._talking:
            self._check_running()
            self._asked = Asked(request, cancelled)
            try:
                return self._talk(self._asked, on_progress, on_preview)
            except ModelFailed:
                if (over := self._asked.over()) is not None:
                    raise over from None
                raise
            finally:
                self._asked = None

    def _talk(self, asked: Asked, on_progress: Progress | None, on_preview: Callable[[Shape], None] | None) -> Outcome:
        number, asked_to_stop = next(self._numbers), False
        self._send("make", number, asked.request)
        while True:
            if asked.cancelled.is_set() and not asked_to_stop:
                self._send("cancel", number)
                asked_to_stop = True
            if not self._connection.poll(CANCEL_POLL_S):
                continue
            what, *said = self._receive()
            if what == "progress":
                self._tell(on_progress, *said)
            elif what == "preview":
                self._tell(on_preview, *said)
            elif what == "failed":
                self._raise(*said)
            elif what == "made":
                outcome, self.info = said
                self._deaths = 0
                return outcome

    def _tell(self, follower: Callable[..., None] | None, *said: Any) -> None:
        """A follower that fails must not end the conversation: the next request would get this one's answer."""
        try:
            if follower is not None:
                follower(*said)
        except Exception as error:
            self._log(f"progress was not passed on: {type(error).__name__}: {error}")

    def _check_running(self) -> None:
        if self.pid is None:
            if not self.wanted:
                raise Cancelled
            if not self.problem:
                self._died()
            wait_s = max(0.0, self._not_before - time.monotonic())
            raise ModelFailed(f"{self.problem}; it starts again in {wait_s:.0f} s")

    @property
    def _connection(self) -> Connection:
        if self._pipe is None:
            raise ModelFailed("the model process was never started")
        return self._pipe

    def _send(self, *message: object) -> None:
        try:
            self._connection.send(message)
        except OSError:
            self._died()
            raise self._end() from None

    def _receive(self) -> tuple[Any, ...]:
        try:
            while (message := self._connection.recv())[0] == "note":
                self._log(message[1])
            return message
        except (EOFError, OSError):
            self._died()
            raise self._end() from None

    def _end(self) -> Exception:
        return ModelFailed(self.problem) if self.wanted else Cancelled()

    def _raise(self, kind: str, text: str) -> None:
        if kind == "fatal":
            self._died()
        raise ERRORS.get(kind, ModelFailed)(text)

    def _died(self) -> None:
        """Note how the process ended and when the next may start."""
        process = self._process
        if not self.wanted or process is None:
            return
        code = self._exit_code(process, 5.0)  # the pipe ends a moment before the process does
        how = f"died (exit code {code})"
        if code is not None and code < 0:
            memory = ", perhaps out of memory" if -code == signal.SIGKILL else ""
            how = f"died ({signal.Signals(-code).name}{memory})"
        self._delay(f"the model process {self._ended or how}")

    def _delay(self, problem: str) -> None:
        self._deaths += 1
        delay = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** (self._deaths - 2)) if self._deaths > 1 else 0.0
        self.problem, self._not_before = problem, time.monotonic() + delay
        again = f"; it starts again in {delay:.1f} s" if self._loaded else ""  # not where it could not start at all
        self._log(f"{problem}{again}")

    def report(self) -> Report:
        values = {"process": self.pid or "", "resident MiB": resident_mib(self.pid), "restarts": self.restarts}
        if self.problem:
            return Report(ERROR, self.problem, values)
        if self.pid is None:
            return Report(STALE, "not running: activate the node", values)
        if self.silent_s > QUIET_S:
            return Report(ERROR, f"the model process does not answer for {self.silent_s:.0f} s", values)
        if self.info is None:
            return Report(STALE, "loading", values)
        values["weights sha256"] = self.info.weights_sha256
        if self.info.weights_sha256 == "random":
            return Report(WARN, "untrained weights (allow_random_weights): shapes mean nothing", values)
        return Report(OK, "loaded", values)

    def report_device(self) -> Report:
        info = self.info
        if info is None:
            return Report(STALE, "not loaded")
        values: dict[str, object] = {"device": info.device, "rasterizer": info.rasterizer}
        if not info.name:
            return Report(OK, "running on the CPU", values)
        return Report(OK, info.name, {**values, "memory used MiB": info.used_mib, "total MiB": info.total_mib})


def resident_mib(pid: int | None) -> int | str:
    """Memory of a process that is resident, or nothing where that is not known."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
    except (OSError, IndexError):
        return ""
