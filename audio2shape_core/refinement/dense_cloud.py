"""From fitted Gaussians back to points: a dense cloud drawn from the ellipsoids."""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import qmc

from audio2shape_core.refinement.gaussians import Gaussians

# Points stay within this many standard deviations: neighbouring discs overlap there, the tails would only blur edges.
REACH = 1.0


def sample_cloud(gaussians: Gaussians, num_points: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points on the discs, as many on each as it is opaque and wide.

    Returns: points (M, 3) float32; colors (M, 3) uint8; source (M,) index of the Gaussian each point came from.
    """
    with torch.no_grad():
        scales = gaussians.scales.cpu().numpy().astype(np.float64)
        widest = np.sort(scales, axis=1)[:, 1:]
        weight = gaussians.opacities.cpu().numpy() * widest.prod(1)
        rotations = gaussians.rotations().cpu().numpy()
        means, colors = gaussians.means.cpu().numpy(), gaussians.colors.cpu().numpy()
    rng = np.random.default_rng(seed)
    # Systematic sampling: the count of each Gaussian is its expectation, rounded up or down.
    steps = (np.arange(num_points) + rng.random()) / num_points
    source = np.minimum(np.searchsorted(np.cumsum(weight) / weight.sum(), steps), len(means) - 1)
    # The first point of a Gaussian is its centre; the others spread evenly over the disc.
    disc = qmc.Halton(3, seed=rng).random(num_points)
    radius, angle = REACH * np.sqrt(disc[:, 0]), 2 * np.pi * disc[:, 1]
    local = np.stack([radius * np.cos(angle), radius * np.sin(angle), REACH * (disc[:, 2] - 0.5)], 1)
    local[np.r_[True, source[1:] != source[:-1]]] = 0
    order = np.argsort(-scales, axis=1)  # widest axes first
    offsets = np.zeros_like(local)
    np.put_along_axis(offsets, order[source], local, axis=1)
    points = means[source] + np.einsum("nij,nj->ni", rotations[source], offsets * scales[source])
    return points.astype(np.float32), np.round(255 * colors[source]).clip(0, 255).astype(np.uint8), source
