"""The few exceptions and callback types that every stage shares."""

from collections.abc import Callable

# progress(stage, step, total); it may raise Cancelled to stop the work at that step.
Progress = Callable[[str, int, int], None]

STAGES = ("decode", "encode", "look", "diffuse", "decode_shape", "pose", "refine")


class InputError(ValueError):
    """Bad input, said in one line: what was wrong, what was expected, how to mend it.

    It may quote names and texts of any source: what would break the line, or steer a terminal, is escaped.
    """

    def __str__(self) -> str:
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in super().__str__())


class Cancelled(Exception):
    """Raised by a progress callback to stop the work between two steps."""


class DeadlineMissed(Cancelled):
    """There was no shape yet when the deadline came."""
