"""Pictures of shapes: our own rasteriser with a random view, lens and light, for the image encoder to learn from."""

from __future__ import annotations

import numpy as np
import torch

from audio2shape_core.camera import Camera
from audio2shape_core.splatting import Gaussians, render


def photograph(points: np.ndarray, colors: np.ndarray | None, rng: np.random.Generator, size: int) -> np.ndarray:
    """One picture of a shape: random view (any side, from a little below to high above), focal length and light.

    Arguments:
        points: (N, 3) canonical, unit sphere.
        colors: (N, 3) uint8; None paints the shape in one random colour.
    Returns (size, size, 4) uint8: RGB, and how much of each pixel the shape covers.
    """
    if colors is None:
        colors = np.broadcast_to(rng.integers(30, 230, 3, np.uint8), points.shape)
    gaussians = Gaussians.from_cloud(points, colors).solid()
    camera = Camera.look_at(
        rng.uniform(0, 360),
        rng.uniform(-8, 50),
        width=size,
        height=size,
        fov_deg=rng.uniform(25, 60),
        roll=rng.normal(0, 4),
    )
    gaussians.colors = gaussians.colors * torch.from_numpy(_lit(gaussians, camera, rng))[:, None]
    with torch.inference_mode():
        seen = render(gaussians, camera)
    picture = torch.cat([seen.color, seen.alpha.unsqueeze(-1)], dim=-1).clamp(0, 1)
    return (255 * picture).round().to(torch.uint8).numpy()


def _lit(gaussians: Gaussians, camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """Brightness of every Gaussian: ambient light and one lamp above, on surfaces turned towards the camera: (N,)."""
    normals = gaussians.rotations()[..., 2].numpy()
    towards = camera.position - gaussians.means.numpy()
    normals = normals * np.sign(np.sum(normals * towards, axis=1, keepdims=True))
    lamp = rng.normal(size=3) + (0, 0, 1.0)
    ambient = rng.uniform(0.35, 0.7)
    diffuse = np.clip(normals @ (lamp / np.linalg.norm(lamp)), 0, 1)
    return (ambient + (1.15 - ambient) * diffuse).astype(np.float32)
