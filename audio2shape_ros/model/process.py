"""The process that owns the model, and what is said over the pipe to it.

    to it       ("make", number, Request) · ("cancel", number)
    from it     ("ready", ModelInfo) or ("refused", text), once
                ("note", text)                              something for the log
                ("progress", stage, step, total), ("preview", Shape)
                ("made", Outcome, ModelInfo) · ("failed", kind, text)

Beside the pipe there is a pulse, two numbers in shared memory: a thread counts up the first, every step of a shape the
second. A process that is stopped, or stuck in code that holds the interpreter, has no beats. The process ends when the
pipe does, and after a failure of the kind "fatal". A process of its own, because a crash in native code, an
out-of-memory kill or a failed CUDA kernel must not end the node, because only the end of a process gives all its memory
back, and because no step of a shape can then hold the interpreter lock that callbacks need.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, MutableSequence
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import Any

from audio2shape_core.doctor import of_a_library, remedy
from audio2shape_core.errors import Cancelled, DeadlineMissed, InputError
from audio2shape_ros.errors import OutOfMemory
from audio2shape_ros.model.messages import Model, ModelInfo, ModelOptions, Outcome, Request
from audio2shape_ros.model.server import beyond_repair, describe, make_shape, warm_up

PULSE_S = 0.1
BEATS, STEPS = 0, 1  # of the pulse
# Exceptions travel as a name and a text: unpickling torch's own would import torch in the node. First match counts.
KINDS: tuple[tuple[str, type[Exception]], ...] = (
    ("deadline", DeadlineMissed),
    ("cancelled", Cancelled),
    ("input", InputError),
    ("memory", OutOfMemory),
)


def run(
    pipe: Connection, pulse: MutableSequence[int], load: Callable[[ModelOptions], Model], options: ModelOptions
) -> None:
    """The whole life of the process. `load(options)` gives the model, or raises InputError."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the node decides when this ends
    threading.Thread(target=end_with_parent, daemon=True).start()
    threading.Thread(target=beat, args=(pulse,), daemon=True).start()
    try:
        try:
            model = load(options)
        except Exception as error:
            pipe.send(("refused", why(error)))
            return
        pipe.send(("ready", describe(model)))
        try:
            warm_up(model, lambda _: count(pulse))
        except Exception as error:  # a real request will tell more
            pipe.send(("note", f"warm-up failed: {type(error).__name__}: {error}"))
        while True:
            serve(pipe, pulse, model, *pipe.recv())
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the node closed the pipe, or is gone


def beat(pulse: MutableSequence[int]) -> None:
    while True:
        pulse[BEATS] += 1
        time.sleep(PULSE_S)


def count(pulse: MutableSequence[int]) -> None:
    pulse[STEPS] += 1


def why(error: Exception) -> str:
    """Why the model cannot be loaded, and how to mend it where that is known."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, (ImportError, OSError)) and of_a_library(error):
        return f"{error}: {remedy(error)}"
    return f"the model cannot be loaded: {type(error).__name__}: {error}"


def end_with_parent() -> None:
    """A node that was killed closes the pipe too, but that is only noticed between two steps."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(1)


def serve(pipe: Connection, pulse: MutableSequence[int], model: Model, what: str, number: int, *rest: Any) -> None:
    """Answer one message. Raises EOFError when the pipe ends."""
    if what == "cancel":
        return  # it came when the work was done
    try:
        pipe.send(("made", *make(pipe, pulse, model, number, *rest)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        kind = next((name for name, cls in KINDS if isinstance(error, cls)), None)
        text = str(error) if kind else f"{type(error).__name__}: {error}"
        fatal = beyond_repair(error)
        pipe.send(("failed", "fatal" if fatal else kind or "internal", text))
        if fatal:
            os._exit(1)  # at once: what tidies up would only fail too


def make(
    pipe: Connection, pulse: MutableSequence[int], model: Model, number: int, request: Request
) -> tuple[Outcome, ModelInfo]:
    def progress(stage: str, step: int, total: int) -> None:
        count(pulse)
        while pipe.poll():
            what, wanted, *_ = pipe.recv()
            if what == "cancel" and wanted == number:
                raise Cancelled
        if request.send_progress:
            pipe.send(("progress", stage, step, total))

    on_preview = (lambda shape: pipe.send(("preview", shape))) if request.send_preview else None
    outcome = make_shape(model, request, progress, on_preview)
    return outcome, describe(model)
