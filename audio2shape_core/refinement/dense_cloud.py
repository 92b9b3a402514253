"""From fitted Gaussians back to points: a dense cloud drawn from the ellipsoids."""

from __future__ import annotations

import math

import numpy as np
import torch

from audio2shape_core.clouds import farthest_points, nearest_points, spacing
from audio2shape_core.splatting.gaussians import Gaussians

# Points stay within this many standard deviations: neighbouring discs overlap there, the tails would only blur edges.
REACH = 1.0
SURPLUS = 2  # times as many points are drawn as are kept
# The surface through the centres is smoothed over this many spacings, taking so many neighbours into account.
SMOOTHING, NEIGHBORS = 1.2, 12


def sample_cloud(gaussians: Gaussians, num_points: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points on the discs, evenly spread: drawn as many on each as it is opaque and wide, twice too many, and thinned.

    Returns, in an order of which every beginning is spread evenly too: points (M, 3) float32; colors (M, 3)
    uint8; source (M,) index of the Gaussian each point came from.
    """
    with torch.no_grad():
        scales = gaussians.scales.cpu().numpy().astype(np.float64)
        widest = np.sort(scales, axis=1)[:, 1:]
        weight = gaussians.opacities.cpu().numpy() * widest.prod(1)
        rotations = gaussians.rotations().cpu().numpy()
        means, colors = gaussians.means.cpu().numpy(), gaussians.colors.cpu().numpy()
    rng = np.random.default_rng(seed)
    drawn = SURPLUS * num_points
    # Systematic sampling: the count of each Gaussian is its expectation, rounded up or down.
    steps = (np.arange(drawn) + rng.random()) / drawn
    source = np.minimum(np.searchsorted(np.cumsum(weight) / weight.sum(), steps), len(means) - 1)
    # The first point of a Gaussian is its centre; the others spread evenly over the disc.
    disc = halton(drawn, rng.spawn(1)[0])
    radius, angle = REACH * np.sqrt(disc[:, 0]), 2 * np.pi * disc[:, 1]
    local = np.stack([radius * np.cos(angle), radius * np.sin(angle), REACH * (disc[:, 2] - 0.5)], 1)
    local[np.r_[True, source[1:] != source[:-1]]] = 0
    order = np.argsort(-scales, axis=1)  # widest axes first
    offsets = np.zeros_like(local)
    np.put_along_axis(offsets, order[source], local, axis=1)
    points = means[source] + np.einsum("nij,nj->ni", rotations[source], offsets * scales[source])
    points = onto_surface(points, means)
    even = farthest_points(points, num_points)
    points, source = points[even], source[even]
    return points.astype(np.float32), np.round(255 * colors[source]).clip(0, 255).astype(np.uint8), source


def halton(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 3) points of a scrambled Halton sequence in [0, 1) (Owen 2017): they fill space more evenly than chance.

    Those of scipy.stats.qmc.Halton, whose import takes 35 MB.
    """
    columns = []
    for base in (2, 3, 5):
        orders = np.tile(
            np.arange(base), (math.ceil(54 / math.log2(base)) - 1, 1)
        )  # of every digit, until float64 ends
        for order in orders:
            rng.shuffle(order)
        index, value, weight = np.arange(count), np.zeros(count), 1 / base
        for order in orders:
            value += order[index % base] * weight
            index //= base
            weight /= base
        columns.append(value)
    return np.stack(columns, 1)


def onto_surface(points: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Move points (M, 3) along the local normal onto the moving-least-squares plane of the centres (N, 3) (Levin 1998).

    This takes out the scatter of the centres about the surface, which more points would only repeat. No point moves
    further than one spacing.
    """
    unit = float(np.median(spacing(centers)))
    distance, index = nearest_points(centers, points, NEIGHBORS)
    weight = np.exp(-np.square(distance / (SMOOTHING * unit)) / 2) + 1e-9
    weight /= weight.sum(1, keepdims=True)
    local = centers[index].astype(np.float64)  # (M, K, 3)
    middle = np.einsum("mk,mki->mi", weight, local)
    local -= middle[:, None]
    _, axes = np.linalg.eigh(np.einsum("mk,mki,mkj->mij", weight, local, local))
    normal = axes[:, :, 0]  # the direction of least spread
    height = np.einsum("mi,mi->m", points - middle, normal)
    return points - np.clip(height, -unit, unit)[:, None] * normal
