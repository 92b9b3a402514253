"""What a run tells on its way, and what it gives in the end. No torch is imported here: the node needs these, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audio2shape_core.shape import Shape

if TYPE_CHECKING:
    import torch

    from audio2shape_core.refinement import Refined


@dataclass(frozen=True)
class Step:
    """Where a run is. stage: one of errors.STAGES; step of total: 1, 2, ... total. estimate: decodes what the shape
    would be if the run ended here, for a price; None where there is nothing to see yet or nothing new.
    """

    stage: str
    step: int
    total: int
    estimate: Callable[[], Shape] | None = None


OnStep = Callable[[Step], None]  # it may raise Cancelled to stop the run at that step


@dataclass(frozen=True)
class Heard:
    """What listening gives.

    embedding: (512,), context: (L, C) for the denoiser, both float32. label: the most likely class of the vocabulary.
    familiarity: the probability that the sound is of a kind that training showed. scores: of each class, its
    probability among those of the vocabulary times the familiarity. confidence: the label's score.
    """

    embedding: np.ndarray
    context: torch.Tensor
    label: str
    confidence: float
    scores: dict[str, float]
    familiarity: float


@dataclass(frozen=True)
class Generation:
    """A finished run.

    shape: the refined cloud where an image was given and trusted, else the coarse one. known: whether the sound is
    called by its label, or unknown. pose_source: "given" with a known view, "fitted" to the image, or "assumed": then
    the place in front of the camera is no measurement. notice: what was given up and why, as sentences; else empty.
    """

    shape: Shape
    coarse: Shape
    heard: Heard
    known: bool
    refined: Refined | None
    pose_source: str
    notice: str
    timings_ms: dict[str, float]
    seed: int
    device: str
    weights_sha256: str
