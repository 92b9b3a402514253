"""The few exceptions and callback types that every stage shares."""

from collections.abc import Callable

# progress(stage, step, total); it may raise Cancelled to stop the work at that step.
Progress = Callable[[str, int, int], None]

STAGES = ("decode", "encode", "look", "diffuse", "decode_shape", "pose", "refine")


class InputError(ValueError):
    """Bad input, said in one line: what was wrong, what was expected, how to mend it."""


class Cancelled(Exception):
    """Raised by a progress callback to stop the work between two steps."""


class DeadlineMissed(Cancelled):
    """There was no shape yet when the deadline came."""
