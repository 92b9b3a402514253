"""One training run: what is trained, on what, and where it goes. Every recipe is a function of a `Run`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from audio2shape_core import checkpoint
from audio2shape_core.data.completion import Completion
from audio2shape_core.data.manifest import UNLABELLED, labels_of
from audio2shape_core.data.shape_bank import ShapeBank, training_bank
from audio2shape_core.data.sound_bank import SoundBank, training_sounds
from audio2shape_core.errors import InputError
from audio2shape_core.presets import Optimization, Preset
from audio2shape_core.training.loop import Model, fit
from audio2shape_core.vocabulary import Vocabulary


@dataclass
class Run:
    """preset: sizes and recipes; data: the data set; output: where checkpoints, state, log and made items go;
    device: where the model is trained; vocabulary: the classes (None: those of the shipped vocabulary that the set
    has); weights: where the checkpoints of earlier tasks are; resume: go on from the state in `output`; without: parts
    to leave out, for ablations; pretrained: the folder of frozen encoders' weights; completion: counts what is made.
    """

    preset: Preset
    data: Path
    output: Path
    device: torch.device
    vocabulary: Vocabulary | None = None
    weights: Path | None = None
    resume: bool = False
    without: frozenset[str] = frozenset()
    pretrained: str = ""
    completion: Completion = field(default_factory=Completion)

    def check_parts(self, *parts: str) -> None:
        """Raise InputError for parts in `without` that a recipe does not have."""
        if unknown := sorted(self.without - set(parts)):
            names = ", ".join(parts) or "nothing"
            raise InputError(f"--without {', '.join(unknown)}: this recipe can do without {names}")

    def classes(self) -> Vocabulary:
        """The vocabulary to train: the one that was given, else what the set has of the shipped one.

        Says which classes of the set are left out. Raises InputError where nothing is left.
        """
        labels = labels_of(self.data, "train")
        vocabulary = self.vocabulary or Vocabulary.default().only(labels)
        known = {*vocabulary.classes, *vocabulary.held_out, *vocabulary.zero_shot, UNLABELLED}
        if strangers := sorted(labels - known):
            some = ", ".join(strangers[:5]) + (", ..." if len(strangers) > 5 else "")
            tqdm.write(f"left out: {len(strangers)} classes that no vocabulary names ({some}); see --vocabulary")
        return vocabulary

    @property
    def made(self) -> Path:
        """The folder of items that were made and are kept."""
        return self.output / "made"

    def sounds(self, vocabulary: Vocabulary) -> SoundBank:
        """The training recordings, completed."""
        return training_sounds(self.data, vocabulary, self.completion, self.preset.made, folder=self.made)

    def shapes(self, vocabulary: Vocabulary, num_points: int) -> ShapeBank:
        """The training shapes, completed."""
        made = self.preset.made.shapes
        return training_bank(self.data, vocabulary, self.completion, made=made, num_points=num_points, folder=self.made)

    def fit(
        self,
        model: Model,
        losses: Callable[[Any], dict[str, Tensor]],
        optimization: Optimization,
        name: str,
        draw: Callable[[int], Any] | None = None,
    ) -> Model:
        """`training.loop.fit` with its state and log in `output/name`."""
        folder = self.output / name
        return fit(model, losses, optimization, folder, resume=self.resume, device=self.device, draw=draw)

    def save(self, kind: str, config: dict, vocabulary: Vocabulary, model: nn.Module, **info: object) -> Path:
        """Write a checkpoint to `output/kind.safetensors`; returns its path."""
        path = self.output / f"{kind}.safetensors"
        info["made"] = self.completion.made
        checkpoint.save(path, kind, config, vocabulary, model.state_dict(), info)
        return path
