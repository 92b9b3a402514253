"""The process that owns the model, and what is said over the pipe to it.

    to it       ("make", number, Request) · ("cancel", number)
    from it     ("ready", ModelInfo) or ("refused", text), once
                ("note", text)                              something for the log
                ("progress", stage, step, total), ("preview", Shape)
                ("made", Outcome, ModelInfo) · ("failed", kind, text)

It ends when the pipe does, and after a failure of the kind "fatal". A process of its own, because a crash in native
code, an out-of-memory kill or a failed CUDA kernel must not take the node along, because only the end of a process
gives all its memory back, and because no step of a shape can then hold the interpreter lock that callbacks need.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait

from audio2shape_core.doctor import of_a_library, remedy
from audio2shape_core.errors import Cancelled, DeadlineMissed, InputError
from audio2shape_ros.model.server import beyond_repair, describe, make_shape, warm_up
from audio2shape_ros.requests.requests import ModelOptions, OutOfMemory, Request

# Exceptions travel as a name and a text: unpickling torch's own would import torch in the node. First match counts.
KINDS: tuple[tuple[str, type[Exception]], ...] = (
    ("deadline", DeadlineMissed),
    ("cancelled", Cancelled),
    ("input", InputError),
    ("memory", OutOfMemory),
)


def run(pipe: Connection, load: Callable[[ModelOptions], object], options: ModelOptions) -> None:
    """The whole life of the process. `load(options)` gives an AudioToShape, or raises InputError."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the node decides when this ends
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        try:
            model = load(options)
        except Exception as error:
            pipe.send(("refused", why(error)))
            return
        pipe.send(("ready", describe(model)))
        try:
            warm_up(model)
        except Exception as error:  # a real request will tell more
            pipe.send(("note", f"warm-up failed: {type(error).__name__}: {error}"))
        while True:
            serve(pipe, model, *pipe.recv())
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the node closed the pipe, or is gone


def why(error: Exception) -> str:
    """Why the model cannot be loaded, and how to mend it where that is known."""
    if isinstance(error, InputError):
        return str(error)
    if of_a_library(error):
        return f"{error}: {remedy(error)}"
    return f"the model cannot be loaded: {type(error).__name__}: {error}"


def end_with_parent() -> None:
    """A node that was killed closes the pipe too, but that is only noticed between two steps."""
    wait([parent_process().sentinel])
    os._exit(1)


def serve(pipe: Connection, model: object, what: str, number: int, *rest: object) -> None:
    """Answer one message. Raises EOFError when the pipe ends."""
    if what == "cancel":
        return  # it came when the work was done
    try:
        pipe.send(("made", *make(pipe, model, number, *rest)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        kind = next((name for name, cls in KINDS if isinstance(error, cls)), None)
        text = str(error) if kind else f"{type(error).__name__}: {error}"
        fatal = beyond_repair(error)
        pipe.send(("failed", "fatal" if fatal else kind or "internal", text))
        if fatal:
            os._exit(1)  # at once: what tidies up would only fail too


def make(pipe: Connection, model: object, number: int, request: Request) -> tuple:
    def progress(stage: str, step: int, total: int) -> None:
        while pipe.poll():
            what, wanted, *_ = pipe.recv()
            if what == "cancel" and wanted == number:
                raise Cancelled
        if request.tell_progress:
            pipe.send(("progress", stage, step, total))

    on_preview = (lambda shape: pipe.send(("preview", shape))) if request.tell_preview else None
    outcome = make_shape(model, request, progress, on_preview)
    return outcome, describe(model)
