"""What goes to the model's process and what comes back: plain values and arrays, so that the node needs no torch."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from audio2shape_core.frame import Frame
from audio2shape_core.results import Generation, OnStep
from audio2shape_core.settings import Settings
from audio2shape_core.shape import Shape
from audio2shape_core.stopwatch import Stopwatch


class Model(Protocol):
    """What the process needs of audio2shape_core.pipeline.AudioToShape."""

    @property
    def device(self) -> object: ...

    @property
    def weights_sha256(self) -> str: ...

    def generate(
        self,
        waveform: np.ndarray,
        *,
        frame: Frame | None = ...,
        settings: Settings = ...,
        deadline: float | None = ...,
        stopwatch: Stopwatch | None = ...,
        on_step: OnStep | None = ...,
    ) -> Generation: ...


@dataclass(frozen=True)
class ModelOptions:
    """What the process loads, and how much of the machine it may use. cpu_threads: of the model, at least 1."""

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


@dataclass(frozen=True)
class Request:
    """Make a shape of a sound.

    waveform: (S,) float32 mono at `sample_rate` Hz. frame: the camera's, where the shape is to be fitted to it.
    deadline, received: time.monotonic(), one clock for all processes of a machine. Steps are sent back only with
    `send_progress`. With `send_preview`, so is the coarse shape before refinement, and every `preview_steps` steps (0:
    never) what the shape would be by then. Both wake the node, and the preview costs a decoding.
    """

    waveform: np.ndarray
    sample_rate: int
    settings: Settings = field(default_factory=Settings)
    frame: Frame | None = None
    deadline: float | None = None
    received: float = field(default_factory=time.monotonic)
    send_progress: bool = False
    send_preview: bool = False
    preview_steps: int = 0


@dataclass(frozen=True)
class Outcome:
    """A finished request. confidence, known, pose_source, notice: as in results.Generation. timings_ms: the stages in
    order, then `total`. rendering: (H, W, 3) uint8 of the fitted Gaussians, None without a fit."""

    shape: Shape
    confidence: float
    known: bool
    refined: bool
    pose_source: str
    seed: int
    device: str
    weights_sha256: str
    timings_ms: dict[str, float]
    rendering: np.ndarray | None = None
    notice: str = ""
