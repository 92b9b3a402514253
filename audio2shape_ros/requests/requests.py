"""What goes to the model process and what comes back: plain values and NumPy arrays, so that nobody on the way needs
torch."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from audio2shape_core.audio import rms_dbfs
from audio2shape_core.camera import Camera
from audio2shape_core.errors import InputError, Progress
from audio2shape_core.shape import Shape

if TYPE_CHECKING:
    from audio2shape_ros.camera.camera_input import Snapshot


class NotActive(InputError):
    """Asked for something that only an active node does."""


class NoAudio(InputError):
    """Nothing to hear."""


class Silence(InputError):
    """Something to hear, but too quiet."""


class OutOfMemory(RuntimeError):
    """Even the smallest version of the shape did not fit."""


class Busy(RuntimeError):
    """As many as may already wait for a shape."""


class ModelFailed(RuntimeError):
    """The model raised something unforeseen, or its process died."""


@dataclass(frozen=True)
class View:
    """What the camera saw. pixels: (H, W, 3) uint8 RGB without distortion; camera: None where it is not calibrated;
    stamp_ns: of the image, node clock."""

    pixels: np.ndarray
    camera: Camera | None
    frame_id: str
    stamp_ns: int


@dataclass(frozen=True)
class Request:
    """Make a shape. waveform: (S,) float32 mono at `sample_rate` Hz, heard from `start` to `end`, seconds of the node's
    clock.

    The values are final: what a goal left open was filled in from the parameters. `deadline` and `received` are
    time.monotonic(), one clock for all processes of a machine. Steps are told only with `tell_progress`. With
    `tell_preview`, so is the coarse shape before refinement, and every `preview_steps` steps (0: never) what the shape
    would be by then. Both wake the node, and the preview costs a decoding.
    """

    waveform: np.ndarray
    sample_rate: int
    start: float
    end: float
    seed: int
    steps: int | None
    guidance: float | None
    num_points: int
    view: View | None = None
    refine_steps: int = 0
    refine_budget_s: float = 5.0
    deadline: float | None = None
    received: float = field(default_factory=time.monotonic)
    tell_progress: bool = False
    tell_preview: bool = False
    preview_steps: int = 0


@dataclass(frozen=True)
class Job:
    """A request on this side of the pipe: the pictures still to be decoded for it, how sure the shape must be to be
    published, who follows it, how to stop it."""

    request: Request
    snapshot: Snapshot | None = None
    min_confidence: float = 0.0
    progress: Progress | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Outcome:
    """A finished request. timings_ms holds the stages in order, and
    `total`; rendering: (H, W, 3) uint8 of the fitted Gaussians; notice: what had to be given up, if anything."""

    shape: Shape
    confidence: float
    refined: bool
    seed: int
    device: str
    weights_sha256: str
    timings_ms: dict[str, float]
    rendering: np.ndarray | None = None
    notice: str = ""


@dataclass(frozen=True)
class ModelOptions:
    """What the model process loads, and how much of the machine it may use."""

    weights_dir: str
    device: str
    cpu_threads: int
    allow_random: bool


@dataclass(frozen=True)
class ModelInfo:
    """What was loaded, for the log and diagnostics. device: as torch names it; rasterizer: what refinement renders by;
    name: of a GPU, else empty; memory in MiB, of the whole GPU."""

    device: str
    weights_sha256: str
    rasterizer: str
    name: str = ""
    used_mib: int = 0
    total_mib: int = 0


def draw_seed(wanted: int) -> int:
    """A seed as asked, or for a negative one a fresh one."""
    return wanted if wanted >= 0 else secrets.randbelow(2**31)


def check_level(waveform: np.ndarray, min_rms_dbfs: float) -> None:
    level = rms_dbfs(waveform)
    if level < min_rms_dbfs:
        raise Silence(f"silence ({level:.0f} dBFS), expected at least {min_rms_dbfs:.0f}: raise the microphone's gain")
