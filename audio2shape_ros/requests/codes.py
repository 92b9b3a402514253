"""Errors and stages in the numbers of the action."""

from __future__ import annotations

from concurrent.futures import CancelledError

from audio2shape_core.errors import Cancelled, DeadlineMissed, InputError
from audio2shape_ros.action import GenerateShape
from audio2shape_ros.errors import BadRequest, Busy, ModelFailed, NoAudio, NotActive, OutOfMemory, Silence

Code, Feedback = GenerateShape.Result, GenerateShape.Feedback
# The stages of the core. Looking at the image is part of finding the pose.
STAGES = {
    "decode": Feedback.STAGE_AUDIO,
    "encode": Feedback.STAGE_ENCODE,
    "diffuse": Feedback.STAGE_DIFFUSION,
    "decode_shape": Feedback.STAGE_DECODE,
    "look": Feedback.STAGE_POSE,
    "pose": Feedback.STAGE_POSE,
    "refine": Feedback.STAGE_REFINE,
}
# The first that fits counts.
CODES: tuple[tuple[type[BaseException], int], ...] = (
    (NotActive, Code.NOT_ACTIVE),
    (NoAudio, Code.NO_AUDIO),
    (Silence, Code.SILENCE),
    (BadRequest, Code.BAD_REQUEST),
    (InputError, Code.UNSUPPORTED_FORMAT),
    (DeadlineMissed, Code.DEADLINE),
    (Cancelled, Code.CANCELED),
    (CancelledError, Code.CANCELED),
    (OutOfMemory, Code.OUT_OF_MEMORY),
    (ModelFailed, Code.MODEL_FAILED),
    (Busy, Code.CANCELED),
)
TEXTS = {
    Code.DEADLINE: "the deadline came before there was a shape: allow more time or fewer steps",
    Code.CANCELED: "canceled, gave way to a newer request, or the node was deactivated",
}


def code_of(error: BaseException) -> tuple[int, str]:
    """The action's result code and message for whatever stopped a request."""
    code = next((code for kind, code in CODES if isinstance(error, kind)), Code.INTERNAL)
    return code, str(error) or TEXTS.get(code) or type(error).__name__
