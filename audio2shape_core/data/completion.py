"""What is made where a data set lacks it: sounds, shapes and renders of shapes. This is decided here and nowhere else.

Training adds made items to every class, evaluation only to galleries that are too small. `Completion` decides how many,
counts them, and can be forbidden to make any.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from audio2shape_core.errors import InputError
from audio2shape_core.synthetic.shapes import procedural_labels, procedural_shape
from audio2shape_core.synthetic.sounds import fluidsynth_available, fluidsynth_labels, physical_labels

# Seeds of the shapes that complete a gallery. Training counts from zero, sets of `data build` from a million.
TEST_SEEDS = range(100_000, 100_020)

Cloud = tuple[np.ndarray, np.ndarray]  # points (N, 3) float32 in canonical pose, colors (N, 3) uint8


def can_make_shapes(label: str) -> bool:
    """Whether there is a procedural shape of a class."""
    return label in procedural_labels()


def can_make_sounds(label: str) -> bool:
    """Whether a sound of a class can be synthesised on this machine."""
    return label in physical_labels() or (label in fluidsynth_labels() and fluidsynth_available())


@dataclass
class Completion:
    """How much a data set is completed. allowed: False makes nothing; made: how many items of each kind were made."""

    allowed: bool = True
    made: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("sounds", "shapes", "renders"), 0))

    def _count(self, kind: str, count: int) -> int:
        count = max(0, count) if self.allowed else 0
        self.made[kind] += count
        return count

    def sounds(self, label: str, count: int, *, recordings: int) -> int:
        """How many sounds to make of a class with so many recordings.

        Raises InputError for a class that has no recording and of which no sound can be made.
        """
        count = self._count("sounds", count if can_make_sounds(label) else 0)
        if not count and not recordings:
            raise InputError(
                f"no recording of {label!r} in the data, and none can be made: add some, or drop the class"
            )
        return count

    def shapes(self, label: str, count: int, *, real: int) -> int:
        """How many procedural shapes to make of a class with so many real ones. Raises InputError as `sounds`."""
        count = self._count("shapes", count if can_make_shapes(label) else 0)
        if not count and not real:
            raise InputError(f"no shape of {label!r} in the data, and none can be made: add some, or drop the class")
        return count

    def clouds(self, label: str, missing: int, num_points: int, seeds: range = TEST_SEEDS) -> list[tuple[int, Cloud]]:
        """What an evaluation lacks of a class: seeds and shapes, none where none can be made."""
        count = self._count("shapes", min(missing, len(seeds)) if can_make_shapes(label) else 0)
        return [(seed, procedural_shape(label, seed, num_points)) for seed in seeds[:count]]

    def renders(self, count: int) -> int:
        """How many pictures to render of shapes."""
        return self._count("renders", count)
