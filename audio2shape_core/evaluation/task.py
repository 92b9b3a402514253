"""What an evaluation is given, in one parcel, and what several evaluations need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from audio2shape_core.data.completion import Completion
from audio2shape_core.data.manifest import labels_of
from audio2shape_core.vocabulary import Vocabulary


@dataclass(frozen=True)
class Sizes:
    """How much the evaluations sample. Smaller sizes take less time and say less."""

    gallery: int = 5  # shapes a class at least, in retrieval
    reconstructed: tuple[int, int] = (4, 12)  # shapes a class at least and at most
    emd_points: int = 1024  # of reconstructions: exact matching is cubic
    sets: int = 16  # samples and references a class, where sets are compared
    set_points: tuple[int, int] = (512, 256)  # there: for the Chamfer distance, and for EMD
    iterations: int = 200  # of refinement
    side: int = 128  # pixels of its images
    harder: int = 12  # shapes on which harder circumstances are tried
    swept: int = 6  # recordings and references a class, in the sweep
    guidance: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0, 4.5, 6.0)
    guided_shares: tuple[float, ...] = (0.3, 0.5, 0.7, 0.85, 1.0)
    steps: tuple[int, ...] = (5, 10, 20, 40)
    sampler_steps: int = 40  # where samplers are compared: DDIM and DDPM need more than the default


@dataclass(frozen=True)
class Task:
    """data, split: what to measure on; weights: the folder of checkpoints; device: where models run; picture: where to
    draw; ablations: name -> folder of checkpoints trained without a part; completion: makes and counts what the set
    lacks; robustness: whether retrieval is measured through noise and the like, too; sizes: how much is sampled."""

    data: Path
    split: str
    weights: Path
    device: torch.device
    picture: Path | None = None
    ablations: dict[str, Path] = field(default_factory=dict)
    completion: Completion = field(default_factory=Completion)
    robustness: bool = True
    sizes: Sizes = Sizes()

    def classes(self, vocabulary: Vocabulary | None = None) -> Vocabulary:
        """The classes to measure: those of a model's vocabulary, by default the shipped one, that the split has."""
        return (vocabulary or Vocabulary.default()).only(labels_of(self.data, self.split))


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of those values that are there; None where there is none."""
    there = [value for value in values if value is not None and not np.isnan(value)]
    return float(np.mean(there)) if there else None


def shown(value: float | None, form: str) -> str:
    """A figure for a table; a dash where there is none."""
    return "-" if value is None or np.isnan(value) else format(value, form)
