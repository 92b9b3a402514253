"""Why the node makes no shape. Each kind has a result code of its own in the action (requests/codes.py)."""

from __future__ import annotations

from audio2shape_core.errors import InputError


class NotActive(InputError):
    """Something was asked that only an active node does."""


class NoAudio(InputError):
    """There is nothing to hear, or what there is is too old."""


class Silence(InputError):
    """There is something to hear, but it is too quiet."""


class BadRequest(InputError):
    """A goal field has a value that it cannot have."""


class NoImage(InputError):
    """There is no camera image for this sound."""


class OutOfMemory(RuntimeError):
    """Even the smallest version of the shape did not fit."""


class Busy(RuntimeError):
    """As many callers as may already wait for a shape."""


class ModelFailed(RuntimeError):
    """The model raised something unforeseen, does not answer, or its process died."""
