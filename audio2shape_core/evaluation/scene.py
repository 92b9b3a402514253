"""A known shape before a known camera, and the cloud that a generator might have made of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from audio2shape_core.camera import Camera
from audio2shape_core.splatting import Gaussians, render

POINTS = 2048  # of the coarse cloud, and of every cloud when distances are taken


@dataclass(frozen=True)
class Scene:
    """label; points (N, 3) and colors (N, 3) of the true shape, in random order; truth: its Gaussians; view: the
    camera; image (H, W, 3) uint8 over black and alpha (H, W) float32: what it sees; coarse (M, 3), coarse_colors
    (M, 3): a bent sample of the shape (`coarsen`)."""

    label: str
    points: np.ndarray
    colors: np.ndarray
    truth: Gaussians
    view: Camera
    image: np.ndarray
    alpha: np.ndarray
    coarse: np.ndarray
    coarse_colors: np.ndarray

    @classmethod
    def draw(cls, label: str, points: np.ndarray, colors: np.ndarray, side: int, rng: np.random.Generator) -> Scene:
        """From a random side, at eye level to high above, in `side` x `side` pixels."""
        view = Camera.look_at(rng.uniform(0, 360), rng.uniform(0, 40), width=side, height=side)
        order = rng.permutation(len(points))
        points, colors = points[order], colors[order]
        truth = Gaussians.from_cloud(points, colors).solid()
        coarse = coarsen(points[:POINTS], colors[:POINTS], rng)
        return cls(label, points, colors, truth, view, *photograph(truth, view), *coarse)


def coarsen(
    points: np.ndarray, colors: np.ndarray, rng: np.random.Generator, *, bend: float = 0.04, scatter: float = 0.012
) -> tuple[np.ndarray, np.ndarray]:
    """A stand-in for a generated cloud: a smooth displacement of about `bend` (root mean square), noise of `scatter`
    per axis, colours averaged over 200 neighbours and faded towards their mean."""
    bent = points.astype(np.float64)
    for _ in range(3):
        wave, direction = 2 * rng.normal(size=3), rng.normal(size=3)
        phase = np.sin(points @ wave + rng.uniform(0, 2 * np.pi))[:, None]
        bent += bend * np.sqrt(2 / 3) * phase * direction / np.linalg.norm(direction)
    bent += scatter * rng.normal(size=points.shape)
    _, index = cKDTree(points).query(points, 200)
    blurred = colors[index].mean(1)
    return bent.astype(np.float32), (0.6 * blurred + 0.4 * blurred.mean(0)).astype(np.uint8)


def photograph(gaussians: Gaussians, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, 3) uint8 over black, and alpha (H, W) float32."""
    with torch.no_grad():
        out = render(gaussians, camera)
    return (255 * out.color.clamp(0, 1)).round().to(torch.uint8).numpy(), out.alpha.numpy()


def errors(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Mean absolute error 0..1 and PSNR in dB of two images, over the whole frame."""
    difference = (a.astype(np.float64) - b) / 255
    return float(np.abs(difference).mean()), float(-10 * np.log10(np.square(difference).mean() + 1e-12))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks (H, W), 0..1."""
    return float(np.minimum(a, b).sum() / np.maximum(a, b).sum())
