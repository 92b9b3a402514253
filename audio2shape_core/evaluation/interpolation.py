"""Walks through the latent space (paper IV-D): what lies between two shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from audio2shape_core.clouds import resize_cloud
from audio2shape_core.data.canonical import normalize
from audio2shape_core.evaluation.gallery import GalleryShape
from audio2shape_core.generation.vqvae import PointCloudVQVAE
from audio2shape_core.shape import Shape

PAIRS = (
    ("guitar", "violin"),
    ("airplane", "bird"),
    ("car", "train"),
    ("dog", "cow"),
    ("bottle", "bell"),
    ("saxophone", "trombone"),
)
STEPS = 6


@torch.inference_mode()
def draw_interpolation(model: PointCloudVQVAE, gallery: list[GalleryShape], num_points: int, path: Path) -> None:
    """A row a pair: a test shape, the decoded latents on the straight line to another, and that other shape."""
    from audio2shape_core.preview import contact_sheet

    rng = np.random.default_rng(0)
    device = model.latent_mean.device
    rows = {}
    labels = list(dict.fromkeys(shape.label for shape in gallery))
    pairs = [pair for pair in PAIRS if set(pair) <= set(labels)] or list(zip(labels, [*labels[1:], labels[0]]))
    for first_label, last_label in pairs:
        starts, ends = ([s for s in gallery if s.label == label] for label in (first_label, last_label))
        clouds = [resize_cloud(shape.points, num_points, rng)[0] for shape in (starts[0], ends[0])]
        first, last = model.encode(torch.from_numpy(np.stack(clouds)).to(device))
        line = torch.stack([torch.lerp(first, last, step / (STEPS - 1)) for step in range(STEPS)])
        points, colors = (part.cpu().numpy() for part in model.decode(line))
        between = [shape_of(normalize(p), np.round(255 * c).astype(np.uint8)) for p, c in zip(points, colors)]
        rows[f"{first_label} to {last_label}"] = [shape_of(clouds[0]), *between, shape_of(clouds[1])]
    contact_sheet(rows, path)


def shape_of(points: np.ndarray, colors: np.ndarray | None = None) -> Shape:
    if colors is None:
        colors = np.full(points.shape, 120, np.uint8)
    return Shape(points, colors, np.ones(len(points), np.float32), "")
