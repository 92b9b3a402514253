"""The node's end of the model process: start it, ask it, end it, and start it again when it dies."""

from __future__ import annotations

import itertools
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable

from audio2shape_core.errors import Cancelled, InputError
from audio2shape_core.shape import Shape
from audio2shape_ros.model import process as model_process
from audio2shape_ros.requests.requests import Job, ModelFailed, ModelInfo, ModelOptions, Outcome

# A fresh interpreter: a fork would copy the threads' locks of rclpy and DDS as they happen to be.
SPAWN = multiprocessing.get_context("spawn")
# Before the second restart in a row, doubled from then on; the first comes at once. A shape made ends the row.
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 30.0
CANCEL_POLL_S = 0.005  # less than a step takes
ERRORS: dict[str, type[Exception]] = dict(model_process.KINDS)


class ModelHandle:
    """One model in a process of its own.

    All methods may be called from any thread; of `start`, `make` and `tend` one at a time talks to the process.
    `log(text)` gets what the operator should know.
    """

    def __init__(
        self, load: Callable[[ModelOptions], object], options: ModelOptions, log: Callable[[str], None]
    ) -> None:
        self._load, self._options, self._log = load, options, log
        self._talking = threading.Lock()
        self._numbers = itertools.count()
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe = None
        self._deaths = 0  # in a row
        self._not_before = 0.0  # time.monotonic() of the next start
        self.wanted = False  # whether the process should run
        self.info: ModelInfo | None = None
        self.restarts = 0
        self.problem = ""  # why it does not run, though it should

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.exitcode is None else None

    def start(self) -> None:
        """Start the process and wait until the model is loaded.

        Raises InputError with the reason why it cannot be loaded, ModelFailed where the process died over it.
        """
        self.wanted = True
        with self._talking:
            self._start()

    def _start(self) -> None:
        pipe, theirs = SPAWN.Pipe()
        process = SPAWN.Process(
            target=model_process.run, args=(theirs, self._load, self._options), name="audio2shape model", daemon=True
        )
        process.start()
        theirs.close()
        if self._pipe is not None:
            self._pipe.close()
        self._process, self._pipe = process, pipe
        if not self.wanted:  # stop() came while it was starting
            process.kill()
        what, said = self._receive()
        if what == "refused":
            process.join()
            raise InputError(said)
        self.info, self.problem = said, ""

    def stop(self) -> None:
        """End the process at once; whoever waits for it gets Cancelled. Safe to call twice."""
        self.wanted = False
        process = self._process
        if process is not None:
            process.kill()
            process.join()
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
                pass  # _died has told, or nobody wants it any more
            except Exception as error:  # no memory left for a process, or no number for a pipe
                self._delay(f"the model process cannot be started ({type(error).__name__}: {error})")

    def make(self, job: Job, on_preview: Callable[[Shape], None]) -> Outcome:
        """Have a shape made; `on_preview` gets what the request asks to be told of it on the way.

        Raises Cancelled after `job.cancelled` is set or `stop`; InputError, DeadlineMissed and OutOfMemory as
        generation does; ModelFailed for everything else, a death of the process included.
        """
        with self._talking:
            self._check_running()
            number = next(self._numbers)
            self._send("make", number, job.request)
            asked_to_stop = False
            while True:
                if job.cancelled.is_set() and not asked_to_stop:
                    self._send("cancel", number)
                    asked_to_stop = True
                if not self._pipe.poll(CANCEL_POLL_S):
                    continue
                what, *said = self._receive()
                if what == "progress":
                    self._tell(job.progress, *said)
                elif what == "preview":
                    self._tell(on_preview, *said)
                elif what == "failed":
                    self._raise(*said)
                elif what == "made":
                    outcome, self.info = said
                    self._deaths = 0
                    return outcome

    def _tell(self, follower: Callable[..., None], *said: object) -> None:
        """A follower that fails must not end the conversation: the next request would get this one's answer."""
        try:
            follower(*said)
        except Exception as error:
            self._log(f"progress was not told: {type(error).__name__}: {error}")

    def _check_running(self) -> None:
        if self.pid is None:
            if not self.wanted:
                raise Cancelled
            if not self.problem:
                self._died()
            wait_s = max(0.0, self._not_before - time.monotonic())
            raise ModelFailed(f"{self.problem}; it starts again in {wait_s:.0f} s")

    def _send(self, *message: object) -> None:
        try:
            self._pipe.send(message)
        except OSError:
            self._died()
            raise self._end() from None

    def _receive(self) -> tuple:
        try:
            while (message := self._pipe.recv())[0] == "note":
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
        process.join(5)  # the pipe ends a moment before the process does
        code = process.exitcode
        how = f"exit code {code}"
        if code is not None and code < 0:
            how = f"{signal.Signals(-code).name}{', perhaps out of memory' if -code == signal.SIGKILL else ''}"
        self._delay(f"the model process died ({how})")

    def _delay(self, problem: str) -> None:
        self._deaths += 1
        delay = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** (self._deaths - 2)) if self._deaths > 1 else 0.0
        self.problem, self._not_before = problem, time.monotonic() + delay
        again = f"; it starts again in {delay:.1f} s" if self.info else ""  # not where it could not start at all
        self._log(f"{problem}{again}")
