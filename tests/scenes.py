"""A small coloured object without symmetries about the vertical axis, for the tests of refinement."""

import numpy as np
import torch

from audio2shape_core.camera import Camera
from audio2shape_core.splatting.gaussians import Gaussians
from audio2shape_core.splatting.rasterizer import render

# A toy lorry: centre, half sizes, colour of each box; +x is the front.
BOXES = (
    ((-0.25, 0, 0.05), (0.6, 0.3, 0.28), (200, 60, 50)),
    ((0.62, 0, -0.05), (0.25, 0.28, 0.2), (60, 90, 200)),
    ((0.0, 0, -0.3), (0.85, 0.22, 0.06), (40, 40, 45)),
    ((0.7, 0, 0.22), (0.06, 0.06, 0.08), (240, 220, 60)),
)


def box_cloud(boxes=BOXES, count: int = 2048, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) float32 points on the faces of boxes, in the unit sphere, and (N, 3) uint8 colours."""
    rng = np.random.default_rng(seed)
    areas = np.array([8 * (h[0] * h[1] + h[1] * h[2] + h[0] * h[2]) for _, h, _ in boxes])
    box = rng.choice(len(boxes), count, p=areas / areas.sum())
    centre, half, color = (np.array([b[k] for b in boxes], float)[box] for k in range(3))
    faces = half.prod(1, keepdims=True) / half  # area of the face across each axis
    axis = (rng.random((count, 1)) > (faces / faces.sum(1, keepdims=True)).cumsum(1)).sum(1)
    local = rng.uniform(-1, 1, (count, 3))
    local[np.arange(count), axis] = np.sign(local[np.arange(count), axis])
    points = centre + half * local
    points -= (points.max(0) + points.min(0)) / 2
    shade = 1 + 0.15 * local[:, :1]  # a slow gradient, so that faces are not of one colour
    return (points / np.linalg.norm(points, axis=1).max()).astype(np.float32), (color * shade).clip(0, 255).astype(
        np.uint8
    )


def photograph(points: np.ndarray, colors: np.ndarray, camera: Camera) -> np.ndarray:
    """(H, W, 4) uint8: a render of the cloud, with its silhouette in the alpha channel."""
    with torch.no_grad():
        out = render(Gaussians.from_cloud(points, colors), camera)
    color = out.color / out.alpha.clamp(min=1e-3)[..., None]
    rgba = torch.cat([color, out.alpha[..., None]], -1).clamp(0, 1)
    return (255 * rgba).round().to(torch.uint8).numpy()
