"""Shapes to measure against: the real ones of a split, completed with procedural ones where a class has too few."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from audio2shape_core.data.canonical import canonicalize
from audio2shape_core.data.manifest import load_points, read_manifest
from audio2shape_core.evaluation.task import Task

MADE_POINTS = 4096  # as many as most real clouds of the data set have


@dataclass(frozen=True)
class GalleryShape:
    """label, id; points (N, 3) float32 in canonical pose; colors (N, 3) uint8 or None; real: not procedural."""

    label: str
    id: str
    points: np.ndarray
    colors: np.ndarray | None
    real: bool


def read_gallery(task: Task, labels: Collection[str], *, complete_to: int = 0) -> list[GalleryShape]:
    """Real shapes of `labels` in the task's split; classes with fewer than `complete_to` are completed."""
    items = [item for item in read_manifest(task.data, "shape", task.split) if item.label in labels]
    gallery = [
        GalleryShape(item.label, item.key, canonicalize(points, item.label, yaw_deg=item.yaw_deg), colors, True)
        for item, (points, colors) in zip(items, load_points(items))
    ]
    for label in labels:
        real = sum(shape.label == label for shape in gallery)
        for seed, cloud in task.completion.clouds(label, complete_to - real, MADE_POINTS):
            gallery.append(GalleryShape(label, f"made_{label}_{seed}", *cloud, False))
    return gallery


def coloured_shapes(task: Task) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """What refinement is measured on: the coloured real shapes of a split, and one procedural shape a class.

    Yields label, canonical points (N, 3) float32, colors (N, 3) uint8.
    """
    labels = task.classes().names
    items = [item for item in read_manifest(task.data, "shape", task.split) if item.label in labels]
    for item, (points, colors) in zip(items, load_points(items)):
        if colors is not None and len(points) >= MADE_POINTS:
            yield item.label, canonicalize(points, item.label, yaw_deg=item.yaw_deg), colors
    for label in labels:
        for _, cloud in task.completion.clouds(label, 1, 2 * MADE_POINTS):
            yield label, *cloud
