"""`evaluate headings`: do the real shapes of a class face one way, as their sources leave them and in canonical pose?

A robot must know the front of a thing, and a generator that learns from shapes of mixed headings draws their mixture.
"""

from __future__ import annotations

import numpy as np
from tqdm import tqdm

from audio2shape_core.data.canonical import YAWS, canonicalize, normalize, turn
from audio2shape_core.data.manifest import load_points, read_manifest
from audio2shape_core.evaluation.set_metrics import pairwise_chamfer, subsample
from audio2shape_core.evaluation.task import Task, mean

FEWEST, MOST = 5, 24  # shapes of a class: fewer say nothing, more would only take longer
POINTS = 256
GAIN = 0.05  # a shape disagrees where a turn brings it closer to its nearest neighbour by more than this share


def agreement(clouds: list[np.ndarray]) -> float:
    """Share of clouds (N, 3) of a class that no turn about z would bring closer to the nearest other cloud.

    Closer by the Chamfer distance, by more than `GAIN`: what looks the same from both sides may face either way.
    """
    clouds = subsample(clouds, POINTS)
    nearest = []
    for yaw in YAWS:
        distances = pairwise_chamfer([turn(cloud, yaw) for cloud in clouds], clouds, squared=False)
        np.fill_diagonal(distances, np.inf)
        nearest.append(distances.min(1))
    return float(np.mean(nearest[YAWS.index(0)] <= np.min(nearest, axis=0) / (1 - GAIN)))


def evaluate_headings(task: Task) -> dict:
    """`agreement` of each class with enough real shapes: {label: {"shapes": n, "as_found": a, "canonical": b}}, and the
    mean of classes."""
    labels = task.classes().names
    items = [item for item in read_manifest(task.data, "shape", task.split) if item.label in labels]
    per_class = {}
    for label in tqdm(sorted({item.label for item in items}), "headings"):
        own = [item for item in items if item.label == label]
        if len(own) < FEWEST:
            continue
        chosen = [own[i] for i in np.random.default_rng(0).permutation(len(own))[:MOST]]
        found = [points for points, _ in load_points(chosen)]
        posed = [canonicalize(points, label, yaw_deg=item.yaw_deg) for item, points in zip(chosen, found)]
        per_class[label] = {
            "shapes": len(chosen),
            "as_found": agreement([normalize(points) for points in found]),
            "canonical": agreement(posed),
        }
    means = {key: mean(row[key] for row in per_class.values()) for key in ("as_found", "canonical")}
    return {"per_class": per_class, **means}
