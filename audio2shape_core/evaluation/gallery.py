"""Shapes to measure against: the real ones of a split, completed with procedural ones where a class has none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio2shape_core.data.canonical import canonicalize
from audio2shape_core.data.manifest import load_points, read_manifest
from audio2shape_core.data.shape_bank import TEST_SEEDS
from audio2shape_core.synthetic.shapes import procedural_shape
from audio2shape_core.vocabulary import VOCABULARY

MADE_POINTS = 4096  # as many as most real clouds of the data set have


@dataclass(frozen=True)
class GalleryShape:
    """label, id; points (N, 3) float32 in canonical pose; colors (N, 3) uint8 or None; real: not procedural."""

    label: str
    id: str
    points: np.ndarray
    colors: np.ndarray | None
    real: bool


def read_gallery(data: Path, split: str, labels: tuple[str, ...], *, complete_to: int = 0) -> list[GalleryShape]:
    """Real shapes of `labels` in a split. Classes with fewer than `complete_to` are completed with procedural shapes.

    The procedural ones come from seeds that training never draws (`TEST_SEEDS`).
    """
    items = [item for item in read_manifest(data, "shape", split) if item.label in labels]
    gallery = [
        GalleryShape(item.label, item.key, canonicalize(points, item.label, source=item.source), colors, True)
        for item, (points, colors) in zip(items, load_points(items))
    ]
    for label in labels:
        missing = complete_to - sum(shape.label == label for shape in gallery)
        for seed in TEST_SEEDS[: max(0, missing)]:
            made = procedural_shape(label, seed, MADE_POINTS)
            gallery.append(GalleryShape(label, f"made_{label}_{seed}", *made, False))
    return gallery


def coloured_shapes(data: Path, split: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """What refinement is measured on: the coloured real shapes of a split, and one procedural shape a class.

    Yields label, canonical points (N, 3) float32, colors (N, 3) uint8.
    """
    items = [item for item in read_manifest(data, "shape", split) if item.label in VOCABULARY]
    for item, (points, colors) in zip(items, load_points(items)):
        if colors is not None and len(points) >= MADE_POINTS:
            yield item.label, canonicalize(points, item.label, source=item.source), colors
    for label in VOCABULARY:
        yield label, *procedural_shape(label, TEST_SEEDS[0], 2 * MADE_POINTS)
